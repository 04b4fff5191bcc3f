"""The operations that networks are made of, as plain values that engines translate.

Maps are ``(B, *extents, C)``, with two extents (rows, columns) or three (frames, rows, columns); tokens, the vectors
that attention looks at, are ``(B, T, C)``. An operation's `name` is also that of the tensor that it makes; `inputs` are
names of tensors. Kernels are laid out as TensorFlow keeps them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

#: Extents, then channels; ``None`` for an extent that is not fixed. The batch is left out.
MapShape: TypeAlias = tuple[int | None, ...]
#: ``same`` is TensorFlow's (as many cells as strides, an odd pad last), ``centered`` pads both ends by half a kernel,
#: ``valid`` not at all; or the numbers of zeros before and after, per axis.
Padding: TypeAlias = Literal["same", "centered", "valid"] | tuple[tuple[int, int], ...]
ActivationKind: TypeAlias = Literal["linear", "relu", "relu6", "sigmoid", "swish", "hard_sigmoid", "hard_swish"]


@dataclass(frozen=True)
class Operation:
    """What every operation has."""

    name: str  # unique in its network
    inputs: tuple[str, ...]  # tensors that it takes
    # Loses too much in narrow arithmetic: float32 where a network is trained in mixed precision, and never int8.
    sensitive: bool = field(default=False, kw_only=True)

    def output_shape(self, *inputs: MapShape) -> MapShape:
        """Shape of what it makes of inputs of these shapes."""
        return inputs[0]

    def variable_shapes(self, *inputs: MapShape) -> dict[str, tuple[int, ...]]:  # noqa: ARG002
        """Names and shapes of its weights, in the order of Keras' layers."""
        return {}

    @property
    def items(self) -> int:
        """How many items of a batch it makes of one."""
        return 1


@dataclass(frozen=True)
class Weighted(Operation, ABC):
    """An operation with a kernel."""

    kernel: tuple[int, ...]  # its extents; empty for a `Dense`
    weights: str  # name of the variable, as that of the bias
    bias: str | None = field(default=None, kw_only=True)

    def variable_shapes(self, *inputs: MapShape) -> dict[str, tuple[int, ...]]:
        kernel = {self.weights: self.kernel_shape(_channels(inputs[0]))}
        return kernel if self.bias is None else {**kernel, self.bias: (_channels(self.output_shape(*inputs)),)}

    @abstractmethod
    def kernel_shape(self, entering: int) -> tuple[int, ...]:
        """Shape of the kernel for so many input channels."""


@dataclass(frozen=True)
class Convolution(Weighted):
    """A convolution; its kernel is ``(*kernel, in, out)``."""

    channels: int  # that it makes
    strides: tuple[int, ...] = ()  # per axis
    dilation: int = 1
    padding: Padding = "same"
    int8: bool = field(default=False, kw_only=True)  # whether its kernel is rounded, a range for each output channel

    def kernel_shape(self, entering: int) -> tuple[int, ...]:
        return (*self.kernel, entering, self.channels)

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*_strided(inputs[0], self.kernel, self.strides, self.padding, self.dilation), self.channels)


@dataclass(frozen=True)
class DepthwiseConvolution(Weighted):
    """A convolution of every channel by itself; its kernel is ``(*kernel, C, 1)``."""

    strides: tuple[int, ...] = ()
    padding: Padding = "same"
    int8: bool = field(default=False, kw_only=True)  # as a `Convolution` has it

    def kernel_shape(self, entering: int) -> tuple[int, ...]:
        return (*self.kernel, entering, 1)

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*_strided(inputs[0], self.kernel, self.strides, self.padding), inputs[0][-1])


#: Kernels that move over a map, with zeros around it.
AnyConvolution: TypeAlias = Convolution | DepthwiseConvolution


@dataclass(frozen=True)
class TransposedConvolution(Weighted):
    """The gradient of a strided convolution: maps larger by the strides, exactly so where that is padded as ``same``.

    Its kernel is ``(*kernel, out, in)``, no side of it smaller than the stride unless padded as ``same``.
    """

    channels: int
    strides: tuple[int, ...]
    padding: Padding = "same"  # of the convolution: cells that are cut off the map before and after, per axis

    def kernel_shape(self, entering: int) -> tuple[int, ...]:
        return (*self.kernel, self.channels, entering)

    def output_shape(self, *inputs: MapShape) -> MapShape:
        cut = explicit_padding(self.padding, self.kernel) or ((0, 0),) * len(self.kernel)
        least = self.strides if self.padding == "same" else self.kernel
        return (
            *(
                extent and (extent - 1) * stride + side - before - after
                for extent, stride, side, (before, after) in zip(inputs[0], self.strides, least, cut, strict=False)
            ),
            self.channels,
        )


@dataclass(frozen=True)
class Dense(Weighted):
    """A matrix ``(in, out)`` applied to vectors, or to every token."""

    channels: int

    def kernel_shape(self, entering: int) -> tuple[int, ...]:
        return (entering, self.channels)

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*inputs[0][:-1], self.channels)


@dataclass(frozen=True)
class Tokens(Operation):
    """Each channel of a map as a token, the vector of its cells in rows: ``(h, w, C)`` to ``(C, h w)``."""

    cells: tuple[int, ...]  # extents of the map; it can have no other

    def output_shape(self, *inputs: MapShape) -> MapShape:
        *extents, channels = inputs[0]
        if any(extent not in {None, side} for extent, side in zip(extents, self.cells, strict=True)):
            raise ValueError(f"'{self.name}' takes maps of {self.cells} cells, not {tuple(extents)}")
        return (channels, math.prod(self.cells))


@dataclass(frozen=True)
class Flatten(Operation):
    """A map as one vector, channel by channel: ``(h, w, C)`` to ``(C h w)``."""

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (math.prod(side or 0 for side in inputs[0]),)


@dataclass(frozen=True)
class ScaleNormalization(Operation):
    """``gamma x / max(r, epsilon)`` for each token, `gamma` a variable of one number and r the root mean square."""

    gamma: str
    epsilon: float

    def variable_shapes(self, *inputs: MapShape) -> dict[str, tuple[int, ...]]:  # noqa: ARG002
        return {self.gamma: (1,)}


@dataclass(frozen=True)
class Scale(Operation):
    """Each channel of tokens times a factor, plus an offset.

    With `copies` the variables are ``(copies, C)``, and so many versions of the channels stand one behind the other.
    """

    factor: str  # names of variables
    offset: str | None = None
    copies: int | None = None  # None: one version, of variables that are (C,)

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*inputs[0][:-1], (self.copies or 1) * _channels(inputs[0]))

    def variable_shapes(self, *inputs: MapShape) -> dict[str, tuple[int, ...]]:
        shape = (_channels(inputs[0]),) if self.copies is None else (self.copies, _channels(inputs[0]))
        return {name: shape for name in (self.factor, self.offset) if name is not None}


@dataclass(frozen=True)
class MatrixProduct(Operation):
    """The product of two inputs' tokens as matrices, times a factor; the second one transposed if asked for."""

    factor: float = 1.0
    transposed: bool = False

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (inputs[0][0], inputs[1][0 if self.transposed else 1])


@dataclass(frozen=True)
class BatchNormalization(Operation):
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta`` for each channel, the statistics frozen outside training.

    The first four fields are names of variables.
    """

    gamma: str | None  # None: a factor of 1
    beta: str
    mean: str
    variance: str
    epsilon: float
    momentum: float = 0.99  # how much of the running statistics a training step keeps

    def variable_shapes(self, *inputs: MapShape) -> dict[str, tuple[int, ...]]:
        names = (self.gamma, self.beta, self.mean, self.variance)
        return {name: (_channels(inputs[0]),) for name in names if name is not None}


@dataclass(frozen=True)
class GroupNormalization(Operation):
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta``, the statistics those of a group of an item's channels.

    They are taken over all cells of the item; the variance is the mean square. `gamma` and `beta` are names of
    variables.
    """

    gamma: str
    beta: str
    groups: int | None  # None: each channel by itself
    epsilon: float

    def variable_shapes(self, *inputs: MapShape) -> dict[str, tuple[int, ...]]:
        return {name: (_channels(inputs[0]),) for name in (self.gamma, self.beta)}


@dataclass(frozen=True)
class Activation(Operation):
    """A function of each value; ``swish`` is ``x sigmoid(x)``, ``hard_sigmoid`` is ``relu6(x + 3) / 6``."""

    kind: ActivationKind


@dataclass(frozen=True)
class Pooling(Operation):
    """The largest value or the average of each window; an average leaves padding out of account."""

    kind: Literal["max", "average"]
    # Per axis; None for the whole extent. Without padding a window larger than a map is cut down to it.
    window: tuple[int | None, ...]
    strides: tuple[int, ...] = ()
    padding: Literal["same", "centered", "valid"] = "same"  # centered for a maximum only

    def output_shape(self, *inputs: MapShape) -> MapShape:
        *extents, channels = inputs[0]
        sides = [side or 1 for side in self.window_in(extents)]
        found = _strided(inputs[0], sides, self.strides, self.padding)
        ones = [1 if side is None else extent for side, extent in zip(self.window, found, strict=True)]
        return (*ones, channels)

    def window_in(self, extents: Sequence[int | None]) -> tuple[int | None, ...]:
        """The window in a map of these extents; ``None`` for the whole of an extent that is not known."""
        return tuple(
            side if extent is None or (side is not None and self.padding != "valid") else min(side or extent, extent)
            for side, extent in zip(self.window, extents, strict=True)
        )


@dataclass(frozen=True)
class GlobalAverage(Operation):
    """The average over all extents: maps to vectors."""

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return inputs[0][-1:]


@dataclass(frozen=True)
class Add(Operation):
    """The sum of maps of one shape."""


@dataclass(frozen=True)
class Multiply(Operation):
    """A map times another of its shape, or of one cell."""


@dataclass(frozen=True)
class Concatenate(Operation):
    """The channels of all inputs, in order."""

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*inputs[0][:-1], sum(map(_channels, inputs)))


@dataclass(frozen=True)
class Resize(Operation):
    """Maps larger by whole factors; ``linear`` between the centers of cells, edges repeated."""

    factors: tuple[int, ...]
    kind: Literal["nearest", "linear"] = "nearest"

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*_enlarged(inputs[0], self.factors), inputs[0][-1])


@dataclass(frozen=True)
class ResizeTo(Operation):
    """Maps of one size, whatever size they had; linear between the centers of cells, edges repeated.

    Each cell is made of the four nearest, also where maps become smaller.
    """

    size: tuple[int, ...]

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*self.size, inputs[0][-1])


@dataclass(frozen=True)
class ResizeWithin(Operation):
    """Maps of as many cells as fit, of their own shape, resized as by `ResizeTo`.

    The short side gets so many cells, or fewer where the long one would have more than that may have.
    """

    short: int
    long: int

    def output_shape(self, *inputs: MapShape) -> MapShape:
        *extents, channels = inputs[0]
        known = [extent for extent in extents if extent is not None]
        return (*(self.size_of(known) if len(known) == len(extents) else extents), channels)

    def size_of(self, extents: Sequence[int]) -> tuple[int, ...]:
        """What becomes of these extents.

        >>> ResizeWithin("resized", ("frames",), 800, 1333).size_of((480, 640))
        (800, 1066)
        """
        # As PyTorch computes it, whose product may be just less than a whole number.
        scale = min(self.short / min(extents), self.long / max(extents))
        return tuple(math.floor(extent * scale) for extent in extents)


@dataclass(frozen=True)
class ResizeLike(Operation):
    """The first input at the size of the second, linear between the centers of cells.

    Where maps become smaller the line is stretched, so that every cell of theirs counts (as in Pillow).
    """

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*inputs[1][:-1], inputs[0][-1])


@dataclass(frozen=True)
class Trim(Operation):
    """A map without its outermost cells."""

    cut: tuple[tuple[int, int], ...]  # cells before and after, per axis

    def output_shape(self, *inputs: MapShape) -> MapShape:
        extents = (extent and extent - sum(cut) for extent, cut in zip(inputs[0], self.cut, strict=False))
        return (*extents, inputs[0][-1])


@dataclass(frozen=True)
class PadToMultiple(Operation):
    """A map enlarged at its end until a number divides each side, mirrored about the middle of its last cell."""

    multiple: int
    zeros: bool = False  # whether there are zeros instead

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*(extent and extent + self.added(extent) for extent in inputs[0][:-1]), inputs[0][-1])

    def added(self, extent: int) -> int:
        """Cells that are added to a side."""
        return -extent % self.multiple


@dataclass(frozen=True)
class TrimPadding(Operation):
    """The first input without what `PadToMultiple` has added to the second, of which each cell is `stride` cells."""

    multiple: int
    stride: int

    def output_shape(self, *inputs: MapShape) -> MapShape:
        extents = (side and side - cut for side, (_, cut) in zip(inputs[0], self.cut(inputs[1]), strict=False))
        return (*extents, inputs[0][-1])

    def cut(self, unpadded: MapShape) -> tuple[tuple[int, int], ...]:
        """Cells before and after, per axis, for the extents (and channels) of what was padded."""
        return tuple((0, -(extent or 0) % self.multiple // self.stride) for extent in unpadded[:-1])


@dataclass(frozen=True)
class Dropout(Operation):
    """Leaves out a share of the values in training; nothing otherwise."""

    rate: float = 0.0


@dataclass(frozen=True)
class Split(Operation):
    """Some of the channels, ``first`` to ``first + channels``; those of a tensor do not overlap."""

    first: int
    channels: int

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (*inputs[0][:-1], self.channels)


@dataclass(frozen=True)
class DepthToSpace(Operation):
    """Blocks of channels side by side in a map larger by a factor; made by `posecli.network.folding`."""

    factor: int

    def output_shape(self, *inputs: MapShape) -> MapShape:
        rank = len(inputs[0]) - 1
        return (*_enlarged(inputs[0], (self.factor,) * rank), _channels(inputs[0]) // self.factor**rank)


@dataclass(frozen=True)
class Float32(Operation):
    """The same values, handed on in float32 whatever they were computed in."""


@dataclass(frozen=True)
class Round(Operation):
    """Values rounded to int8 between two limits; made by `posecli.network.int8`."""

    low: float
    high: float


def squeeze_excite(
    name: str,
    tensor: str,
    channels: tuple[int, int],
    *,
    rank: int = 2,
    activation: ActivationKind = "relu",
    gate: ActivationKind = "sigmoid",
    layers: tuple[str, str] | None = None,
    endings: tuple[str, str] = ("/weights", "/biases"),
) -> tuple[Operation, ...]:
    """Channels weighted by what a small network makes of their averages (Hu et al. 2018).

    ``x gate(expand(activation(reduce(average(x)))))``, where both layers are convolutions of kernel 1, called
    ``<name>/reduce`` and ``<name>/expand`` unless `layers` says otherwise; `endings` make their names those of kernel
    and bias. `channels` are those of the tensor, and between the layers. The last operation has the `name`.
    """
    ones, (whole, squeezed), (kernel, bias) = (1,) * rank, channels, endings
    reduce, expand = layers or (f"{name}/reduce", f"{name}/expand")
    return (
        Pooling(f"{name}/average", (tensor,), "average", (None,) * rank, padding="valid"),
        Convolution(reduce, (f"{name}/average",), ones, reduce + kernel, squeezed, bias=reduce + bias),
        Activation(f"{name}/activation", (reduce,), activation),
        Convolution(expand, (f"{name}/activation",), ones, expand + kernel, whole, bias=expand + bias),
        Activation(f"{name}/gate", (expand,), gate),
        Multiply(name, (tensor, f"{name}/gate")),
    )


def _channels(shape: MapShape) -> int:
    channels = shape[-1]
    assert channels is not None
    return channels


def _enlarged(shape: MapShape, factors: Sequence[int]) -> MapShape:
    return tuple(extent and extent * factor for extent, factor in zip(shape[:-1], factors, strict=True))


def _strided(
    shape: MapShape, kernel: Sequence[int], strides: Sequence[int], padding: Padding, dilation: int = 1
) -> MapShape:
    """Extents of a map over which a kernel has moved."""
    pads = explicit_padding(padding, kernel, dilation)
    found: list[int | None] = []
    for place, (extent, side, stride) in enumerate(zip(shape[:-1], kernel, strides or (1,) * len(kernel), strict=True)):
        if extent is None:
            found.append(None)
        elif pads is None:
            found.append(math.ceil(extent / stride))
        else:
            found.append((extent + sum(pads[place]) - (side - 1) * dilation - 1) // stride + 1)
    return tuple(found)


def explicit_padding(padding: Padding, kernel: Sequence[int], dilation: int = 1) -> tuple[tuple[int, int], ...] | None:
    """Zeros before and after each axis; ``None`` for ``same``, where they depend on the extents.

    >>> explicit_padding("centered", (3, 5)), explicit_padding("valid", (3,)), explicit_padding("same", (3,))
    (((1, 1), (2, 2)), ((0, 0),), None)
    """
    if padding == "same":
        return None
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "centered":
        return tuple((side // 2 * dilation,) * 2 for side in kernel)
    return padding
