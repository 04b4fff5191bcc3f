"""The variables of DeepLabCut's TensorFlow pose networks: names and shapes, without a framework.

The backbone is TF-slim's ``resnet_v1``; a variable is called what slim called it, so a checkpoint, a model
folder and the Keras layers all agree on one string. Kernels are ``(kh, kw, in, out)``, transposed-convolution
kernels ``(kh, kw, out, in)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Bottleneck units in blocks 1 to 4 of each supported network.
UNITS_PER_BLOCK: dict[str, tuple[int, int, int, int]] = {
    "resnet_50": (3, 4, 6, 3),
    "resnet_101": (3, 4, 23, 3),
    "resnet_152": (3, 8, 36, 3),
}
#: Output channels of blocks 1 to 4; the two inner convolutions of a unit have a quarter of them.
BLOCK_DEPTHS = (256, 512, 1024, 2048)
STEM_DEPTH = 64
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")

SCOREMAP_HEAD = "pose/part_pred/block4"
LOCREF_HEAD = "pose/locref_pred/block4"


@dataclass(frozen=True)
class Convolution:
    """One backbone convolution, always followed by batch normalisation.

    Attributes
    ----------
    scope
        Its variable scope, such as ``resnet_v1_50/block1/unit_1/bottleneck_v1/conv1``.
    kernel, in_channels, out_channels, stride, dilation
        Geometry; ``kernel`` is the side of a square.
    relu
        Whether a rectifier follows the normalisation.
    """

    scope: str
    kernel: int
    in_channels: int
    out_channels: int
    stride: int = 1
    dilation: int = 1
    relu: bool = True


@dataclass(frozen=True)
class Unit:
    """A bottleneck unit: three convolutions beside a shortcut; ``None`` is the input itself, subsampled."""

    scope: str
    convolutions: tuple[Convolution, Convolution, Convolution]
    shortcut: Convolution | None
    stride: int


def backbone_scope(net_type: str) -> str:
    """Variable scope of a backbone: ``resnet_50`` lives under ``resnet_v1_50``.

    >>> backbone_scope("resnet_101")
    'resnet_v1_101'
    """
    return net_type.replace("resnet_", "resnet_v1_")


def stem(net_type: str) -> Convolution:
    """The first convolution: 7x7, stride 2."""
    return Convolution(f"{backbone_scope(net_type)}/conv1", 7, 3, STEM_DEPTH, stride=2)


def units(net_type: str) -> Iterator[Unit]:
    """Every bottleneck unit in order.

    Slim puts the stride in the *last* unit of a block (not, as torchvision does, in the first). At output
    stride 16 only blocks 1 and 2 are strided; block 4 is dilated by 2 instead.
    """
    in_channels = STEM_DEPTH
    for block, (n_units, depth) in enumerate(zip(UNITS_PER_BLOCK[net_type], BLOCK_DEPTHS, strict=True), start=1):
        for number in range(1, n_units + 1):
            scope = f"{backbone_scope(net_type)}/block{block}/unit_{number}/bottleneck_v1"
            stride = 2 if block <= 2 and number == n_units else 1
            yield _unit(scope, in_channels, depth, stride, dilation=2 if block == 4 else 1, first=number == 1)
            in_channels = depth


def _unit(scope: str, in_channels: int, depth: int, stride: int, *, dilation: int, first: bool) -> Unit:
    inner = depth // 4
    return Unit(
        scope,
        (
            Convolution(f"{scope}/conv1", 1, in_channels, inner),
            Convolution(f"{scope}/conv2", 3, inner, inner, stride=stride, dilation=dilation),
            Convolution(f"{scope}/conv3", 1, inner, depth, relu=False),
        ),
        Convolution(f"{scope}/shortcut", 1, in_channels, depth, relu=False) if first else None,
        stride,
    )


def convolutions(net_type: str) -> Iterator[Convolution]:
    """Every backbone convolution, shortcuts included."""
    yield stem(net_type)
    for unit in units(net_type):
        yield from unit.convolutions
        if unit.shortcut is not None:
            yield unit.shortcut


def variable_shapes(net_type: str, n_bodyparts: int, *, locref: bool = True) -> dict[str, tuple[int, ...]]:
    """Names and shapes of every variable that inference needs.

    Parameters
    ----------
    net_type
        A key of `UNITS_PER_BLOCK`.
    n_bodyparts
        ``K``, the number of scoremaps; the location-refinement head has ``2 K`` channels.
    locref
        Whether the network has a location-refinement head.

    Examples
    --------
    >>> shapes = variable_shapes("resnet_50", n_bodyparts=4)
    >>> len(shapes)
    269
    >>> shapes["pose/locref_pred/block4/weights"]
    (3, 3, 8, 2048)
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for conv in convolutions(net_type):
        shapes[f"{conv.scope}/weights"] = (conv.kernel, conv.kernel, conv.in_channels, conv.out_channels)
        for name in BATCH_NORM_VARIABLES:
            shapes[f"{conv.scope}/BatchNorm/{name}"] = (conv.out_channels,)
    for head, channels in head_channels(n_bodyparts, locref=locref).items():
        shapes[f"{head}/weights"] = (3, 3, channels, BLOCK_DEPTHS[-1])
        shapes[f"{head}/biases"] = (channels,)
    return shapes


def head_channels(n_bodyparts: int, *, locref: bool) -> dict[str, int]:
    """Output channels of each head."""
    return {SCOREMAP_HEAD: n_bodyparts} | ({LOCREF_HEAD: 2 * n_bodyparts} if locref else {})
