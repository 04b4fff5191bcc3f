"""The ResNets of DeepLabCut's PyTorch engine, which are timm's.

The stride lies in the first unit of a layer (slim, which the TensorFlow engine has, puts it in the last), the largest
of 3x3 pixels is taken with a margin on both sides, and normalisation may be that of groups of channels.
"""

from __future__ import annotations

from posecli.network.heads import heads_of
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Pooling
from posecli.network.torch_blocks import Block, Layers, bottleneck, projection

#: Units of the four layers, and whether normalisation is that of groups.
SIZES: dict[str, tuple[tuple[int, int, int, int], bool]] = {
    "resnet50": ((3, 4, 6, 3), False),
    "resnet50_gn": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), False),
    "resnet152": ((3, 8, 36, 3), False),
}
ROOT = "backbone.model"
STRIDES = (8, 16, 32)


def timm_resnet(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> heads = {"scoremap": {"maps": 4, "channels": [4], "kernels": [3], "strides": [2]}, "clip_scores": True}
    >>> layout = {"output_stride": 16, "heads": heads}
    >>> network = timm_resnet(PoseSpec("resnet50_gn", 4, locref=False, layout=layout))
    >>> network.stride, network.shapes((96, 128))["scoremap"]
    (8, (13, 17, 4))
    """
    stride = output_stride(spec)
    heads, stride, layers = heads_of(spec), output_stride(spec), Layers()
    ends = add_resnet(layers, spec.net_type, heads.entry, stride)
    return heads.network(spec, layers.operations, ends[-1][-1], stride)


def output_stride(spec: PoseSpec) -> int:
    """Px per cell of the features; `ValueError` if it is none that these networks have."""
    stride = spec.layout["output_stride"]
    if stride not in STRIDES:
        raise ValueError(f"output_stride {stride} is not one of {STRIDES}")
    return int(stride)


def add_resnet(layers: Layers, net_type: str, frames: str, output_stride: int, root: str = ROOT) -> list[list[str]]:
    """The backbone from frames to features; what each unit of its four layers makes."""
    units, in_groups = SIZES[net_type]
    tensor = layers.blocks(frames, Block(f"{root}.conv1", f"{root}.bn1", 7, 64, 2, in_groups=in_groups))
    tensor = layers.add(Pooling(f"{root}.maxpool", (tensor,), "max", (3, 3), (2, 2), "centered"))
    reached, dilation = 4, 1
    made: list[list[str]] = []
    for number, count in enumerate(units, 1):
        wanted = 2 if number > 1 else 1
        # Beyond the output stride, kernels reach further instead, in the units behind the first.
        stride = wanted if reached * wanted <= output_stride else 1
        moves = [(stride, dilation), *[(1, dilation * wanted // stride)] * (count - 1)]
        reached, dilation, inner = reached * stride, dilation * wanted // stride, 64 << number - 1
        made.append([])
        for unit, move in enumerate(moves):
            name = f"{root}.layer{number}.{unit}"
            shortcut = projection(name, 4 * inner, stride, in_groups=in_groups) if unit == 0 else None
            tensor = layers.residual(name, tensor, bottleneck(name, inner, *move, in_groups=in_groups), shortcut)
            made[-1].append(tensor)
    return made
