"""pandas tables in HDF5 files that come from outside, read as plain data.

pandas keeps column names as pickles, and its reader runs whatever such a pickle says. Here the file is read with
h5py, which leaves pickles alone, and column names are taken only where they are built-in types. Both layouts of
pandas are known: ``table``, and ``fixed``, which is the only one that holds rows with several index levels.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
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
    """

    columns: Labels
    index: Labels
    values: npt.NDArray[np.float64]


#: What h5py, the unpickler and NumPy raise on damage; not documented in full.
_DAMAGE = (OSError, LookupError, ValueError, TypeError, RuntimeError, AttributeError, pickle.PickleError)


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
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = _only_table(file)
            return _read_table(group) if "table" in group else _read_fixed(group)
    except FileNotFoundError:
        raise failure(f"'{path}' does not exist: check the path") from None
    except _ForeignError as error:
        raise failure(f"'{path}' cannot be used ({error}): write it again with DeepLabCut or pandas") from None
    except _DAMAGE as error:
        raise failure(f"'{path}' is damaged ({error}): copy it again, or write it again from its CSV") from error


def _only_table(file: Any) -> Any:
    groups = [group for group in file.values() if "pandas_type" in group.attrs]
    if len(groups) != 1:
        raise _ForeignError(f"it holds {len(groups)} pandas tables where one is expected")
    return groups[0]


def _read_table(group: Any) -> PlainTable:
    """Layout ``table``: one record per row, its numbers in one or several blocks."""
    table = group["table"]
    names = [name for name in table.dtype.names if name.startswith("values_block_")]
    if "index" not in table.dtype.names or set(table.dtype.names) != {"index", *names}:
        raise _ForeignError("its rows have several index levels or data columns")
    records = table[:]
    columns = [label for name in names for label in _column_labels(table.attrs[f"{name}_kind"])]
    blocks = [_numbers(records[name]).reshape(len(records), -1) for name in names]
    return _assembled(columns, [(value,) for value in _plain_values(records["index"])], blocks)


def _column_labels(pickled: Any) -> Labels:
    labels = _PlainUnpickler(io.BytesIO(bytes(pickled))).load()
    if not isinstance(labels, list):
        raise _ForeignError("its column names are no list")
    return tuple(label if isinstance(label, tuple) else (label,) for label in labels)


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
