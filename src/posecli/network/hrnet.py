"""HRNet (Sun et al. 2019) as DeepLabCut's PyTorch engine runs it: timm's, up to the maps of four strides.

Branches of 4, 8, 16 and 32 px per cell are computed side by side and summed into one another after every four units.
DeepLabCut takes the features of the first branch, or of all, enlarged.
"""

from __future__ import annotations

from posecli.network.heads import heads_of
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import ActivationKind, Add, Concatenate, Resize
from posecli.network.torch_blocks import Block, Layers, bottleneck, projection

#: Channels of the first branch; each further one has twice as many.
WIDTHS = {"hrnet_w18": 18, "hrnet_w32": 32, "hrnet_w48": 48}
#: Modules of stages 2, 3 and 4, which have as many branches.
MODULES = {2: 1, 3: 4, 4: 3}
UNITS = 4  # of each branch of a module, and of the first layer
#: Inner channels of the units that make more channels of each branch, where a network has them.
INCREASED = (32, 64, 128, 256)
#: Numbers of a basic unit's convolutions, and what is behind each.
_BASIC: tuple[tuple[int, ActivationKind | None], ...] = ((1, "relu"), (2, None))
ROOT = "backbone.model"
STRIDE = 4  # px per cell of the first branch


def hrnet(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> heads = {"scoremap": {"maps": 2, "channels": [2], "kernels": [3], "strides": [2]}, "pad_to": 32}
    >>> network = hrnet(PoseSpec("hrnet_w18", 2, locref=False, layout={"heads": heads}))
    >>> network.stride, network.shapes((96, 128))["scoremap"], network.shapes((90, 100))["scoremap"]
    (2, (49, 65, 2), (46, 51, 2))
    """
    heads, layers = heads_of(spec), Layers()
    features = _backbone(layers, spec, heads.entry)
    return heads.network(spec, layers.operations, features, STRIDE)


def _backbone(layers: Layers, spec: PoseSpec, frames: str) -> str:
    joins, increases = (spec.layout.get(name, False) for name in ("interpolate_branches", "increased_channel_count"))
    if not (isinstance(joins, bool) and isinstance(increases, bool)):
        raise ValueError(f"interpolate_branches {joins} or increased_channel_count {increases} is not true or false")
    tensor = layers.blocks(frames, *(Block(f"{ROOT}.conv{i}", f"{ROOT}.bn{i}", 3, 64, 2) for i in (1, 2)))
    for unit in range(UNITS):
        tensor = _bottleneck(layers, f"{ROOT}.layer1.{unit}", tensor, 64, projects=unit == 0)
    branches, before = [tensor], [4 * 64]
    for stage, modules in MODULES.items():
        channels = [WIDTHS[spec.net_type] << branch for branch in range(stage)]
        branches = _transition(layers, f"{ROOT}.transition{stage - 1}", branches, before, channels)
        for module in range(modules):
            branches = _module(layers, f"{ROOT}.stage{stage}.{module}", branches, channels)
        before = channels
    if increases:
        branches = [
            _bottleneck(layers, f"{ROOT}.incre_modules.{branch}.0", tensor, inner, projects=True)
            for branch, (tensor, inner) in enumerate(zip(branches, INCREASED, strict=True))
        ]
    return _joined(layers, branches) if joins else branches[0]


def _bottleneck(layers: Layers, name: str, tensor: str, inner: int, *, projects: bool) -> str:
    return layers.residual(name, tensor, bottleneck(name, inner), projection(name, 4 * inner) if projects else None)


def _transition(layers: Layers, name: str, branches: list[str], before: list[int], channels: list[int]) -> list[str]:
    """Branches with other channels where they differ, and a new one made of the last."""
    found = [
        tensor if have == want else layers.blocks(tensor, _block(f"{name}.{branch}", want))
        for branch, (tensor, have, want) in enumerate(zip(branches, before, channels, strict=False))
    ]
    new = _block(f"{name}.{len(branches)}.0", channels[-1], stride=2)
    return [*found, layers.blocks(branches[-1], new)]


def _module(layers: Layers, name: str, branches: list[str], channels: list[int]) -> list[str]:
    """Units of each branch, then each branch with all others added to it."""
    tensors = []
    for branch, (tensor, width) in enumerate(zip(branches, channels, strict=True)):
        for unit in range(UNITS):
            scope = f"{name}.branches.{branch}.{unit}"
            blocks = [Block(f"{scope}.conv{i}", f"{scope}.bn{i}", 3, width, activation=act) for i, act in _BASIC]
            tensor = layers.residual(scope, tensor, blocks)  # noqa: PLW2901  # each unit takes what the last one made
        tensors.append(tensor)
    fused = []
    for to in range(len(channels)):
        parts = tuple(
            _fused(layers, f"{name}.fuse_layers.{to}", tensors, channels, source, to) for source in range(len(channels))
        )
        total = layers.add(Add(f"{name}.fuse_layers.{to}.sum", parts))
        fused.append(layers.activation(total, "relu"))
    return fused


def _fused(layers: Layers, name: str, tensors: list[str], channels: list[int], source: int, to: int) -> str:
    """A branch brought to the size and channels of another."""
    tensor, scope = tensors[source], f"{name}.{source}"
    if source > to:
        tensor = layers.blocks(tensor, _block(scope, channels[to], side=1, activation=None))
        return layers.add(Resize(f"{scope}.2", (tensor,), (1 << source - to,) * 2))
    for step in range(to - source):
        is_last = step == to - source - 1
        block = _block(
            f"{scope}.{step}", channels[to if is_last else source], 2, activation=None if is_last else "relu"
        )
        tensor = layers.blocks(tensor, block)
    return tensor


def _block(
    name: str, channels: int, stride: int = 1, *, side: int = 3, activation: ActivationKind | None = "relu"
) -> Block:
    """As PyTorch calls them where they stand in a row."""
    return Block(f"{name}.0", f"{name}.1", side, channels, stride, activation=activation)


def _joined(layers: Layers, branches: list[str]) -> str:
    """All branches at the size of the first."""
    first, *others = branches
    enlarged = [
        layers.add(Resize(f"{ROOT}.enlarged.{branch}", (tensor,), (1 << branch,) * 2, "linear"))
        for branch, tensor in enumerate(others, 1)
    ]
    return layers.add(Concatenate(f"{ROOT}.joined", (first, *enlarged)))
