"""The architectures that posecli knows, by the names that ``model.yaml`` and DeepLabCut give them."""

from __future__ import annotations

from collections.abc import Callable

from posecli.network import cspnext, hrnet, timm_resnet
from posecli.network.network import Network, PoseSpec
from posecli.network.resnet import SIZES, resnet

#: Pose networks; what classifies behaviours is `posecli.network.i3d`.
POSE_NETWORKS: dict[str, Callable[[PoseSpec], Network]] = {
    **dict.fromkeys(SIZES, resnet),
    **dict.fromkeys(timm_resnet.SIZES, timm_resnet.timm_resnet),
    **dict.fromkeys(hrnet.WIDTHS, hrnet.hrnet),
    **dict.fromkeys(cspnext.NAMES, cspnext.cspnext),
}


def pose_network(spec: PoseSpec) -> Network:
    """The pose network that a specification asks for."""
    return POSE_NETWORKS[spec.net_type](spec)
