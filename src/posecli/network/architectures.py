"""The architectures that posecli knows, by the names that ``model.yaml`` and DeepLabCut give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from posecli.network import compact, cspnext, dlcrnet, efficientnet, faster_rcnn, hrnet, mobilenet, resnet, timm_resnet
from posecli.network.network import DetectorSpec, Network, PoseSpec
from posecli.network.ssdlite import ssdlite
from posecli.network.tensorflow_blocks import PublishedWeights

#: Pose networks; what classifies behaviours is `posecli.network.i3d`.
POSE_NETWORKS: dict[str, Callable[[PoseSpec], Network]] = {
    **dict.fromkeys(resnet.SIZES, resnet.resnet),
    **dict.fromkeys(mobilenet.WIDTHS, mobilenet.mobilenet),
    **dict.fromkeys(efficientnet.SIZES, efficientnet.efficientnet),
    **dict.fromkeys(timm_resnet.SIZES, timm_resnet.timm_resnet),
    **dict.fromkeys(hrnet.WIDTHS, hrnet.hrnet),
    **dict.fromkeys(cspnext.NAMES, cspnext.cspnext),
    **dict.fromkeys(dlcrnet.NAMES, dlcrnet.dlcrnet),
    **dict.fromkeys(compact.CHANNELS, compact.compact),
}
#: Those of DeepLabCut's TensorFlow engine, which need no layout: it is the same for all of one name.
TENSORFLOW_NETWORKS = (*resnet.SIZES, *mobilenet.WIDTHS, *efficientnet.SIZES)
#: Those that `posecli train` makes, with the layout that it gives them.
TRAINED_LAYOUTS: dict[str, dict[str, Any]] = {
    **{name: {} for name in resnet.SIZES},
    **{name: {"statistics": "stored"} for name in mobilenet.WIDTHS},
    **{name: {} for name in compact.CHANNELS},
}
#: Where training may begin.
PUBLISHED_WEIGHTS: dict[str, PublishedWeights] = {
    **{name: resnet.imagenet(name) for name in resnet.SIZES},
    **{name: mobilenet.imagenet(name) for name in mobilenet.WIDTHS},
}

#: Networks that find the animal, by the names that DeepLabCut gives them.
DETECTORS: dict[str, Callable[[DetectorSpec], Network]] = {
    "ssdlite": ssdlite,
    **dict.fromkeys(faster_rcnn.VARIANTS, faster_rcnn.faster_rcnn),
}


def pose_network(spec: PoseSpec) -> Network:
    """The pose network that a specification asks for."""
    return POSE_NETWORKS[spec.net_type](spec)


def detector_network(spec: DetectorSpec) -> Network:
    """The detector that a specification asks for."""
    return DETECTORS[spec.net_type](spec)
