"""MobileNetV2 (Sandler et al. 2018) as DeepLabCut's TensorFlow engine has it: slim's, at output stride 16.

DeepLabCut computes batch normalisation in training mode, over the batch that a frame happens to be in, whatever the
checkpoint has stored. With one frame per batch, as it is trained, these are the frame's own statistics: that is what
``statistics: frame`` in a model's layout asks for, and it gives the same result in batches of any size. With
``statistics: stored`` a network is normalised by its moving averages, which can be folded into the kernels.
"""

from __future__ import annotations

from collections.abc import Iterator

from posecli.network.network import FRAMES, Network, PoseSpec
from posecli.network.operations import Activation, Add, Convolution, DepthwiseConvolution, Operation
from posecli.network.tensorflow_blocks import (
    PublishedWeights,
    normalization,
    rounded_channels,
    statistics_of,
    with_heads,
)
from posecli.options import Statistics

#: Factors on the number of channels.
WIDTHS = {f"mobilenet_v2_{width}": width for width in (1.0, 0.75, 0.5, 0.35)}
#: Of each block: output channels at width 1, and stride. The usual stride of the last but three is left out.
BLOCKS = (
    (16, 1),
    *((24, stride) for stride in (2, 1)),
    *((32, stride) for stride in (2, 1, 1)),
    *((64, stride) for stride in (2, 1, 1, 1)),
    *((channels, 1) for channels in (96, 96, 96, 160, 160, 160, 320)),
)
STEM, EXPANSION = 32, 6
FEATURES = 1280  # channels behind the last convolution, at every width
EPSILON = 1e-3
SCOPE = "MobilenetV2"


def imagenet(net_type: str) -> PublishedWeights:
    """What TensorFlow's model garden offers of a backbone, which was trained on pictures of 224x224 px.

    >>> imagenet("mobilenet_v2_0.35").checkpoint
    'mobilenet_v2_0.35_224.ckpt'
    """
    name = f"{net_type}_224"
    return PublishedWeights(f"https://storage.googleapis.com/mobilenet_v2/checkpoints/{name}.tgz", f"{name}.ckpt")


def mobilenet(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> network = mobilenet(PoseSpec("mobilenet_v2_0.35", 4))
    >>> network.stride, len(network.variable_shapes())
    (8, 264)
    >>> network.variable_shapes()["pose/locref_pred/block4/weights"]
    (3, 3, 8, 1280)
    """
    return with_heads(spec, _backbone(WIDTHS[spec.net_type], statistics_of(spec.layout)))


def _backbone(width: float, statistics: Statistics) -> Iterator[Operation]:
    channels = rounded_channels(STEM, width)
    stem = [*_convolution(f"{SCOPE}/Conv", FRAMES, 3, channels, statistics, stride=2)]
    yield from stem
    tensor = stem[-1].name
    for number, (wanted, stride) in enumerate(BLOCKS):
        leaving = rounded_channels(wanted, width)
        name = f"{SCOPE}/expanded_conv_{number}" if number else f"{SCOPE}/expanded_conv"
        block = [*_block(name, tensor, channels, leaving, stride, statistics, expands=number > 0)]
        yield from block
        tensor, channels = block[-1].name, leaving
    yield from _convolution(f"{SCOPE}/Conv_1", tensor, 1, FEATURES, statistics)


def _block(
    scope: str, tensor: str, entering: int, leaving: int, stride: int, statistics: Statistics, *, expands: bool
) -> Iterator[Operation]:
    """A block makes more channels, moves over each by itself, and makes fewer of them, without a rectifier."""
    inside = tensor
    if expands:
        yield from _convolution(f"{scope}/expand", tensor, 1, EXPANSION * entering, statistics)
        inside = f"{scope}/expand/relu"
    name, strides = f"{scope}/depthwise", (stride, stride)
    yield DepthwiseConvolution(name, (inside,), (3, 3), f"{name}/depthwise_weights", strides)
    yield normalization(f"{name}/BatchNorm", name, EPSILON, statistics)
    yield Activation(f"{name}/relu", (f"{name}/BatchNorm",), "relu6")
    yield from _convolution(f"{scope}/project", f"{name}/relu", 1, leaving, statistics, relu=False)
    if stride == 1 and entering == leaving:
        yield Add(f"{scope}/add", (tensor, f"{scope}/project/BatchNorm"))


def _convolution(
    scope: str, tensor: str, side: int, channels: int, statistics: Statistics, *, stride: int = 1, relu: bool = True
) -> Iterator[Operation]:
    yield Convolution(scope, (tensor,), (side, side), f"{scope}/weights", channels, (stride, stride))
    yield normalization(f"{scope}/BatchNorm", scope, EPSILON, statistics)
    if relu:
        yield Activation(f"{scope}/relu", (f"{scope}/BatchNorm",), "relu6")
