"""pandas tables in HDF5 files that come from outside, read as plain data.

pandas keeps column names as pickles, and its reader runs whatever such a pickle says. Here the file is read with
h5py, which leaves pickles alone, and column names are taken only where they are built-in types. Both layouts of
pandas are known: ``table``, and ``fixed``, which is the only one that holds rows with several index levels.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from posecli.errors import PoseCliError

Labels = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class PlainTable:
    """A table of numbers.

    Attributes
    ----------
    columns
        ``C`` labels, one tuple of level values each.
    index
        ``N`` labels of rows, one tuple each, of one value where the index has one level.
    values
        ``(N, C)`` float64.
    stored
        Type that the numbers have in the file; float64 where they are of several.
    """

    columns: Labels
    index: Labels
    values: npt.NDArray[np.float64]
    stored: np.dtype[Any] = np.dtype(np.float64)


#: What h5py, the unpickler and NumPy raise on damage; not documented in full.
_DAMAGE = (
    OSError,
    LookupError,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    EOFError,
    pickle.PickleError,
)
#: Compression makes no array smaller than this part of it; a claim beyond belongs to no data.
MOST_COMPRESSED = 1100
#: Claims below are read whatever the file's size.
SMALL_BYTES = 16 << 20
#: All that a pickle of lists, tuples, strings and numbers consists of. Nothing among them can call or import.
_PLAIN_OPCODES = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "PUT",
        "BINPUT",
        "LONG_BINPUT",
        "GET",
        "BINGET",
        "LONG_BINGET",
        "MEMOIZE",
    ]
)
#: Places that a pickle's memory may have: Python's unpickler takes memory for the highest number that is named.
_MOST_PLACES = 1_000_000


class _ForeignError(Exception):
    """The file is not laid out as pandas does, or holds objects."""


class _PlainUnpickler(pickle.Unpickler):
    """Makes lists, tuples, mappings, strings and numbers; nothing can be imported or called."""

    def find_class(self, module: str, name: str, /) -> NoReturn:
        raise _ForeignError(f"its column names are objects of type {module}.{name}")


def read_plain_table(path: Path, failure: type[PoseCliError]) -> PlainTable:
    """Read the one pandas table that a file holds.

    Parameters
    ----------
    path
        An HDF5 file written by pandas, in either layout.
    failure
        Error to raise.

    Raises
    ------
    PoseCliError
        `failure`, if the file is damaged, holds something else, or holds Python objects.
    """
    with _opened(path, failure) as group:
        return _read_table(group) if "table" in group else _read_fixed(group)


def read_plain_pieces(path: Path, failure: type[PoseCliError], rows: int) -> Iterator[PlainTable]:
    """The same table in pieces of so many rows, which take no more memory however long it is.

    Tables in the layout ``fixed`` come as one piece.
    """
    with _opened(path, failure) as group:
        if "table" not in group:
            yield _read_fixed(group)
            return
        for start in range(0, max(1, len(group["table"])), rows):
            yield _read_table(group, slice(start, start + rows))


@contextmanager
def _opened(path: Path, failure: type[PoseCliError]) -> Iterator[_Group]:
    """The one table of a file; whatever is wrong with it becomes `failure`."""
    import h5py

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _ForeignError("it is not a file")
        with h5py.File(path, "r") as file:
            yield _Group(_only_table(file), max(SMALL_BYTES, MOST_COMPRESSED * status.st_size))
    except FileNotFoundError:
        raise failure(f"'{path}' does not exist: check the path") from None
    except _ForeignError as error:
        raise failure(f"'{path}' cannot be used ({error}): write it again with DeepLabCut or pandas") from None
    except _DAMAGE as error:
        if not h5py.is_hdf5(path):
            raise failure(
                f"'{path}' is not an HDF5 file: give the table that posecli or DeepLabCut wrote, or copy it again if "
                "this should be one"
            ) from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise failure(f"'{path}' is damaged ({reason}): copy it again, or write it again from its CSV") from error


class _Group:
    """A group of the file whose arrays lie in it, and are no larger than its size allows."""

    def __init__(self, group: Any, most_bytes: int) -> None:
        self.attrs = group.attrs
        self._group = group
        self._most_bytes = most_bytes

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def __getitem__(self, name: str) -> Any:
        node = _inside(self._group, name)
        if not hasattr(node, "dtype"):
            raise _ForeignError(f"its '{name}' is no array")
        if node.external or node.is_virtual:
            raise _ForeignError(f"its '{name}' lies in another file")
        if node.size is not None and node.size * node.dtype.itemsize > self._most_bytes:
            raise _ForeignError(f"its '{name}' claims shape {node.shape}, more than its bytes can hold")
        return node


def _inside(group: Any, name: str) -> Any:
    """A member that is kept in this file; links can name any other file of the machine."""
    import h5py

    member = group.get(name, getlink=True)
    if member is None:
        raise KeyError(f"'{name}' is not there")
    if not isinstance(member, h5py.HardLink):
        raise _ForeignError(f"its '{name}' is a link")
    return group[name]


def _only_table(file: Any) -> Any:
    members = [_inside(file, name) for name in file]
    groups = [group for group in members if "pandas_type" in group.attrs]
    if len(groups) != 1:
        raise _ForeignError(f"it holds {len(groups)} pandas tables where one is expected")
    return groups[0]


def _read_table(group: Any, rows: slice = slice(None)) -> PlainTable:
    """Layout ``table``: one record per row, its numbers in one or several blocks."""
    node = group["table"]
    names = [name for name in node.dtype.names if name.startswith("values_block_")]
    if "index" not in node.dtype.names or set(node.dtype.names) != {"index", *names}:
        raise _ForeignError("its rows have several index levels or data columns")
    records = node[rows]
    columns = [label for name in names for label in _column_labels(node.attrs[f"{name}_kind"])]
    blocks = [_numbers(records[name]).reshape(len(records), -1) for name in names]
    stored = {records[name].dtype for name in names}
    table = _assembled(columns, [(value,) for value in _plain_values(records["index"])], blocks)
    return replace(table, stored=stored.pop()) if len(stored) == 1 else table


def _column_labels(pickled: Any) -> Labels:
    content = bytes(pickled)
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
            raise _ForeignError(f"its column names are objects of type {str(argument).replace(' ', '.')}")
        if opcode.name not in _PLAIN_OPCODES:
            raise _ForeignError(f"its column names hold more than text ({opcode.name})")
        if "PUT" in opcode.name and int(argument or 0) > _MOST_PLACES:
            raise _ForeignError("its column names ask for memory that they do not need")
    labels = _PlainUnpickler(io.BytesIO(content)).load()
    if not isinstance(labels, list):
        raise _ForeignError("its column names are no list")
    return tuple(_plain_label(label if isinstance(label, tuple) else (label,)) for label in labels)


def _plain_label(label: tuple[Any, ...]) -> tuple[Any, ...]:
    """A label without levels within levels, which references could make endless."""
    if not all(isinstance(value, (str, int, float)) for value in label):
        raise _ForeignError("its column names are not text or numbers")
    return label


def _read_fixed(group: Any) -> PlainTable:
    """Layout ``fixed``: one array per block of columns of one type, and the labels of both axes."""
    numbers = range(int(group.attrs["nblocks"]))
    # An index without rows may be an object, which need not be looked at.
    has_rows = not all(_is_empty(group[f"block{number}_values"]) for number in numbers)
    index = _axis(group, "axis1") if has_rows else []
    columns: list[tuple[Any, ...]] = []
    blocks = []
    for number in numbers:
        items, values = _axis(group, f"block{number}_items"), group[f"block{number}_values"]
        columns += items
        block = _numbers(values[:]) if has_rows else np.empty((0, len(items)))
        blocks.append(block if values.attrs.get("transposed", True) or not has_rows else block.T)
    return _assembled(columns, index, blocks)


def _axis(group: Any, name: str) -> list[tuple[Any, ...]]:
    if _text(group.attrs[f"{name}_variety"]) != "multi":
        return [(value,) for value in _values(group[name])]
    levels = [_values(group[f"{name}_level{level}"]) for level in range(int(group.attrs[f"{name}_nlevels"]))]
    codes = [_values(group[f"{name}_label{level}"]) for level in range(len(levels))]
    if any(code < 0 for column in codes for code in column):
        raise _ForeignError(f"a label of {name} is missing")
    per_level = [[level[code] for code in column] for level, column in zip(levels, codes, strict=True)]
    return list(zip(*per_level, strict=True))


def _values(node: Any) -> list[Any]:
    return [] if _is_empty(node) else _plain_values(node[:])


def _is_empty(node: Any) -> bool:
    """Whether pandas wrote a stand-in for an array without elements."""
    return "value_type" in node.attrs or "shape" in node.attrs


def _plain_values(array: npt.NDArray[Any]) -> list[Any]:
    if array.dtype.kind == "S":
        return [value.decode() for value in array.tolist()]
    return list(_numbers(array, keep=True).tolist())


def _numbers(array: npt.NDArray[Any], *, keep: bool = False) -> npt.NDArray[Any]:
    if array.dtype.kind not in "iufb":
        raise _ForeignError(f"it holds values of type {array.dtype}, not numbers")
    return array if keep else array.astype(np.float64)


def _assembled(columns: Any, index: Any, blocks: list[npt.NDArray[np.float64]]) -> PlainTable:
    values = np.concatenate(blocks, axis=1) if blocks else np.empty((len(index), 0))
    if values.shape != (len(index), len(columns)):
        raise _ForeignError(f"{values.shape} values belong to {len(index)} rows and {len(columns)} columns")
    return PlainTable(tuple(columns), tuple(index), values)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
