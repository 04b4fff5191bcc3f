"""Chunks of filters that h5py does not have: as they were written, and never more or less than is due."""

from __future__ import annotations

from pathlib import Path

import blosc2
import h5py
import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st

from posecli.tables.hdf5_filters import CompressedArray, _blosc2_rows, _unblosced, missing_filters

RECORD = np.dtype([("index", "<i8"), ("values", "<f4", (5,))])


@given(
    rows=st.integers(1, 60),
    width=st.integers(1, 9),
    chunk=st.tuples(st.integers(1, 20), st.integers(1, 9)),
    library=st.sampled_from(["bzip2", "blosc", "blosc:lz4", "blosc:zstd", "blosc2"]),
    dtype=st.sampled_from(["<f8", "<f4", ">f8", "<i2", "S7"]),
    flags=st.tuples(st.booleans(), st.booleans()),
    part=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_rows_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    width: int,
    chunk: tuple[int, int],
    library: str,
    dtype: str,
    flags: tuple[bool, bool],
    part: tuple[int, int],
) -> None:
    """Whatever the chunks: the last of each axis reach beyond the array."""
    path = tmp_path_factory.mktemp("t") / "t.h5"
    values = np.random.default_rng(rows).integers(0, 99, (rows, width)).astype(dtype)
    shuffled, checked = flags
    filters = tables.Filters(5, library, shuffle=shuffled, fletcher32=checked)
    with tables.open_file(str(path), "w") as file:
        file.create_carray("/", "a", obj=values, filters=filters, chunkshape=chunk)
    with h5py.File(path, "r") as file:
        assert missing_filters(file["a"])
        found = CompressedArray(file["a"])
        assert (len(found), found.dtype) == (rows, file["a"].dtype)
        np.testing.assert_array_equal(found[:], values)
        np.testing.assert_array_equal(found[slice(*part)], values[slice(*part)])


@pytest.mark.parametrize("place", [0, 17, 40, -5, -1])
def test_checksum_that_differs_is_damage(tmp_path: Path, place: int) -> None:
    filters = tables.Filters(5, "blosc", fletcher32=True)
    with tables.open_file(str(tmp_path / "t.h5"), "w") as file:
        file.create_carray("/", "a", obj=np.arange(99), filters=filters)
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        _, chunk = file["a"].id.read_direct_chunk((0,))
        spoilt = bytearray(chunk)
        spoilt[place] ^= 1
        file["a"].id.write_direct_chunk((0,), bytes(spoilt))
        with pytest.raises(ValueError, match="does not have the checksum"):
            CompressedArray(file["a"])[:]


@pytest.mark.parametrize("library", ["bzip2", "blosc", "blosc2"])
def test_records(tmp_path: Path, library: str) -> None:
    records = np.zeros(3000, RECORD)
    records["index"], records["values"] = np.arange(3000), np.random.default_rng(0).random((3000, 5))
    with tables.open_file(str(tmp_path / "t.h5"), "w") as file:
        file.create_table("/", "a", records, filters=tables.Filters(5, library), chunkshape=(700,))
    with h5py.File(tmp_path / "t.h5", "r") as file:
        found = CompressedArray(file["a"])
        np.testing.assert_array_equal(found[:], records)
        np.testing.assert_array_equal(found[690:1401], records[690:1401])


def test_chunks_that_were_never_written_are_empty(tmp_path: Path) -> None:
    with tables.open_file(str(tmp_path / "t.h5"), "w") as file:
        array = file.create_carray(
            "/", "a", tables.Float64Atom(), (9, 2), filters=tables.Filters(5, "blosc"), chunkshape=(2, 2)
        )
        array[4:6] = 7
    with h5py.File(tmp_path / "t.h5", "r") as file:
        assert CompressedArray(file["a"])[:].sum(axis=1).tolist() == [0, 0, 0, 0, 14, 14, 0, 0, 0]


@pytest.mark.parametrize("claimed", [0, 63, 65, 2**31 - 1])
def test_size_that_is_not_due_is_refused(claimed: int) -> None:
    chunk = bytearray(blosc2.compress2(bytes(64), typesize=8))
    chunk[4:8] = claimed.to_bytes(4, "little")
    with pytest.raises(ValueError, match=f"claims to hold {claimed} where 64 are due"):
        _unblosced(bytes(chunk[:]), 64, 8)


def test_bytes_that_are_called_objects_are_refused() -> None:
    frame = blosc2.asarray(np.full((4, 2), 1e300)).to_cframe()
    assert frame.count(b"<f8") == 1
    with pytest.raises(ValueError, match="values of object"):
        _blosc2_rows(frame.replace(b"<f8", b"|O8"), (4, 2), np.dtype("<i8"), slice(0, 4))
    with pytest.raises(ValueError, match=r"claims \(4, 2\) values"):
        _blosc2_rows(frame, (5, 2), np.dtype("<i8"), slice(0, 4))
    with pytest.raises(ValueError, match="where 9 rows are due"):
        _blosc2_rows(blosc2.SChunk(chunksize=64, data=bytes(64)).to_cframe(), (9,), np.dtype("<i8"), slice(0, 4))
