"""The backbone of DLCRNet (Lauer et al. 2022) in DeepLabCut's PyTorch engine: timm's ResNets, and what lies before.

What the third units of the first two layers make is brought to the size of the last layer's map and stands beside it.
Convolutions on the way pad nothing, so that maps are a little smaller than strides say, and are stretched to fit.
"""

from __future__ import annotations

from posecli.network.heads import heads_of
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Concatenate, Convolution, ResizeLike
from posecli.network.timm_resnet import SIZES, add_resnet, output_stride
from posecli.network.torch_blocks import Layers, normalization

PREFIX = "dlcrnet_"  # before the name of the ResNet
NAMES = tuple(f"{PREFIX}{name}" for name in SIZES)
UNIT = 2  # of both layers; counted from 0
#: Of each layer's way: numbers of the blocks in the state dict, with their channels, sides and strides.
WAYS = (((3, 256, 3, 2), (4, 256, 3, 2), (5, 128, 1, 1)), ((1, 512, 3, 2), (2, 128, 1, 1)))


def dlcrnet(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> heads = {"scoremap": {"maps": 4, "channels": [4], "kernels": [3], "strides": [2]}}
    >>> network = dlcrnet(PoseSpec("dlcrnet_resnet50", 4, locref=False, layout={"output_stride": 16, "heads": heads}))
    >>> network.stride, network.shapes((96, 130))["scoremap"]
    (8, (13, 19, 4))
    """
    heads, stride, layers = heads_of(spec), output_stride(spec), Layers()
    ends = add_resnet(layers, spec.net_type.removeprefix(PREFIX), heads.entry, stride)
    last = ends[-1][-1]
    banks = []
    for number, (way, units) in enumerate(zip(WAYS, ends, strict=False), 1):
        tensor = units[UNIT]
        for block in way:
            tensor = _block(layers, tensor, *block)
        banks.append(layers.add(ResizeLike(f"backbone.bank{number}", (tensor, last))))
    features = layers.add(Concatenate("backbone.joined", (*banks, last)))
    return heads.network(spec, layers.operations, features, stride)


def _block(layers: Layers, tensor: str, number: int, channels: int, side: int, stride: int) -> str:
    """A convolution with a bias, batch normalisation, and a rectifier."""
    name, norm = (f"backbone.conv_block{number}.{place}" for place in (0, 1))
    weights, bias = f"{name}.weight", f"{name}.bias"
    layers.add(Convolution(name, (tensor,), (side,) * 2, weights, channels, (stride,) * 2, padding="valid", bias=bias))
    layers.add(normalization(norm, name))
    return layers.activation(norm, "relu")
