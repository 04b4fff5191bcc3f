"""Files of ``torch.save`` without PyTorch: what is in them first, and numbers when they are asked for.

A file is a zip archive of one folder, with entries that are not compressed: ``data.pkl``, a pickle of what was saved
(`posecli.model.torchpickle`), and ``data/<key>`` for each storage, the numbers of which tensors are made.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.model.folder import LARGEST_WEIGHTS_BYTES
from posecli.model.torchpickle import TorchStorage, TorchTensor, UnusablePickleError, read_pickle
from posecli.support.textfile import unreadable
from posecli.support.yamlfile import brief

#: Ten times those of the largest network with all that its optimiser keeps: of the archive's list, and of the pickle.
LARGEST_LIST_BYTES = 8 << 20
LARGEST_PICKLE_BYTES = 16 << 20
LOCAL_HEADER = struct.Struct("<4s22xHH")
#: Types of numbers: as NumPy reads them.
KINDS = {
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",  # the upper half of a float32
    "float64": "f8",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint8": "u1",
    "bool": "u1",
}
FLOATS = frozenset({"float32", "float16", "bfloat16", "float64"})


@dataclass(frozen=True)
class TorchFile:
    """A file that ``torch.save`` has written, and what it holds."""

    path: Path
    content: Any  # dictionaries, lists, tuples, text, numbers and `TorchTensor`
    _places: Mapping[str, int]  # where each storage begins, bytes
    _order: str  # of bytes, as NumPy spells it

    def read(self, name: str, tensor: TorchTensor) -> npt.NDArray[np.float32]:
        """The numbers of a tensor, widened or rounded to float32 as PyTorch does when it loads a network.

        `ModelError` if they are whole numbers, or too large for float32; the name is for the message.
        """
        kind = tensor.storage.kind
        if kind not in FLOATS:
            raise ModelError(f"'{self.path}' has tensor '{name}' of type {kind} where floating point is needed")
        dtype = np.dtype(f"{self._order}{KINDS[kind]}")
        size = tensor.span * dtype.itemsize
        with _opened(self.path) as stream:
            stream.seek(self._places[tensor.storage.key] + tensor.offset * dtype.itemsize)
            content = stream.read(size)
        if len(content) != size:
            raise ModelError(f"'{self.path}' is cut off: copy it again from where it was trained")
        strides = tuple(step * dtype.itemsize for step in tensor.strides)
        numbers = np.lib.stride_tricks.as_strided(np.frombuffer(content, dtype), tensor.shape, strides)
        if kind == "bfloat16":
            return np.ascontiguousarray((numbers.astype(np.uint32) << 16).view(np.float32))
        with np.errstate(over="ignore"):
            found = numbers.astype(np.float32)
        if kind == "float64" and (np.isinf(found) & np.isfinite(numbers)).any():
            raise ModelError(f"'{self.path}' has tensor '{name}' with numbers too large for float32: train it again")
        return np.ascontiguousarray(found)


def read_torch_file(path: Path) -> TorchFile:
    """What a file holds; `ModelError` if PyTorch did not write it whole, or it holds more than a network."""
    with _opened(path) as stream:
        start = stream.read(512)
        if start[:1] == b"\x80" or start[257:262] == b"ustar":
            raise ModelError(
                f"'{path}' is in the format that PyTorch had before version 1.6: load it in PyTorch and save it again "
                "with torch.save"
            )
        try:
            archive = _Archive(stream)
            content, storages = read_pickle(archive.bytes_of("data.pkl", LARGEST_PICKLE_BYTES))
            places = {key: archive.place_of(f"data/{key}", _size(found)) for key, found in storages.items()}
            order = archive.bytes_of("byteorder", 16) if "byteorder" in archive else b"little"
        except UnusablePickleError as error:
            raise ModelError(
                f"'{path}' {error}: give a snapshot as DeepLabCut saves it, or copy it again from where it was trained"
            ) from error
        # What the library raises on damage; not documented in full.
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, LookupError, struct.error) as error:
            raise ModelError(
                f"'{path}' is not a whole file of PyTorch's ({brief(str(error))}): "
                "copy it again from where it was trained"
            ) from error
    return TorchFile(path, content, places, ">" if order == b"big" else "<")


def _size(storage: TorchStorage) -> int:
    return storage.size * np.dtype(KINDS[storage.kind]).itemsize


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a device has no end, and a pipe may keep its reader waiting
            raise ModelError(f"'{path}' is not a file: check the path")
        stream = path.open("rb")
    except FileNotFoundError:
        raise ModelError(f"'{path}' does not exist: check the path") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, ModelError) from error
    with stream:
        if status.st_size > LARGEST_WEIGHTS_BYTES:
            raise ModelError(
                f"'{path}' has {status.st_size} bytes, more than any network's (at most {LARGEST_WEIGHTS_BYTES} are "
                "read): check that it is the right file"
            )
        yield stream


class _Archive:
    """The entries of the zip archive that PyTorch writes, none of which lies over another."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        with zipfile.ZipFile(_Listed(stream)) as archive:
            entries, end = archive.infolist(), archive.start_dir
        names = [entry.orig_filename for entry in entries]
        tops = {name.partition("/")[0] for name in names}
        if len(tops) != 1 or any(".." in name or "\\" in name or "/" not in name for name in names):
            raise zipfile.BadZipFile(f"its entries {brief(names)} are not those of one folder")
        if len(set(names)) < len(names):
            raise zipfile.BadZipFile("it has two entries of one name")
        (self._top,) = tops
        ordered = sorted(entries, key=lambda entry: entry.header_offset)
        ends = [*(entry.header_offset for entry in ordered[1:]), end]
        self._found = {entry.orig_filename: (entry, end) for entry, end in zip(ordered, ends, strict=True)}
        if "constants.pkl" in self:
            raise zipfile.BadZipFile("it is a program of TorchScript, not a snapshot")

    def __contains__(self, name: str) -> bool:
        return f"{self._top}/{name}" in self._found

    def place_of(self, name: str, size: int | None = None) -> int:
        """Where an entry's content begins, bytes; its size is checked."""
        if name not in self:
            raise zipfile.BadZipFile(f"it has no entry {brief(name)}")
        entry, end = self._found[f"{self._top}/{name}"]
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.compress_size != entry.file_size:
            raise zipfile.BadZipFile(f"its entry {brief(name)} is compressed or encrypted, which PyTorch never does")
        if size is not None and entry.file_size != size:
            raise zipfile.BadZipFile(
                f"its entry {brief(name)} has {entry.file_size} bytes where {brief(size)} are needed"
            )
        self._stream.seek(entry.header_offset)
        signature, n_name, n_extra = LOCAL_HEADER.unpack(self._stream.read(LOCAL_HEADER.size))
        start: int = entry.header_offset + LOCAL_HEADER.size + n_name + n_extra
        if signature != b"PK\x03\x04" or start + entry.file_size > end:
            raise zipfile.BadZipFile(f"its entry {brief(name)} lies over another or over the end")
        return start

    def bytes_of(self, name: str, most: int) -> bytes:
        """The content of a small entry."""
        place = self.place_of(name)
        size = self._found[f"{self._top}/{name}"][0].file_size
        if size > most:
            raise zipfile.BadZipFile(f"its entry {brief(name)} has {size} bytes, of which at most {most} are read")
        self._stream.seek(place)
        return self._stream.read(size)


class _Listed(io.RawIOBase):
    """A file of which no more is read at once than the list of an archive's entries may need."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_LIST_BYTES:
            raise zipfile.BadZipFile(f"a list of its entries of {size} bytes is too long")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True
