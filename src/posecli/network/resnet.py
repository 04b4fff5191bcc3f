"""DeepLabCut's ResNets: TF-slim's ``resnet_v1`` at output stride 16 with heads that double its maps.

A variable is called what slim called it, so that a checkpoint and a model folder agree on one string.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from posecli.network.network import FRAMES, Network, PoseSpec
from posecli.network.operations import Activation, Add, Convolution, Operation, Pooling
from posecli.network.tensorflow_blocks import PublishedWeights, normalization, with_heads

EPSILON = 1e-5


@dataclass(frozen=True)
class ResNetSize:
    """What tells one of these networks from another."""

    units: tuple[int, int, int, int]  # bottleneck units of blocks 1 to 4
    # Output channels of the blocks; the two inner convolutions of a unit have a quarter of them.
    depths: tuple[int, int, int, int] = (256, 512, 1024, 2048)
    stem: int = 64  # channels of the first convolution


SIZES: dict[str, ResNetSize] = {
    "resnet_50": ResNetSize((3, 4, 6, 3)),
    "resnet_101": ResNetSize((3, 4, 23, 3)),
    "resnet_152": ResNetSize((3, 8, 36, 3)),
}


def backbone_scope(net_type: str) -> str:
    """Variable scope of a backbone: ``resnet_50`` lives under ``resnet_v1_50``.

    >>> backbone_scope("resnet_101")
    'resnet_v1_101'
    """
    return net_type.replace("resnet_", "resnet_v1_")


def imagenet(net_type: str) -> PublishedWeights:
    """What TensorFlow's model garden offers of a backbone.

    >>> imagenet("resnet_50").checkpoint
    'resnet_v1_50.ckpt'
    """
    scope = backbone_scope(net_type)
    url = f"https://storage.googleapis.com/download.tensorflow.org/models/{scope}_2016_08_28.tar.gz"
    return PublishedWeights(url, f"{scope}.ckpt")


def resnet(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> network = resnet(PoseSpec("resnet_50", 4))
    >>> network.stride, len(network.variable_shapes())
    (8, 269)
    >>> network.variable_shapes()["pose/locref_pred/block4/weights"]
    (3, 3, 8, 2048)
    """
    return with_heads(spec, _backbone(spec.net_type))


def _backbone(net_type: str) -> Iterator[Operation]:
    """Slim puts the stride in the *last* unit of a block (not, as torchvision does, in the first).

    At output stride 16 only blocks 1 and 2 are strided; block 4 is dilated by 2 instead.
    """
    size, scope = SIZES[net_type], backbone_scope(net_type)
    stem = [*_convolution(f"{scope}/conv1", FRAMES, 7, size.stem, stride=2)]
    yield from stem
    yield Pooling("pool1", (stem[-1].name,), "max", (3, 3), (2, 2))
    tensor, channels = "pool1", size.stem
    for block, (n_units, depth) in enumerate(zip(size.units, size.depths, strict=True), start=1):
        for number in range(1, n_units + 1):
            unit = f"{scope}/block{block}/unit_{number}/bottleneck_v1"
            stride = 2 if block <= 2 and number == n_units else 1
            yield from _unit(unit, tensor, channels, depth, stride=stride, dilation=2 if block == 4 else 1)
            tensor, channels = f"{unit}/relu", depth


def _unit(scope: str, tensor: str, entering: int, depth: int, *, stride: int, dilation: int) -> Iterator[Operation]:
    """A bottleneck unit: three convolutions beside a shortcut, which is the input itself where channels allow."""
    inner = depth // 4
    yield from _convolution(f"{scope}/conv1", tensor, 1, inner)
    yield from _convolution(f"{scope}/conv2", f"{scope}/conv1/relu", 3, inner, stride=stride, dilation=dilation)
    yield from _convolution(f"{scope}/conv3", f"{scope}/conv2/relu", 1, depth, relu=False)
    shortcut = tensor
    if entering != depth:
        yield from _convolution(f"{scope}/shortcut", tensor, 1, depth, stride=stride, relu=False)
        shortcut = f"{scope}/shortcut/BatchNorm"
    elif stride > 1:
        shortcut = f"{scope}/subsample"
        yield Pooling(shortcut, (tensor,), "max", (1, 1), (stride, stride))
    yield Add(f"{scope}/add", (shortcut, f"{scope}/conv3/BatchNorm"))
    yield Activation(f"{scope}/relu", (f"{scope}/add",), "relu")


def _convolution(
    scope: str, tensor: str, side: int, channels: int, *, stride: int = 1, dilation: int = 1, relu: bool = True
) -> Iterator[Operation]:
    strides = (stride, stride)
    yield Convolution(scope, (tensor,), (side, side), f"{scope}/weights", channels, strides, dilation, "centered")
    norm = f"{scope}/BatchNorm"
    yield normalization(norm, scope, EPSILON)
    if relu:
        yield Activation(f"{scope}/relu", (norm,), "relu")
