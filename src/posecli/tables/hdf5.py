"""pandas tables in HDF5 files that come from outside, read as plain data.

pandas keeps column names as pickles, and its reader runs whatever such a pickle says. Here the file is read with
h5py, which leaves pickles alone, and column names are taken only where they are built-in types. Both layouts of
pandas are known: ``table``, and ``fixed``, which is the only one that holds rows with several index levels.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from posecli.errors import PoseCliError
from posecli.options import TableChoice
from posecli.tables.hdf5_filters import CompressedArray, MissingFilterError, missing_filters

Labels = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class PlainTable:
    """A table of numbers, ``(N, C)``; labels of its ``C`` columns and ``N`` rows are tuples with a value per level."""

    columns: Labels
    index: Labels
    values: npt.NDArray[np.float64]
    #: Types that the columns have in the file; empty where all are float64.
    stored: tuple[np.dtype[Any], ...] = ()
    #: Place in the file; empty where it is from no such file.
    key: str = ""

    def select(self, places: Sequence[int]) -> PlainTable:
        """The table with only the columns at these places, in this order."""
        columns = tuple(self.columns[place] for place in places)
        stored = tuple(self.stored[place] for place in places) if self.stored else ()
        return replace(self, columns=columns, values=self.values[:, places], stored=stored)


#: What h5py, the unpickler and NumPy raise on damage; not documented in full.
_DAMAGE = (
    *(OSError, LookupError, ValueError, TypeError, RuntimeError, AttributeError, ArithmeticError, MemoryError),
    *(EOFError, pickle.PickleError),
)
#: No compression saves more than this factor; a larger claim is false.
MOST_COMPRESSED = 1100
#: Smaller claims are read whatever the file's size.
SMALL_BYTES = 16 << 20
#: All that a pickle of lists, tuples, strings and numbers consists of. Nothing among them can call or import.
_OPCODE_NAMES = (
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT STRING BINSTRING "
    "SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 "
    "TUPLE2 TUPLE3 PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET MEMOIZE"
)
_PLAIN_OPCODES = frozenset(_OPCODE_NAMES.split())
#: Places that a pickle's memory may have: Python's unpickler takes memory for the highest number that is named.
_MOST_PLACES = 1_000_000
#: Groups of a file that are looked into for tables, and how deep they may lie.
_MOST_GROUPS, _DEEPEST = 1000, 8
#: Kinds of row labels that are stored as numbers but mean times begin with these.
_TIMES = ("datetime", "timedelta", "date")


class _ForeignError(Exception):
    """The file is not laid out as pandas does, or holds objects."""


class _ChoiceError(Exception):
    """The file has several tables, or not the one that was asked for."""


class _PlainUnpickler(pickle.Unpickler):
    """Makes lists, tuples, text and numbers; nothing can be imported or called."""

    def find_class(self, module: str, name: str, /) -> NoReturn:
        raise _ForeignError(f"its column names are objects of type {module}.{name}")


def read_plain_table(path: Path, failure: type[PoseCliError], choice: TableChoice | None = None) -> PlainTable:
    """Read the pandas table of an HDF5 file, in either layout.

    Of several tables the `choice` names one (its scorer is not looked at); ``None`` stands for nobody who can choose.
    Raises `failure` if the file is damaged, holds something else or Python objects, or leaves that choice open.
    """
    with _opened(path, failure) as file:
        group = file.table(choice)
        return _read_table(group) if "table" in group else _read_fixed(group)


def read_plain_pieces(
    path: Path, failure: type[PoseCliError], rows: int, choice: TableChoice | None = None
) -> Iterator[PlainTable]:
    """The same table in pieces of so many rows, to save memory; one in the layout ``fixed`` comes as one piece."""
    with _opened(path, failure) as file:
        group = file.table(choice)
        if "table" not in group:
            yield _read_fixed(group)
            return
        for start in range(0, max(1, len(group["table"])), rows):
            yield _read_table(group, slice(start, start + rows))


def read_plain_array(path: Path, name: str, failure: type[PoseCliError]) -> npt.NDArray[np.float64] | None:
    """An array of numbers that a file holds beside its tables, if it does."""
    with _opened(path, failure) as file:
        folder, _, last = name.rpartition("/")
        group = file.group(folder)
        return None if group is None or last not in group else _checked(group[last][:]).astype(np.float64)


@contextmanager
def _opened(path: Path, failure: type[PoseCliError]) -> Iterator[_File]:
    """The open file; whatever is wrong with it becomes `failure`."""
    import h5py

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _ForeignError("it is not a file")
        with h5py.File(path, "r") as file:
            yield _File(file, max(SMALL_BYTES, MOST_COMPRESSED * status.st_size))
    except FileNotFoundError:
        raise failure(f"'{path}' does not exist: check the path") from None
    except _ChoiceError as error:
        raise failure(f"'{path}' {error}") from None
    except MissingFilterError as error:
        raise failure(f"'{path}' is {error}: write it again where it can be read, with complib='zlib'") from None
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


class _File:
    """An open file whose arrays may not claim more bytes than its size allows."""

    def __init__(self, file: Any, most_bytes: int) -> None:
        self._file, self._most_bytes = file, most_bytes

    def group(self, key: str) -> _Group | None:
        """The group of that path, if there is one."""
        node = self._file
        for name in key.strip("/").split("/"):
            if not hasattr(node, "keys") or name not in node:
                return None
            node = _inside(node, name)
        return _Group(node, key, self._most_bytes) if hasattr(node, "keys") else None

    def table(self, choice: TableChoice | None) -> _Group:
        """The only table, or the one that was chosen."""
        if choice is not None and choice.key is not None:
            return self._chosen(choice.key)
        keys = list(_tables_in(self._file))
        if len(keys) > 1 and choice is not None:
            raise _ChoiceError(f"holds {len(keys)} tables ({_listed(keys)}): choose one with --{choice.option}key")
        if len(keys) != 1:
            named = f" ({_listed(keys)})" if keys else ""
            raise _ForeignError(f"it holds {len(keys)} pandas tables{named} where one is expected")
        return self._chosen(keys[0])

    def _chosen(self, key: str) -> _Group:
        group = self.group(key)
        if group is None or "pandas_type" not in group.attrs:
            raise _ChoiceError(f"holds no table '{key}': it has {_listed(list(_tables_in(self._file))) or 'none'}")
        kind = _text(group.attrs["pandas_type"])
        if kind not in ("frame", "frame_table"):
            raise _ForeignError(f"it holds pandas' {kind[:40]!r} and not a data frame")
        return group


class _Group:
    """A group of the file: its arrays must lie in it and be no larger than its size allows."""

    def __init__(self, group: Any, key: str, most_bytes: int) -> None:
        self.attrs, self.key = group.attrs, key.strip("/")
        self._group, self._most_bytes = group, most_bytes
        self._compressed: dict[str, CompressedArray] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def __getitem__(self, name: str) -> Any:
        if name in self._compressed:
            return self._compressed[name]
        node = _inside(self._group, name)
        if not hasattr(node, "dtype"):
            raise _ForeignError(f"its '{name}' is not an array")
        if node.external or node.is_virtual:
            raise _ForeignError(f"its '{name}' lies in another file")
        if node.size is not None and node.size * node.dtype.itemsize > self._most_bytes:
            raise _ForeignError(f"its '{name}' claims shape {node.shape}, more than its bytes can hold")
        if missing_filters(node):
            if node.dtype.hasobject:
                raise _ForeignError(f"its '{name}' holds values of type {node.dtype}, not numbers")
            node = self._compressed[name] = CompressedArray(node)
            if node.bytes_at_once > self._most_bytes:
                raise _ForeignError(f"its '{name}' claims chunks of {node.bytes_at_once} bytes, more than it can hold")
        return node


def _inside(group: Any, name: str) -> Any:
    """A member of a group, not behind a link: links can name any other file of the machine."""
    import h5py

    member = group.get(name, getlink=True)
    if member is None:
        raise KeyError(f"'{name}' is not there")
    if not isinstance(member, h5py.HardLink):
        raise _ForeignError(f"its '{name}' is a link")
    return group[name]


def _tables_in(file: Any) -> Iterator[str]:
    """Keys of all pandas tables; nothing inside a table is one."""
    groups = [("", file)]
    for path, group in groups:
        if "pandas_type" in group.attrs and path:
            yield path
            continue
        for name in group if path.count("/") < _DEEPEST else ():
            member = _inside(group, name)
            if hasattr(member, "keys"):
                groups.append((f"{path}/{name}", member))
            if len(groups) > _MOST_GROUPS:
                raise _ForeignError(f"it holds more than {_MOST_GROUPS} groups")


def _listed(keys: Sequence[str]) -> str:
    names = ", ".join(f"'{key.strip('/')}'" for key in keys[:8])
    return f"{names}, ..." if len(keys) > 8 else names


def _read_table(group: _Group, rows: slice = slice(None)) -> PlainTable:
    """Read the layout ``table``: one record per row, its numbers in one or several blocks."""
    node = group["table"]
    names = [name for name in node.dtype.names if name.startswith("values_block_")]
    if "index" not in node.dtype.names or set(node.dtype.names) != {"index", *names}:
        raise _ForeignError("its rows have several index levels or data columns")
    for name in names:
        if _text(node.attrs.get(f"{name}_meta", "")) == "category":
            raise _ForeignError("its columns are categories, not numbers")
    _refuse_times(node.attrs.get("index_kind"))
    records = node[rows]
    labels = [_plain_labels(_plain_pickle(node.attrs[f"{name}_kind"])) for name in names]
    # A block of one column has no second axis.
    blocks = [records[name].reshape(len(records), math.prod(records.dtype[name].shape)) for name in names]
    index = [(value,) for value in _plain_values(records["index"])]
    # One block has the order of the table; several are put together as the table says.
    order = _column_order(group.attrs["non_index_axes"]) if len(names) > 1 else None
    return _assembled(group.key, index, labels, blocks, order)


def _column_order(pickled: Any) -> Labels:
    axes = _plain_pickle(pickled)
    if not isinstance(axes, list) or len(axes) != 1 or not isinstance(axes[0], tuple) or len(axes[0]) != 2:
        raise _ForeignError("the order of its columns is not told")
    return _plain_labels(axes[0][1])


def _plain_pickle(pickled: Any) -> Any:
    """The content of a pickle of lists, tuples, text and numbers; any other is refused before it is read."""
    content = bytes(pickled)
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
            raise _ForeignError(f"its column names are objects of type {str(argument).replace(' ', '.')}")
        if opcode.name not in _PLAIN_OPCODES:
            raise _ForeignError(f"its column names hold more than text ({opcode.name})")
        if "PUT" in opcode.name and int(argument or 0) > _MOST_PLACES:
            raise _ForeignError("its column names ask for memory that they do not need")
    return _PlainUnpickler(io.BytesIO(content)).load()


def _plain_labels(labels: Any) -> Labels:
    if not isinstance(labels, list):
        raise _ForeignError("its column names are not a list")
    plain = tuple(label if isinstance(label, tuple) else (label,) for label in labels)
    # Levels within levels could be endless by reference.
    if not all(isinstance(value, (str, int, float)) for label in plain for value in label):
        raise _ForeignError("its column names are not text or numbers")
    return plain


def _refuse_times(kind: Any) -> None:
    """Refuse times, which are stored as numbers and would be taken for those of frames."""
    if kind is not None and _text(kind).startswith(_TIMES):
        raise _ForeignError(f"its rows are labelled by times ({_text(kind)[:40]}), not by numbers of frames")


def _read_fixed(group: _Group) -> PlainTable:
    """Read the layout ``fixed``: an array per block of columns of one type, and the labels of both axes."""
    numbers = range(int(group.attrs["nblocks"]))
    # An index without rows may be an object, which need not be looked at.
    has_rows = not all(_is_empty(group[f"block{number}_values"]) for number in numbers)
    index = _axis(group, "axis1") if has_rows else []
    labels, blocks = [], []
    for number in numbers:
        items, values = _axis(group, f"block{number}_items"), group[f"block{number}_values"]
        labels.append(tuple(items))
        block = values[:] if has_rows else np.empty((0, len(items)))
        blocks.append(block if values.attrs.get("transposed", True) or not has_rows else block.T)
    return _assembled(group.key, index, labels, blocks, tuple(_axis(group, "axis0")) if has_rows else None)


def _axis(group: _Group, name: str) -> list[tuple[Any, ...]]:
    if _text(group.attrs[f"{name}_variety"]) != "multi":
        _refuse_times(group[name].attrs.get("kind"))
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
    """Whether pandas wrote a placeholder for an array without elements."""
    return "value_type" in node.attrs or "shape" in node.attrs


def _plain_values(array: npt.NDArray[Any]) -> list[Any]:
    if array.dtype.kind == "S":
        return [value.decode() for value in array.tolist()]
    return list(_checked(array).tolist())


def _checked(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind not in "iufb":
        raise _ForeignError(f"it holds values of type {array.dtype}, not numbers")
    return array


def _assembled(
    key: str,
    index: Sequence[tuple[Any, ...]],
    labels: Sequence[Labels],
    blocks: Sequence[npt.NDArray[Any]],
    order: Labels | None,
) -> PlainTable:
    """Blocks of columns side by side, in the order of their table."""
    columns = tuple(label for block in labels for label in block)
    checked = [_checked(block).astype(np.float64) for block in blocks]
    values = np.concatenate(checked, axis=1) if blocks else np.empty((len(index), 0))
    if values.shape != (len(index), len(columns)) or [len(block) for block in labels] != [b.shape[1] for b in blocks]:
        raise _ForeignError(f"{values.shape} values belong to {len(index)} rows and {len(columns)} columns")
    stored = tuple(block.dtype for block in blocks for _ in range(block.shape[1]))
    table = PlainTable(columns, tuple(index), values, stored, key)
    if order is None or order == columns or len(set(columns)) < len(columns):
        return table
    places = {label: place for place, label in enumerate(columns)}
    if len(order) != len(columns) or not places.keys() <= set(order):
        raise _ForeignError("its blocks have other columns than the table")
    return table.select([places[label] for label in order])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
