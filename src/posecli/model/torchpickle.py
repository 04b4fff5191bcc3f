"""What a pickle by ``torch.save`` says, as inert values: nothing that it names is imported, and nothing is called.

Its instructions are followed by an interpreter of its own, which knows those that plain values need and a few names
that snapshots hold. Any other is refused by its name.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from posecli.support.yamlfile import brief

#: Ten times those of the largest network with all that its optimiser keeps.
MOST_INSTRUCTIONS = 1_000_000
MOST_EXTENTS = 8
#: Of an exported model, some hundred in ten levels.
MOST_SETTINGS, DEEPEST_SETTINGS = 50_000, 50
#: Types of numbers, by the names of the storages that hold them.
STORAGES = {
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.DoubleStorage": "float64",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
#: NumPy's codes of numbers, which the figures of old releases are.
NUMBERS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


class UnusablePickleError(Exception):
    """The pickle is not what it should be; the message follows the file's name."""


@dataclass(frozen=True)
class TorchStorage:
    """Numbers that tensors are made of, by their name in the file."""

    kind: str
    key: str
    size: int  # how many


@dataclass(frozen=True)
class TorchTensor:
    """Which of a storage's numbers are those of a tensor; all lie within it."""

    storage: TorchStorage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        extents, steps = self.shape, self.strides
        if not all(type(number) is int and number >= 0 for number in (self.offset, *extents, *steps)):
            raise UnusablePickleError(f"holds a tensor of shape {brief(extents)} and strides {brief(steps)}")
        if len(extents) != len(steps) or len(extents) > MOST_EXTENTS:
            raise UnusablePickleError(f"holds a tensor of shape {brief(extents)} with {len(steps)} strides")
        if math.prod(extents) > self.storage.size or self.offset + self.span > self.storage.size:
            raise UnusablePickleError(
                f"holds a tensor of shape {brief(extents)} that is larger than its storage of "
                f"{brief(self.storage.size)} numbers"
            )

    @property
    def span(self) -> int:
        """Numbers of the storage from the tensor's first to its last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((extent - 1) * step for extent, step in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class _Named:
    """Something that the pickle would import."""

    name: str


@dataclass
class _NumberKind:
    """A type of NumPy."""

    code: str
    order: str = "<"


def read_pickle(content: bytes) -> tuple[Any, dict[str, TorchStorage]]:
    """Dictionaries, lists, tuples, text, numbers and tensors; also, the storages by their names.

    An `UnusablePickleError` if there is anything else in it.
    """
    machine = _Machine()
    try:
        for number, (instruction, argument) in enumerate(_instructions(content)):
            if number == MOST_INSTRUCTIONS:
                raise UnusablePickleError(f"holds more than {MOST_INSTRUCTIONS} values, which no network's file does")
            machine.follow(instruction, argument)
        return machine.stack.pop(), machine.storages
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise UnusablePickleError(f"holds a damaged pickle ({brief(str(error))})") from error


def settings_in(value: Any) -> Any:
    """The same dictionaries, lists, text and numbers, copied: neither deep, nor endless, nor anything else.

    An `UnusablePickleError` where they are: what reads settings may then follow them to their end.
    """
    count = 0

    def copied(value: Any, depth: int) -> Any:
        nonlocal count
        count += 1
        if count > MOST_SETTINGS or depth > DEEPEST_SETTINGS:
            raise UnusablePickleError("holds settings that are too many or nested too deeply")
        if isinstance(value, dict):
            return {key: copied(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [copied(item, depth + 1) for item in value]
        if value is None or isinstance(value, str | int | float):
            return value
        raise UnusablePickleError(f"holds a {type(value).__name__} among its settings")

    return copied(value, 0)


def _instructions(content: bytes) -> Iterator[tuple[str, Any]]:
    """Names and arguments of a pickle's instructions, the last one left out."""
    stream = io.BytesIO(content)
    while (code := stream.read(1)) != b".":
        opcode = _OPCODES[code.decode("latin-1")]
        if opcode.name not in _KNOWN:  # not even its argument is read
            raise UnusablePickleError(f"holds the pickle instruction {opcode.name}, which posecli does not follow")
        if opcode.name == "GLOBAL":  # the library's reader would take a backslash for more than that
            yield opcode.name, b".".join(stream.readline().rstrip(b"\n") for _ in range(2)).decode()
        else:
            yield opcode.name, None if opcode.arg is None else opcode.arg.reader(stream)


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, TorchStorage] = field(default_factory=dict)

    def follow(self, instruction: str, argument: Any) -> None:
        if instruction in _ARGUMENTS:
            self.stack.append(argument)
        elif instruction == "BINUNICODE":
            argument.encode()  # half of a pair of surrogates is no text, and could not be written again
            self.stack.append(argument)
        elif instruction in _CONSTANTS:
            self.stack.append(_CONSTANTS[instruction]())
        else:
            _STEPS[instruction](self, argument)

    def mark(self, _argument: Any) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        place = self.marks.pop()
        items = self.stack[place:]
        del self.stack[place:]
        return items

    def named(self, name: str) -> None:
        if name not in _MAKERS and name not in STORAGES:
            raise UnusablePickleError(f"holds {brief(name)}, which is not loaded")
        self.stack.append(_Named(name))

    def remember(self, place: int) -> None:
        self.memory[place] = self.stack[-1]

    def recall(self, place: int) -> None:
        self.stack.append(self.memory[place])

    def append(self, items: Sequence[Any]) -> None:
        into = self.stack[-1]
        if type(into) is not list:
            raise UnusablePickleError(f"appends to a {type(into).__name__}")
        into.extend(items)

    def set_items(self, items: Sequence[Any]) -> None:
        into = self.stack[-1]
        if type(into) is not dict:
            raise UnusablePickleError(f"sets items of a {type(into).__name__}")
        into.update(_checked_keys(zip(items[::2], items[1::2], strict=True)))

    def one_item(self, _argument: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items((key, value))

    def tuple_of(self, count: int) -> None:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        self.stack.append(items)

    def made(self, _argument: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Named or type(arguments) is not tuple:
            raise UnusablePickleError(f"calls a {type(function).__name__}")
        if function.name in STORAGES:
            raise UnusablePickleError(f"calls {brief(function.name)}, which is not loaded")
        self.stack.append(_MAKERS[function.name](*arguments))

    def build(self, _argument: Any) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) is _NumberKind:
            made.order = ">" if type(state[1]) is str and state[1] == ">" else "<"
        elif type(made) is not dict:  # what a dictionary has as an attribute says nothing of its items
            raise UnusablePickleError(f"sets the state of a {type(made).__name__}")

    def storage(self, _argument: Any) -> None:
        tag, kind, key, _place, size = self.stack.pop()
        if tag != "storage" or type(kind) is not _Named or kind.name not in STORAGES:
            raise UnusablePickleError("refers to something else than a storage")
        if type(key) is not str or type(size) is not int or size < 0:
            raise UnusablePickleError(f"refers to the storage {brief(key)} of {brief(size)} numbers")
        found = TorchStorage(STORAGES[kind.name], key, size)
        if self.storages.setdefault(key, found) != found:
            raise UnusablePickleError(f"describes the storage {brief(key)} in two ways")
        self.stack.append(found)


def _checked_keys(pairs: Any) -> dict[str | int, Any]:
    """A dictionary whose keys cost nothing to compare."""
    found: dict[str | int, Any] = {}
    for key, value in pairs:
        if type(key) not in (str, int):
            raise UnusablePickleError(f"has a key that is a {type(key).__name__}")
        found[key] = value
    return found


def _dictionary(items: Any = ()) -> dict[str | int, Any]:
    return _checked_keys(items.items() if type(items) is dict else items)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_others: Any) -> TorchTensor:
    if type(storage) is not TorchStorage or type(shape) is not tuple or type(strides) is not tuple:
        raise UnusablePickleError("holds a tensor without a storage, a shape or strides")
    return TorchTensor(storage, offset, shape, strides)


def _parameter(tensor: Any, *_others: Any) -> TorchTensor:
    if type(tensor) is not TorchTensor:
        raise UnusablePickleError("holds a parameter that is not a tensor")
    return tensor


def _bytes(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or encoding != "latin1":
        raise UnusablePickleError(f"encodes text as {brief(encoding)}")
    return text.encode("latin1")


def _number_kind(code: Any, *_others: Any) -> _NumberKind:
    if type(code) is not str or code not in NUMBERS:
        raise UnusablePickleError(f"holds numbers of type {brief(code)}")
    return _NumberKind(code)


def _number(kind: Any, content: Any) -> float | int | bool:
    if type(kind) is not _NumberKind or type(content) is not bytes:
        raise UnusablePickleError("holds a number that is none")
    dtype = np.dtype(f"{kind.order}{kind.code}")
    if len(content) != dtype.itemsize:
        raise UnusablePickleError(f"holds a number of {len(content)} bytes")
    number: float | int | bool = np.frombuffer(content, dtype)[0].item()
    return number


_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_ARGUMENTS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda _machine, _argument: None,
    "MARK": _Machine.mark,
    "GLOBAL": _Machine.named,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "APPEND": lambda machine, _argument: machine.append((machine.stack.pop(),)),
    "APPENDS": lambda machine, _argument: machine.append(machine.since_mark()),
    "SETITEM": _Machine.one_item,
    "SETITEMS": lambda machine, _argument: machine.set_items(machine.since_mark()),
    "TUPLE": lambda machine, _argument: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _argument: machine.tuple_of(1),
    "TUPLE2": lambda machine, _argument: machine.tuple_of(2),
    "TUPLE3": lambda machine, _argument: machine.tuple_of(3),
    "REDUCE": _Machine.made,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
}
_KNOWN = {"BINUNICODE", *_ARGUMENTS, *_CONSTANTS, *_STEPS}
#: Names that snapshots hold, and what is made of them.
_MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dictionary,
    "collections.Counter": _dictionary,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "_codecs.encode": _bytes,
    "numpy.dtype": _number_kind,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
