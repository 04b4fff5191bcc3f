"""Files as ``torch.save`` writes them, by NumPy and the opcodes of pickle's protocol 2; hostile ones too."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STORAGES = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "float64": "DoubleStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


@dataclass(frozen=True)
class Tensor:
    """A tensor that is said to be something; what is not said, follows from its numbers."""

    numbers: Array
    storage: str | None = None  # type, such as ``BFloat16Storage``
    offset: int = 0
    shape: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None  # numbers, not bytes
    size: int | None = None  # of the storage
    key: str | None = None


@dataclass(frozen=True)
class Raw:
    """Opcodes that leave a value on the stack."""

    opcodes: bytes


def save(path: Path, content: Any, *, top: str = "archive") -> Path:
    """Write a file; arrays and `Tensor` become tensors, and the dictionary under ``model`` an ordered one."""
    pickle, storages = pickled(content)
    entries = {"data.pkl": pickle, "byteorder": b"little", "version": b"3\n"}
    entries |= {f"data/{key}": numbers for key, numbers in storages.items()}
    return write_archive(path, {f"{top}/{name}": entry for name, entry in entries.items()})


def write_archive(path: Path, entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, entry in entries.items():
            archive.writestr(name, entry)
    return path


def pickled(content: Any) -> tuple[bytes, dict[str, bytes]]:
    """A pickle, and the storages that it refers to."""
    storages: dict[str, bytes] = {}
    return b"\x80\x02" + _opcodes(content, storages) + b".", storages


def _opcodes(value: Any, storages: dict[str, bytes]) -> bytes:
    if isinstance(value, Raw):
        return value.opcodes
    if isinstance(value, np.ndarray):
        value = Tensor(value)
    if isinstance(value, Tensor):
        return _tensor(value, storages)
    if isinstance(value, dict):
        items = b"".join(_opcodes(key, storages) + _opcodes(item, storages) for key, item in value.items())
        return b"ccollections\nOrderedDict\n)R(" + items + b"u"
    if isinstance(value, (list, tuple)):
        items = b"".join(_opcodes(item, storages) for item in value)
        return b"(" + items + b"t" if isinstance(value, tuple) else b"](" + items + b"e"
    return _single(value)


def _single(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"J" + struct.pack("<i", value) if abs(value) < 1 << 31 else bytes([0x8A, len(number)]) + number
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    text = str(value).encode()
    return b"X" + struct.pack("<I", len(text)) + text


def _tensor(tensor: Tensor, storages: dict[str, bytes]) -> bytes:
    numbers = np.ascontiguousarray(tensor.numbers)
    key = str(len(storages)) if tensor.key is None else tensor.key
    storages[key] = numbers.tobytes()
    kind = Raw(f"ctorch\n{tensor.storage or STORAGES[numbers.dtype.name]}\n".encode())
    size = numbers.size if tensor.size is None else tensor.size
    shape = tensor.numbers.shape if tensor.shape is None else tensor.shape
    strides = tensor.strides
    if strides is None:
        strides = tuple(int(np.prod(shape[place + 1 :])) for place in range(len(shape)))
    reference = Raw(_opcodes(("storage", kind, key, "cpu", size), storages) + b"Q")
    arguments: tuple[Any, ...] = (reference, tensor.offset, shape, strides, False, {})
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + _opcodes(arguments, storages) + b"R"
