"""Files of ``torch.save``: those that PyTorch has written, and those that mean harm."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import torchfile
from support.torchfile import Raw, Tensor

from posecli.errors import ModelError
from posecli.model import torchpickle
from posecli.model.torchfile import read_torch_file

GOLDEN = Path(__file__).parent / "golden"
NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        read_torch_file(path)
    message = str(error.value)
    assert message.startswith(f"'{path}' ")
    assert "\n" not in message
    assert len(message) < 500 + len(str(path))
    return message


# Whole files ---------------------------------------------------------------------------------------------------------


def test_snapshot_of_pytorch() -> None:
    file = read_torch_file(GOLDEN / "snapshot.pt")
    model, expected = file.content["model"], np.load(GOLDEN / "tensors.npz")
    assert list(model) == [name for name in expected.files if name[0].isdigit()]
    assert model["0.weight"].shape == (2, 3, 3, 3)
    assert model["1.num_batches_tracked"].storage.kind == "int64"
    for name in model:
        if not name.endswith("tracked"):
            np.testing.assert_array_equal(file.read(name, model[name]), expected[name])
    metrics = {"test.mAP": 2.5, "count": 7, "plain": 0.25}  # of which two were NumPy's
    assert file.content["metadata"]["metrics"] == metrics
    assert file.content["metadata"]["epoch"] == 3
    assert file.content["optimizer"]["param_groups"][0]["lr"] == 1e-3


def test_tensors_of_all_kinds() -> None:
    file = read_torch_file(GOLDEN / "kinds.pt")
    expected = np.load(GOLDEN / "tensors.npz")
    tensors = file.content["tensors"]
    whole = {"int64", "int32", "int16", "int8", "uint8", "bool"}
    assert len(tensors) == 15
    for name, tensor in tensors.items():
        assert tensor.shape == expected[name].shape
        if name in whole:
            with pytest.raises(ModelError, match=f"'{name}' of type {name} where floating point is needed"):
                file.read(name, tensor)
        else:
            found = file.read(name, tensor)
            assert found.dtype.name == "float32"
            assert found.flags["C_CONTIGUOUS"]
            np.testing.assert_array_equal(found, expected[name])
    assert tensors["again"].storage == tensors["part"].storage  # what is shared is stored once
    assert file.content["list"] == [1, -2, 1 << 40, None, True, "naïve", (1.5, ())]


def test_the_tests_own_writer_is_read_alike(tmp_path: Path) -> None:
    content = {"a": NUMBERS, "b": [1, -2, 1 << 40, None, True, "naïve", (1.5, ())], "half": NUMBERS.astype(np.float16)}
    file = read_torch_file(torchfile.save(tmp_path / "x.pt", content, top="any name"))
    np.testing.assert_array_equal(file.read("a", file.content["a"]), NUMBERS)
    np.testing.assert_array_equal(file.read("half", file.content["half"]), NUMBERS)
    assert file.content["b"] == content["b"]


def test_big_endian(tmp_path: Path) -> None:
    pickled, _ = torchfile.pickled({"a": NUMBERS})
    entries = {"x/data.pkl": pickled, "x/byteorder": b"big", "x/data/0": NUMBERS.astype(">f4").tobytes()}
    file = read_torch_file(torchfile.write_archive(tmp_path / "x.pt", entries))
    np.testing.assert_array_equal(file.read("a", file.content["a"]), NUMBERS)


def test_double_precision_is_rounded_unless_it_overflows(tmp_path: Path) -> None:
    content = {"a": NUMBERS.astype(np.float64) / 3, "b": np.array([1e300]), "c": np.array([np.inf])}
    file = read_torch_file(torchfile.save(tmp_path / "x.pt", content))
    np.testing.assert_array_equal(file.read("a", file.content["a"]), content["a"].astype(np.float32))
    assert np.isinf(file.read("c", file.content["c"]))
    with pytest.raises(ModelError, match="'b' with numbers too large for float32"):
        file.read("b", file.content["b"])


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = torchfile.save(tmp_path / "x.pt", {"a": NUMBERS, "b": NUMBERS})
    file = read_torch_file(path)
    with path.open("r+b") as stream:  # as on a disk that is gone in the meantime
        stream.truncate(path.read_bytes().index(NUMBERS.tobytes()) + 30)
    np.testing.assert_array_equal(file.read("a", file.content["a"]), NUMBERS)
    with pytest.raises(ModelError, match="is cut off"):
        file.read("b", file.content["b"])


# Pickles -------------------------------------------------------------------------------------------------------------


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", range(6))
def test_no_pickle_is_run(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    content = pickle.dumps({"model": Malicious(mark)}, protocol)
    path = torchfile.write_archive(tmp_path / "x.pt", {"x/data.pkl": content})
    message = refused(path)
    assert "mkdir" in message or "which posecli does not follow" in message
    assert not mark.exists()
    pickle.loads(content)  # it would have
    assert mark.exists()


DEEP = b"]" + b"\x85" * 200_000
NESTED: Any = Raw(b"]q\x01h\x01a")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Raw(b"cos\nsystem\n"), "holds 'os.system', which is not loaded"),
        (Raw(b"cbuiltins\neval\n"), "holds 'builtins.eval'"),
        (Raw(b"ctorch.nn.modules.conv\nConv2d\n"), "holds 'torch.nn.modules.conv.Conv2d'"),
        (Raw(b"ccollections\nOrderedDict.__class__\n"), "which is not loaded"),
        (Raw(b"ctorch\nFloatStorage\n)R"), "calls 'torch.FloatStorage'"),
        (Raw(b"ccollections\nOrderedDict\n)\x81"), "instruction NEWOBJ"),
        (Raw(b"(ios\nsystem\n"), "instruction INST"),
        (Raw(b"\x82\x01"), "instruction EXT1"),
        (Raw(b"]N\x86R"), "damaged pickle"),
        (Raw(b"])R"), "calls a list"),
        (Raw(b"NNb"), "sets the state of a NoneType"),
        (Raw(b"N]a"), "appends to a NoneType"),
        (Raw(b"]NNs"), "sets items of a list"),
        (Raw(b"}NNs"), "has a key that is a NoneType"),
        (Raw(b"}]\x85Ns"), "has a key that is a tuple"),
        (Raw(b"}" + DEEP + b"Ns"), "has a key that is a tuple"),
        (Raw(b"NQ"), "damaged pickle"),
        (Raw(b"(NNNNNtQ"), "refers to something else than a storage"),
        (Raw(b"h\x05"), "damaged pickle"),
        (Raw(b"t"), "damaged pickle"),
        (Raw(b"\x87"), "damaged pickle"),
        (Raw(b"X\x03\x00\x00\x00\xed\xa0\x80"), "damaged pickle"),  # half of a pair of surrogates
        (Raw(b"X\xff\xff\xff\x7f"), "damaged pickle"),
        (Raw(b"\xff"), "damaged pickle"),
        (Raw(b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R"), "holds numbers of type 'O8'"),
        (Raw(b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x01\x00\x00\x00b\x86R"), "encodes text as 'b'"),
        (Raw(b"N0"), "instruction POP"),
    ],
    ids=range(27),
)
def test_pickles(content: Raw, words: str, tmp_path: Path) -> None:
    assert words in refused(torchfile.save(tmp_path / "x.pt", content))


def test_pickle_of_too_many_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = torchfile.save(tmp_path / "x.pt", Raw(b"]" * 101))
    read_torch_file(path)
    monkeypatch.setattr(torchpickle, "MOST_INSTRUCTIONS", 100)
    assert "holds more than 100 values" in refused(path)


@pytest.mark.parametrize("content", [NESTED, Raw(DEEP)], ids=["itself", "deep"])
def test_structures_without_end_are_inert(content: Raw, tmp_path: Path) -> None:
    assert read_torch_file(torchfile.save(tmp_path / "x.pt", {"model": content})).content["model"] is not None


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (Tensor(NUMBERS, shape=(1 << 40,), strides=(0,)), "larger than its storage of 6 numbers"),
        (Tensor(NUMBERS, shape=(3, 3)), "larger than its storage"),
        (Tensor(NUMBERS, offset=1), "larger than its storage"),
        (Tensor(NUMBERS, shape=(2, 2), strides=(5, 1)), "larger than its storage"),
        (Tensor(NUMBERS, offset=1 << 70), "larger than its storage"),
        (Tensor(NUMBERS, offset=-1), "holds a tensor of shape"),
        (Tensor(NUMBERS, shape=(-2, 3)), "holds a tensor of shape (-2, 3)"),
        (Tensor(NUMBERS, strides=(3, -1)), "holds a tensor of shape"),
        (Tensor(NUMBERS, strides=(1,)), "with 1 strides"),
        (Tensor(NUMBERS, shape=(1,) * 9), "with 9 strides"),
        (Tensor(NUMBERS, size=7), "'data/0' has 24 bytes where 28"),
        (Tensor(NUMBERS, size=1 << 62), "'data/0' has 24 bytes where"),
        (Tensor(NUMBERS, storage="DoubleStorage"), "'data/0' has 24 bytes where 48"),
        (Tensor(NUMBERS, storage="ComplexFloatStorage"), "holds 'torch.ComplexFloatStorage'"),
    ],
    ids=range(14),
)
def test_tensors_that_claim_too_much(tensor: Tensor, words: str, tmp_path: Path) -> None:
    assert words in refused(torchfile.save(tmp_path / "x.pt", {"model": {"a": tensor}}))


def test_storage_that_is_two_things(tmp_path: Path) -> None:
    content = {"a": Tensor(NUMBERS, key="0"), "b": Tensor(NUMBERS, key="0", size=3)}
    assert "describes the storage '0' in two ways" in refused(torchfile.save(tmp_path / "x.pt", content))


# Archives ------------------------------------------------------------------------------------------------------------

WHOLE, STORED = torchfile.pickled({"a": NUMBERS})
ENTRIES = {"x/data.pkl": WHOLE, "x/data/0": STORED["0"]}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"x/data.pkl": WHOLE}, "it has no entry 'data/0'"),
        ({"x/data/0": STORED["0"]}, "it has no entry 'data.pkl'"),
        ({**ENTRIES, "y/data.pkl": WHOLE}, "are not those of one folder"),
        ({"data.pkl": WHOLE, "data/0": STORED["0"]}, "are not those of one folder"),
        ({**ENTRIES, "x/../../etc/passwd": b""}, "are not those of one folder"),
        ({**ENTRIES, "x/..\\a": b""}, "are not those of one folder"),
        ({**ENTRIES, "/etc/passwd": b""}, "are not those of one folder"),
        ({**ENTRIES, "x/constants.pkl": b"", "x/code/a.py": b""}, "a program of TorchScript"),
        ({}, "are not those of one folder"),
    ],
    ids=range(9),
)
def test_archives(entries: dict[str, bytes], words: str, tmp_path: Path) -> None:
    assert words in refused(torchfile.write_archive(tmp_path / "x.pt", entries))


def test_key_that_leads_elsewhere(tmp_path: Path) -> None:
    path = torchfile.save(tmp_path / "x.pt", {"a": Tensor(NUMBERS, key="../../etc/passwd")})
    assert "are not those of one folder" in refused(path)
    pickled, _ = torchfile.pickled({"a": Tensor(NUMBERS, key="../byteorder")})
    path = torchfile.write_archive(tmp_path / "y.pt", {"x/data.pkl": pickled, "x/byteorder": NUMBERS.tobytes()})
    assert "it has no entry 'data/../byteorder'" in refused(path)


def test_compressed_entries(tmp_path: Path) -> None:
    path = torchfile.write_archive(tmp_path / "x.pt", {**ENTRIES, "x/data.pkl": WHOLE}, zipfile.ZIP_DEFLATED)
    assert "is compressed or encrypted" in refused(path)


def test_two_entries_of_one_name(tmp_path: Path) -> None:
    path = torchfile.write_archive(tmp_path / "x.pt", {**ENTRIES, "x/data/1": STORED["0"]})
    path.write_bytes(path.read_bytes().replace(b"x/data/1", b"x/data/0"))
    assert "two entries of one name" in refused(path)


def directory(path: Path, name: str) -> int:
    """Where the central directory speaks of an entry."""
    content = path.read_bytes()
    return content.rindex(name.encode(), 0, content.rindex(b"PK\x05\x06")) - 46


def patch(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(content)


@pytest.mark.parametrize("sizes", [1 << 30, 4000], ids=["beyond the end", "over its neighbour"])
def test_entries_that_claim_another_s_bytes(sizes: int, tmp_path: Path) -> None:
    large = np.zeros(sizes // 4 if sizes < 1 << 20 else 1, np.float32)
    pickled, _ = torchfile.pickled({"a": Tensor(NUMBERS, shape=(1,), size=sizes // 4)})
    path = torchfile.write_archive(
        tmp_path / "x.pt", {"x/data.pkl": pickled, "x/data/0": STORED["0"], "x/data/1": large.tobytes()}
    )
    patch(path, directory(path, "x/data/0") + 20, struct.pack("<II", sizes, sizes))
    message = refused(path)
    assert "lies over another or over the end" in message or "Overlapped" in message


def test_two_entries_at_one_place(tmp_path: Path) -> None:
    path = torchfile.write_archive(tmp_path / "x.pt", {**ENTRIES, "x/data/1": STORED["0"]})
    place = directory(path, "x/data/0") + 42
    patch(path, directory(path, "x/data/1") + 42, path.read_bytes()[place : place + 4])
    assert "lies over another" in refused(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_file_that_is_cut_off(share: float, tmp_path: Path) -> None:
    path = torchfile.save(tmp_path / "x.pt", {"a": np.zeros(1000, np.float32)})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "is not a whole file of PyTorch's" in refused(path)


def test_list_and_pickle_of_absurd_sizes(tmp_path: Path) -> None:
    path = torchfile.write_archive(tmp_path / "x.pt", {"x/data.pkl": bytes(17 << 20)})
    assert "of which at most" in refused(path)
    content = bytearray(torchfile.write_archive(path, ENTRIES).read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 20] = struct.pack("<II", 1 << 30, 0)
    path.write_bytes(bytes(content[:end]) + bytes(1 << 20) + bytes(content[end:]))
    with path.open("r+b") as stream:
        stream.write(bytes(content[:end]))
    assert "is not a whole file of PyTorch's" in refused(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    for content in (b"", b"PK\x05\x06", b"version https://git-lfs.github.com/spec/v1\n", bytes(1000)):
        path.write_bytes(content)
        assert "is not a whole file of PyTorch's" in refused(path)
    for old in (GOLDEN / "older_than_1_6.pt",):
        assert "before version 1.6: load it in PyTorch and save it again" in refused(old)
    path.write_bytes(bytes(257) + b"ustar" + bytes(500))
    assert "before version 1.6" in refused(path)
    assert "does not exist" in refused(tmp_path / "nowhere.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    assert "is not a file" in refused(tmp_path / "pipe.pt")
    with path.open("r+b") as stream:
        stream.truncate(1 << 40)
    assert "more than any network's" in refused(path)
