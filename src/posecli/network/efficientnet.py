"""EfficientNet (Tan & Le 2019) as DeepLabCut's TensorFlow engine has it: without its last stride and convolution.

Frames are scaled by a specification's `std_pixel`. Normalisation is by stored averages, unless a model's layout says
``statistics: frame``, as DeepLabCut computes it where ``pose_cfg.yaml`` says ``use_batch_norm: true``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from posecli.network.network import FRAMES, Network, PoseSpec
from posecli.network.operations import Activation, Add, Convolution, DepthwiseConvolution, Operation, squeeze_excite
from posecli.network.tensorflow_blocks import normalization, rounded_channels, statistics_of, with_heads
from posecli.options import Statistics

#: Factors on the number of channels, and of blocks in a stage.
SIZES = {
    "efficientnet-b0": (1.0, 1.0),
    "efficientnet-b1": (1.0, 1.1),
    "efficientnet-b2": (1.1, 1.2),
    "efficientnet-b3": (1.2, 1.4),
    "efficientnet-b4": (1.4, 1.8),
    "efficientnet-b5": (1.6, 2.2),
    "efficientnet-b6": (1.8, 2.6),
}
#: RGB, 0..255; DeepLabCut divides by it whatever ``pose_cfg.yaml`` says.
IMAGENET_STD = (58.395, 57.12, 57.375)
STEM = 32  # channels of the first convolution
SQUEEZED = 4  # of so many channels that enter a block, one stands between the two layers that weight channels
EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind, at the size of b0."""

    blocks: int
    kernel: int
    stride: int  # of the first block
    channels: int  # that leave each block
    expansion: int = 6


STAGES = (
    Stage(1, 3, 1, 16, expansion=1),
    Stage(2, 3, 2, 24),
    Stage(2, 5, 2, 40),
    Stage(3, 3, 2, 80),
    Stage(3, 5, 1, 112),
    Stage(4, 5, 1, 192),
    Stage(1, 3, 1, 320),
)


def efficientnet(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> network = efficientnet(PoseSpec("efficientnet-b0", 4))
    >>> network.stride, len(network.variable_shapes())
    (8, 308)
    >>> network.variable_shapes()["pose/locref_pred/block4/weights"]
    (3, 3, 8, 320)
    """
    return with_heads(spec, _backbone(spec.net_type, statistics_of(spec.layout)))


def _backbone(net_type: str, statistics: Statistics) -> Iterator[Operation]:
    (width, depth), scope = SIZES[net_type], f"efficientnet/{net_type}"
    stem, channels = f"{scope}/stem/conv2d", rounded_channels(STEM, width)
    yield Convolution(stem, (FRAMES,), (3, 3), f"{stem}/kernel", channels, (2, 2))
    yield from _normalized(f"{scope}/stem/tpu_batch_normalization", stem, statistics)
    tensor, number = f"{stem}/swish", 0
    for stage in STAGES:
        for place in range(math.ceil(stage.blocks * depth)):
            leaving, stride = rounded_channels(stage.channels, width), 1 if place else stage.stride
            block = [*_block(f"{scope}/blocks_{number}", tensor, (channels, leaving), stage, stride, statistics)]
            yield from block
            tensor, channels, number = block[-1].name, leaving, number + 1


def _block(
    scope: str, tensor: str, channels: tuple[int, int], stage: Stage, stride: int, statistics: Statistics
) -> Iterator[Operation]:
    """More channels, a kernel over each by itself, a weight for each, and fewer channels.

    Keras numbers the layers of a kind within a block, so that names depend on whether there are more channels first.
    """
    norms = (f"{scope}/tpu_batch_normalization{ending}" for ending in ("", "_1", "_2"))
    pointwise = (f"{scope}/conv2d{ending}" for ending in ("", "_1"))
    (entering, leaving), inside = channels, tensor
    if stage.expansion > 1:
        expand = next(pointwise)
        yield Convolution(expand, (tensor,), (1, 1), f"{expand}/kernel", entering * stage.expansion)
        yield from _normalized(next(norms), expand, statistics)
        inside = f"{expand}/swish"
    depthwise, sides = f"{scope}/depthwise_conv2d", (stage.kernel,) * 2
    yield DepthwiseConvolution(depthwise, (inside,), sides, f"{depthwise}/depthwise_kernel", (stride, stride))
    yield from _normalized(next(norms), depthwise, statistics)
    layers = (f"{scope}/se/conv2d", f"{scope}/se/conv2d_1")
    sizes = (entering * stage.expansion, max(1, entering // SQUEEZED))
    yield from squeeze_excite(
        f"{scope}/se", f"{depthwise}/swish", sizes, activation="swish", layers=layers, endings=("/kernel", "/bias")
    )
    project, norm = next(pointwise), next(norms)
    yield Convolution(project, (f"{scope}/se",), (1, 1), f"{project}/kernel", leaving)
    yield normalization(norm, project, EPSILON, statistics)
    if stride == 1 and entering == leaving:
        yield Add(f"{scope}/add", (tensor, norm))


def _normalized(name: str, tensor: str, statistics: Statistics) -> Iterator[Operation]:
    """What a convolution makes, normalised, and its swish under the convolution's name."""
    yield normalization(name, tensor, EPSILON, statistics)
    yield Activation(f"{tensor}/swish", (name,), "swish")
