"""Compressed arrays of HDF5 files that come from outside: what h5py cannot decompress, PyTables does.

pandas compresses with PyTables' filters (Blosc, Blosc2, bzip2, LZO), which h5py does not have. PyTables, however,
unpickles attributes as soon as it opens a file. So it is not given the file: h5py copies the one array, compressed as
it is and without its attributes, into memory, and PyTables reads that.
"""

from __future__ import annotations

import uuid
import warnings
from typing import Any

import numpy.typing as npt

#: Numbers that The HDF Group gave to filters, with the names that users know them by.
FILTER_NAMES = {
    305: "lzo",
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}


class MissingFilterError(Exception):
    """An array is compressed in a way that nothing here can undo."""


class CompressedArray:
    """An array that only PyTables can decompress; what h5py knows of it stays as it is.

    Parameters
    ----------
    node
        An h5py data set, kept in its own file.

    Raises
    ------
    MissingFilterError
        If PyTables does not have its filter either.
    """

    def __init__(self, node: Any) -> None:
        for number in missing_filters(node):
            if not _tables_has(number):
                name = FILTER_NAMES.get(number, "an unknown method")
                raise MissingFilterError(f"compressed with {name} (HDF5 filter {number}), which is not installed here")
        self.attrs, self.dtype = node.attrs, node.dtype
        self._rows = len(node)
        self._image = _bare_copy(node)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        import tables

        # The name is none of a file: PyTables shares files that have the same one.
        memory = {"driver": "H5FD_CORE", "driver_core_image": self._image, "driver_core_backing_store": 0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of types that PyTables does not know; they are refused below
            with tables.open_file(uuid.uuid4().hex, **memory) as file:
                node = file.get_node("/array")
                if not isinstance(node, tables.Table | tables.Array):
                    raise TypeError(f"PyTables knows no values of type {self.dtype}")
                found: npt.NDArray[Any] = node[rows]
        return found


def missing_filters(node: Any) -> list[int]:
    """Numbers of an h5py data set's filters that h5py does not have."""
    import h5py

    properties = node.id.get_create_plist()
    numbers = [int(properties.get_filter(place)[0]) for place in range(properties.get_nfilters())]
    return [number for number in numbers if not h5py.h5z.filter_avail(number)]


def _tables_has(number: int) -> bool:
    import tables

    name = FILTER_NAMES.get(number)
    return name in ("lzo", "bzip2", "blosc", "blosc2") and tables.which_lib_version(name) is not None


def _bare_copy(node: Any) -> bytes:
    """An HDF5 file of nothing but the array, with no attribute: its chunks are copied as they are."""
    import h5py

    how = h5py.h5p.create(h5py.h5p.OBJECT_COPY)
    how.set_copy_object(h5py.h5o.COPY_WITHOUT_ATTR_FLAG)
    with h5py.File(uuid.uuid4().hex, "w", driver="core", backing_store=False) as memory:
        h5py.h5o.copy(node.id, b".", memory.id, b"array", how)
        memory.flush()
        return bytes(memory.id.get_file_image())
