"""Compressed arrays of HDF5 files that come from outside and that h5py cannot decompress.

pandas compresses with filters of PyTables (Blosc, Blosc2, bzip2) which h5py does not have. PyTables itself must not
open files of others: it unpickles attributes at once, and damaged Blosc chunks make it write beyond its memory. So h5py
returns chunks as they are, and the libraries that know them decompress them to the size that the result must have.
"""

from __future__ import annotations

import bz2
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

#: The HDF Group's numbers of filters, for messages.
FILTER_NAMES = dict(
    [(305, "LZO"), (307, "bzip2"), (32000, "LZF"), (32001, "Blosc"), (32004, "LZ4"), (32008, "Bitshuffle")]
    + [(32013, "ZFP"), (32015, "Zstandard"), (32026, "Blosc2")]
)
#: Blosc's header of a chunk: versions, flags, size of an element, bytes, bytes of a block, bytes compressed.
_BLOSC_HEADER = struct.Struct("<4B3I")
_BLOSC2 = 32026
_CHECKSUM_BYTES = 4


class MissingFilterError(Exception):
    """An array is compressed in a way that nothing here can undo."""


class CompressedArray:
    """An array that h5py cannot decompress: a data set in chunks, of numbers and text of fixed length.

    `bytes_at_once` is the size that a decompressed chunk claims; 0 where only the wanted rows are decompressed. A
    `MissingFilterError` if one of its filters is not known here.
    """

    def __init__(self, node: Any) -> None:
        self._filters = _filters_of(node)
        for place, number in enumerate(self._filters):
            if number not in _UNDO and (number, place) != (_BLOSC2, 0):
                name = FILTER_NAMES.get(number, "an unknown method")
                raise MissingFilterError(f"compressed with {name} (HDF5 filter {number}), which is not known here")
        self.attrs, self.dtype = node.attrs, node.dtype
        self.bytes_at_once = 0 if _BLOSC2 in self._filters else math.prod(node.chunks) * node.dtype.itemsize
        self._node = node

    def __len__(self) -> int:
        return len(self._node)

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        found = np.zeros((max(stop - start, 0), *self._node.shape[1:]), self.dtype)
        for number in range(self._node.id.get_num_chunks()):
            origin = self._node.id.get_chunk_info(number).chunk_offset
            first, last = max(origin[0], start), min(origin[0] + self._node.chunks[0], stop)
            if first < last:
                piece = self._piece(origin, slice(first - origin[0], last - origin[0]))
                rest = [slice(at, at + size) for at, size in zip(origin[1:], self._node.chunks[1:], strict=True)]
                target = found[(slice(first - start, last - start), *rest)]
                # The last chunks of an axis reach beyond the array.
                target[...] = piece[tuple(map(slice, target.shape))]
        return found

    def _piece(self, origin: tuple[int, ...], rows: slice) -> npt.NDArray[Any]:
        """Some rows of one chunk."""
        shape, item = self._node.chunks, self.dtype.itemsize
        mask, content = self._node.id.read_direct_chunk(origin)
        for place in reversed(range(len(self._filters))):
            if mask >> place & 1:
                continue  # left out when this chunk was written
            if self._filters[place] == _BLOSC2:
                return _blosc2_rows(content, shape, self.dtype, rows)
            content = _UNDO[self._filters[place]](content, math.prod(shape) * item, item)
        return np.frombuffer(content, self.dtype).reshape(shape)[rows]


def missing_filters(node: Any) -> list[int]:
    """Numbers of a data set's filters that h5py does not have."""
    import h5py

    return [number for number in _filters_of(node) if not h5py.h5z.filter_avail(number)]


def _filters_of(node: Any) -> list[int]:
    properties = node.id.get_create_plist()
    return [int(properties.get_filter(place)[0]) for place in range(properties.get_nfilters())]


def _unshuffled(content: bytes, _size: int, item: int) -> bytes:
    """Elements, put together of all their first bytes, then second bytes, and so on."""
    return np.frombuffer(content, np.uint8).reshape(item, -1).T.tobytes()


def _without_checksum(content: bytes, _size: int, _item: int) -> bytes:
    """The content before its Fletcher checksum, which HDF5 counts over big-endian words of two bytes."""
    body, told = content[:-_CHECKSUM_BYTES], int.from_bytes(content[-_CHECKSUM_BYTES:], "little")
    words = np.frombuffer(body + b"\0" * (len(body) % 2), ">u2").astype(np.int64)
    weights = np.arange(len(words), 0, -1) % 0xFFFF
    sums = (int((words * weights).sum()), int(words.sum()))
    if any((counted - part) % 0xFFFF for counted, part in zip(sums, divmod(told, 1 << 16), strict=True)):
        raise ValueError("a chunk does not have the checksum that was written with it")
    return body


def _unblosced(content: bytes, size: int, _item: int) -> bytes:
    import blosc2

    *_, n_bytes, _block, compressed = _BLOSC_HEADER.unpack_from(content)
    if n_bytes != size or compressed != len(content):
        raise ValueError(f"a Blosc chunk of {compressed} bytes claims to hold {n_bytes} where {size} are due")
    return bytes(blosc2.decompress2(content))


def _blosc2_rows(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], rows: slice) -> npt.NDArray[Any]:
    """Rows of a Blosc2 chunk, which are decompressed alone: chunks can be half a gigabyte."""
    import blosc2

    if len(shape) > 1:
        array = blosc2.ndarray_from_cframe(content)
        # The chunk itself names the type: bytes that it calls objects would become pointers.
        if array.dtype.hasobject or array.dtype.itemsize != dtype.itemsize or array.shape != shape:
            raise ValueError(f"a Blosc2 chunk claims {array.shape} values of {array.dtype} where {shape} are due")
        part = np.ascontiguousarray(array[rows])
    else:
        chunk = blosc2.schunk_from_cframe(content)
        if chunk.nbytes != math.prod(shape) * dtype.itemsize or dtype.itemsize % chunk.typesize:
            raise ValueError(f"a Blosc2 chunk claims {chunk.nbytes} bytes where {shape[0]} rows are due")
        per_row = dtype.itemsize // chunk.typesize
        part = np.frombuffer(chunk.get_slice(rows.start * per_row, rows.stop * per_row), np.uint8)
    return np.frombuffer(part.tobytes(), dtype).reshape(-1, *shape[1:])


#: What undoes each filter, given a chunk's content, its final size, and the size of an element.
_UNDO: dict[int, Callable[[bytes, int, int], bytes]] = {
    1: lambda content, size, _: zlib.decompressobj().decompress(content, size),
    2: _unshuffled,
    3: _without_checksum,
    307: lambda content, size, _: bz2.BZ2Decompressor().decompress(content, size),
    32001: _unblosced,
}
