"""A network as data: its operations, what its input is scaled to, and what its outputs mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.network.operations import (
    AnyConvolution,
    BatchNormalization,
    Dropout,
    MapShape,
    Operation,
    ResizeWithin,
    TransposedConvolution,
    Weighted,
)

Weights: TypeAlias = Mapping[str, npt.NDArray[np.float32]]

#: The tensor that a network begins with: frames or chunks of them, scaled.
FRAMES = "frames"
#: RGB mean of ImageNet, and px per unit of location refinement: what DeepLabCut takes unless told otherwise.
IMAGENET_MEAN = (123.68, 116.779, 103.939)
LOCREF_STDEV = 7.2801
_WIDEST_BLUR = 64  # cells
#: A side with which every stride that a network may have divides.
_LARGE = 1 << 12


@dataclass(frozen=True)
class Scaling:
    """What becomes of RGB values in 0..255 before the first operation: ``value * factor - offset``."""

    factor: float | tuple[float, ...] = 1.0  # one number, or one for each channel
    offset: float | tuple[float, ...] = 0.0
    sensitive: bool = False  # computed in float32 where the network is trained in mixed precision

    def standardized(self, mean: tuple[float, ...], std: tuple[float, ...]) -> Scaling:
        """What becomes of values if a mean is subtracted from the scaled ones and the rest divided, by channel."""
        factor, offset = (each if isinstance(each, tuple) else (each,) * 3 for each in (self.factor, self.offset))
        return Scaling(
            tuple(one / by for one, by in zip(factor, std, strict=True)),
            tuple((one + less) / by for one, less, by in zip(offset, mean, std, strict=True)),
        )


def with_tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a layout as arguments of its dataclass: lists, which is what YAML has, as tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


@dataclass(frozen=True)
class PoseSpec:
    """What a pose network is asked for."""

    net_type: str  # a key of `posecli.network.architectures.POSE_NETWORKS`
    n_bodyparts: int
    mean_pixel: tuple[float, float, float] = IMAGENET_MEAN  # RGB, 0..255; subtracted inside the network
    locref: bool = True  # whether the network refines locations
    locref_stdev: float = LOCREF_STDEV  # px per unit of the refinement
    std_pixel: tuple[float, float, float] = (1.0, 1.0, 1.0)  # RGB; what is left of the mean is divided by it
    layout: Mapping[str, Any] = field(default_factory=dict)  # what else the architecture must know, as plain values

    @property
    def scaling(self) -> Scaling:
        """Of the frames."""
        return _standardized(self.mean_pixel, self.std_pixel)


def _standardized(mean_pixel: tuple[float, ...], std_pixel: tuple[float, ...]) -> Scaling:
    factor = tuple(1 / std for std in std_pixel)
    offset = tuple(mean / std for mean, std in zip(mean_pixel, std_pixel, strict=True))
    return Scaling(1.0 if set(factor) == {1.0} else factor, offset)


@dataclass(frozen=True)
class DetectorSpec:
    """What a detector is asked for."""

    net_type: str  # a key of `posecli.network.architectures.DETECTORS`
    mean_pixel: tuple[float, float, float] = (0.0, 0.0, 0.0)  # RGB, 0..255; subtracted inside the network
    std_pixel: tuple[float, float, float] = (1.0, 1.0, 1.0)  # RGB; what is left is divided by it
    layout: Mapping[str, Any] = field(default_factory=dict)  # what else the architecture must know, as plain values

    @property
    def scaling(self) -> Scaling:
        """Of the frames."""
        return _standardized(self.mean_pixel, self.std_pixel)


@dataclass(frozen=True)
class Blur:
    """How scores are smoothed before the best cell is sought: by a Gaussian in a square window, with zeros around."""

    sigma: float  # cells
    radius: int  # of the window, cells
    least_score: float = 0.01  # a body part whose best smoothed score is less is not known

    def __post_init__(self) -> None:
        if type(self.radius) is not int or not 0 <= self.radius <= _WIDEST_BLUR:
            raise ValueError(f"the radius {self.radius} of a blur is not a number of cells up to {_WIDEST_BLUR}")
        if not all(isinstance(value, float | int) and 0 < value < math.inf for value in (self.sigma, self.least_score)):
            raise ValueError(f"sigma {self.sigma} or least_score {self.least_score} of a blur is not a positive number")


@dataclass(frozen=True)
class PoseHead:
    """Outputs of a pose network for ``K`` body parts."""

    scoremap: str  # tensor of K scores per cell; probabilities, or what is taken for them
    locref: str | None  # tensor of 2 K offsets per cell, x and y of each body part in turn; None without refinement
    locref_stdev: float  # px per unit of these offsets
    clip_scores: bool = False  # whether the score of the best cell is cut off at 0 and 1
    blur: Blur | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.scoremap,) if self.locref is None else (self.scoremap, self.locref)


@dataclass(frozen=True)
class AxesHead:
    """Outputs of a pose network that looks for ``K`` body parts along the frame's width and height (SimCC, Li 2022)."""

    x: str  # tensor (K, cells) of scores along the width, from the left
    y: str  # the same along the height, from the top
    size: tuple[int, int]  # height and width of the frames that the network takes, px; it takes no others
    cells_per_px: float
    factors: tuple[float, float] = (1.0, 1.0)  # by which scores of x and y are multiplied; not those normalised
    softmax: bool = True  # whether scores along an axis become probabilities
    normalized: bool = False  # whether they are cut off at 0 and divided by their largest where that is above 1

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.x, self.y)


@dataclass(frozen=True)
class BoxHead:
    """Outputs of a detector of one kind of animal: maps of every scale, with some boxes in each of their cells.

    A map of logits has two numbers for each box of a cell, background and animal; a map of offsets four, which move and
    stretch the box: x and y by tenths of its sides, the sides by the exponential of fifths.
    """

    logits: tuple[str, ...]
    offsets: tuple[str, ...]
    #: For each map ``(width, height)`` of the boxes about a cell's center, as shares of the network's picture.
    boxes: tuple[tuple[tuple[float, float], ...], ...]
    size: tuple[int, int]  # height and width of that picture, px
    least_score: float  # a box is one only above this probability
    least_side: float = 0.0  # px of that picture

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*self.logits, *self.offsets)

    def picture(self, frame: tuple[int, int]) -> tuple[int, ...]:  # noqa: ARG002  # the same for all
        """Height and width that the network looks at of a frame of such, px."""
        return self.size


@dataclass(frozen=True)
class RegionHead:
    """Outputs of a detector that looks again, at some regions of its own choice, and of these says what `BoxHead` does.

    Logits are those of background and animal; offsets are four for the background too, which come first.
    """

    regions: str  # tensor (R, 4), x and y of two corners, px of the network's picture; empty where there are fewer
    logits: str  # tensor (2,) of each region, which is an item of its own
    offsets: str  # tensor (8,) of each
    resized: ResizeWithin  # what makes that picture
    least_score: float  # a box is one only above this probability
    least_side: float = 0.01  # px of that picture

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.regions, self.logits, self.offsets)

    def picture(self, frame: tuple[int, int]) -> tuple[int, ...]:
        """Height and width that the network looks at of a frame of such, px."""
        return self.resized.size_of(frame)


@dataclass(frozen=True)
class ClassHead:
    """Output of a network for behaviours: a tensor with one logit for each class."""

    logits: str

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.logits,)


Head: TypeAlias = PoseHead | AxesHead | BoxHead | RegionHead | ClassHead


@dataclass(frozen=True)
class Network:
    """An architecture of one size."""

    name: str  # for people
    operations: tuple[Operation, ...]  # in an order in which they can be computed; the first takes `FRAMES`
    head: Head  # what the outputs mean
    scaling: Scaling = Scaling()
    rank: int = 2  # extents of a map: 2 for frames, 3 for chunks of frames
    # In int8, round before maps are pooled and joined, which moves a quarter of the bytes between them.
    rounds_early: bool = False
    outputs: tuple[str, ...] = ()  # tensors that are computed; those of the head unless a pass asks for others

    def __post_init__(self) -> None:
        known = {FRAMES}
        for operation in self.operations:
            if missing := set(operation.inputs) - known:
                raise ValueError(f"{self.name}: '{operation.name}' takes {sorted(missing)}, which nothing before makes")
            if operation.name in known:
                raise ValueError(f"{self.name}: two operations are called '{operation.name}'")
            known.add(operation.name)
        object.__setattr__(self, "outputs", self.outputs or self.head.outputs)
        if missing := set(self.outputs) - known:
            raise ValueError(f"{self.name}: no operation makes the outputs {sorted(missing)}")

    def shapes(self, extents: Sequence[int | None] | None = None) -> dict[str, MapShape]:
        """Shapes of all tensors, the batch left out, for an input of these extents."""
        found: dict[str, MapShape] = {FRAMES: (*(extents or (None,) * self.rank), 3)}
        for operation in self.operations:
            found[operation.name] = operation.output_shape(*(found[name] for name in operation.inputs))
        return found

    def variables(self) -> Iterator[tuple[Operation, dict[str, tuple[int, ...]]]]:
        """The operations that have weights, with their names and shapes."""
        shapes = self.shapes()
        for operation in self.operations:
            if found := operation.variable_shapes(*(shapes[name] for name in operation.inputs)):
                yield operation, found

    def variable_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights, in the order of the operations."""
        return {name: shape for _, found in self.variables() for name, shape in found.items()}

    @property
    def parameters(self) -> int:
        """Numbers that training finds: all weights but running statistics."""
        statistics = {
            name
            for each in self.operations
            if isinstance(each, BatchNormalization)
            for name in (each.mean, each.variance)
        }
        return sum(math.prod(shape) for name, shape in self.variable_shapes().items() if name not in statistics)

    def multiplications(self, extents: Sequence[int]) -> dict[str, int]:
        """Of each operation with a kernel for one item of these extents; each comes with an addition."""
        shapes, counts, items = self.shapes(extents), {}, {FRAMES: 1}
        for operation in self.operations:
            items[operation.name] = max(items[name] for name in operation.inputs) * operation.items
            if isinstance(operation, Weighted):
                enlarges = isinstance(operation, TransposedConvolution)
                places = shapes[operation.inputs[0] if enlarges else operation.name][:-1]
                kernel = operation.variable_shapes(*(shapes[name] for name in operation.inputs))[operation.weights]
                work = math.prod(place or 1 for place in places) * math.prod(kernel)
                counts[operation.name] = items[operation.name] * work
        return counts

    @property
    def stride(self) -> float:
        """Px of the input per cell of the first output."""
        if isinstance(self.head, AxesHead):
            return 1 / self.head.cells_per_px
        rows = self.shapes((_LARGE,) * self.rank)[self.outputs[0]][-2]
        assert rows is not None
        return round(_LARGE / rows)  # there may be a row more than the strides make

    @property
    def coarsest(self) -> int:
        """Px of the input per cell of the coarsest map; averages over all of a map are none."""
        rows = (shape[-2] for shape in self.shapes((_LARGE,) * self.rank).values() if len(shape) > 1)
        return round(_LARGE / min(count for count in rows if count is not None and count > 1))

    @property
    def last_layers(self) -> dict[str, Weighted]:
        """The operation with a kernel that makes each output of the head, by the output's name."""
        makers, found = {each.name: each for each in self.operations}, {}
        for output in self.head.outputs:
            operation = makers[output]
            while not isinstance(operation, Weighted):
                operation = makers[operation.inputs[0]]
            found[output] = operation
        return found

    def int8_candidates(self) -> dict[str, str]:
        """Convolutions that may compute in int8, with the tensor that enters each."""
        return {
            operation.name: operation.inputs[0]
            for operation in self.operations
            if isinstance(operation, AnyConvolution) and not operation.sensitive
        }

    def with_dropout(self, rate: float) -> Network:
        """The same with another rate of all dropout."""
        changed = (replace(each, rate=rate) if isinstance(each, Dropout) else each for each in self.operations)
        return replace(self, operations=tuple(changed))

    def with_operations(self, operations: Iterable[Operation]) -> Network:
        """The same outputs of other operations, of which those are left that the outputs need."""
        operations = list(operations)
        needed = set(self.outputs)
        for operation in reversed(operations):
            if operation.name in needed:
                needed.update(operation.inputs)
        return replace(self, operations=tuple(each for each in operations if each.name in needed))
