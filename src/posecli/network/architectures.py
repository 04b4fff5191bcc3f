"""The architectures that posecli knows, by the names that ``model.yaml`` and DeepLabCut give them."""

from __future__ import annotations

from collections.abc import Callable

from posecli.network import cspnext, dlcrnet, hrnet, timm_resnet
from posecli.network.network import DetectorSpec, Network, PoseSpec
from posecli.network.resnet import SIZES, resnet
from posecli.network.ssdlite import ssdlite

#: Pose networks; what classifies behaviours is `posecli.network.i3d`.
POSE_NETWORKS: dict[str, Callable[[PoseSpec], Network]] = {
    **dict.fromkeys(SIZES, resnet),
    **dict.fromkeys(timm_resnet.SIZES, timm_resnet.timm_resnet),
    **dict.fromkeys(hrnet.WIDTHS, hrnet.hrnet),
    **dict.fromkeys(cspnext.NAMES, cspnext.cspnext),
    **dict.fromkeys(dlcrnet.NAMES, dlcrnet.dlcrnet),
}

#: Networks that find the animal, by the names that DeepLabCut gives them.
DETECTORS: dict[str, Callable[[DetectorSpec], Network]] = {"ssdlite": ssdlite}


def pose_network(spec: PoseSpec) -> Network:
    """The pose network that a specification asks for."""
    return POSE_NETWORKS[spec.net_type](spec)


def detector_network(spec: DetectorSpec) -> Network:
    """The detector that a specification asks for."""
    return DETECTORS[spec.net_type](spec)
