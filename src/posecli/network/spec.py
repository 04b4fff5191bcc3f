"""What determines a pose network, its weights apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoseNetworkSpec:
    """What determines a pose network, its weights apart.

    Attributes
    ----------
    net_type
        ``resnet_50``, ``resnet_101`` or ``resnet_152``.
    n_bodyparts
        ``K``.
    mean_pixel
        RGB mean that is subtracted inside the network, in the 0..255 range.
    locref
        Whether the network refines locations.
    """

    net_type: str
    n_bodyparts: int
    mean_pixel: tuple[float, float, float]
    locref: bool = True
