"""pandas tables read as plain data: the same as pandas reads, and nothing in them runs."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import labels
from support.poses import dot_poses, pose_frame, save_frame

from posecli.errors import LabelError, UsageError
from posecli.options import TableChoice
from posecli.tables.hdf5 import read_plain_array, read_plain_pieces, read_plain_table

#: What pandas compresses with, as far as PyTables' own packages have it. Fixed arrays are one chunk of 20 million rows
#: to Blosc2, which pandas and everybody else takes seconds over.
COMPRESSED = [
    *((layout, name) for layout in ("table", "fixed") for name in ("zlib", "bzip2", "blosc", "blosc:zstd")),
    *(("table", name) for name in ("blosc:lz4", "blosc2")),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (("table", "blosc2:zstd"), ("fixed", "blosc2"))),
]


def listed(index: Any) -> tuple[Any, ...]:
    """Labels of a pandas index."""
    return tuple(index.tolist())


def test_pose_table_as_pandas_reads_it(shared_data: Path) -> None:
    path = next((shared_data / "dlc-openfield" / "golden").glob("m3v1w320*.h5"))
    expected, found = pd.read_hdf(path), read_plain_table(path, LabelError)
    assert found.columns == listed(expected.columns)
    assert found.index == tuple((row,) for row in expected.index)
    assert np.array_equal(found.values, expected.to_numpy())


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    form=st.sampled_from([form for form in labels.FORMS if form[0] != "csv"]),
    data=st.data(),
)
@settings(max_examples=15, deadline=None)
def test_every_layout_comes_back_as_it_was_written(
    shape: tuple[int, int], form: tuple[str, str], data: st.DataObject
) -> None:
    rows, parts = shape
    names = data.draw(st.lists(st.text("aé _0.", min_size=1), min_size=parts, max_size=parts, unique=True))
    numbers = st.floats(width=64) | st.just(np.nan)
    points = np.array(data.draw(st.lists(numbers, min_size=rows * parts * 2, max_size=rows * parts * 2)))
    images = [f"img{row}.png" for row in range(rows)]
    frame = labels.label_frame(points.reshape(rows, parts, 2), images, bodyparts=names, index=form[1])
    with tempfile.TemporaryDirectory() as folder:
        found = read_plain_table(labels.save_labels(frame, Path(folder), layout=form[0]), LabelError)
    rows_written = listed(frame.index)
    assert found.columns == listed(frame.columns)
    assert found.index == (rows_written if form[1] == "parts" else tuple((row,) for row in rows_written))
    assert np.array_equal(found.values, frame.to_numpy(), equal_nan=True)


def test_columns_of_several_types_are_put_together(tmp_path: Path) -> None:
    frame = labels.label_frame(np.arange(12.0).reshape(2, 3, 2), ["a.png", "b.png"])
    whole = frame.astype({frame.columns[3]: np.int64, frame.columns[0]: np.float32})
    found = read_plain_table(labels.save_labels(whole, tmp_path), LabelError)
    last_row = dict(zip(found.columns, np.atleast_2d(found.values)[1], strict=True))
    assert last_row == dict(zip(listed(frame.columns), range(6, 12), strict=True))


class Trap:
    """Something whose pickle makes a file when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("attribute", ["values_block_0_kind", "TITLE", "CLASS"])
def test_nothing_in_a_file_runs(tmp_path: Path, attribute: str) -> None:
    frame = labels.label_frame(labels.dots(2), ["a.png", "b.png"], index="path")
    path = labels.save_labels(frame, tmp_path, layout="table")
    sprung = tmp_path / "sprung"
    with h5py.File(path, "r+") as file:
        for node in (file, file["df_with_missing"], file["df_with_missing/table"]):
            node.attrs[attribute] = np.bytes_(pickle.dumps([("me", Trap(sprung), "x")], protocol=0))
    if attribute == "values_block_0_kind":
        with pytest.raises(LabelError, match=r"its column names are objects of type \w+.+write it again"):
            read_plain_table(path, LabelError)
    else:
        assert len(read_plain_table(path, LabelError).index) == 2
    assert not sprung.exists()


def test_objects_among_the_values_are_refused(tmp_path: Path) -> None:
    frame = labels.label_frame(labels.dots(2), ["a.png", "b.png"]).astype(object)
    frame.iloc[0, 0] = "left of it"
    with pytest.warns(pd.errors.PerformanceWarning):
        path = labels.save_labels(frame, tmp_path)
    with pytest.raises(LabelError, match=r"it holds values of type object, not numbers"):
        read_plain_table(path, LabelError)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def _text(path: Path) -> None:
    path.write_text("scorer,me\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _two_tables(path: Path) -> None:
    labels.label_frame(labels.dots(1), ["a.png"]).to_hdf(str(path), key="another", mode="a", format="fixed")


def _no_table(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["numbers"] = np.zeros(3)


def _no_blocks(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["df_with_missing/block0_values"]


def _fewer_values(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["df_with_missing/block0_values"]
        file["df_with_missing/block0_values"] = np.zeros((2, 5))


def _missing_label(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["df_with_missing/axis1_label2"][0] = -1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_truncated, "is damaged"),
        (_text, "is not an HDF5 file"),
        (_empty, "is not an HDF5 file"),
        (_two_tables, r"holds 2 pandas tables \('another', 'df_with_missing'\) where one is expected"),
        (_no_table, "holds 0 pandas tables"),
        (_no_blocks, "is damaged"),
        (_fewer_values, "values belong to 2 rows and 6 columns"),
        (_missing_label, "a label of axis1 is missing"),
        (Path.unlink, "does not exist"),
    ],
)
def test_damage_is_one_sentence(tmp_path: Path, spoil: Any, words: str) -> None:
    path = labels.save_labels(labels.label_frame(labels.dots(2), ["a.png", "b.png"]), tmp_path)
    spoil(path)
    with pytest.raises(LabelError, match=words) as error:
        read_plain_table(path, LabelError)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("layout", "compressor"), COMPRESSED)
def test_compressed_tables_are_read_as_pandas_reads_them(tmp_path: Path, layout: str, compressor: str) -> None:
    poses = np.random.default_rng(0).random((2500, 3, 3))
    path = save_frame(pose_frame(poses), tmp_path / "t.h5", layout, complib=compressor, complevel=5)
    expected, found = pd.read_hdf(path), read_plain_table(path, UsageError)
    assert found.columns == listed(expected.columns)
    assert found.index == tuple((row,) for row in expected.index)
    assert np.array_equal(found.values, expected.to_numpy())
    pieces = list(read_plain_pieces(path, UsageError, 1000))
    values = np.concatenate([piece.values for piece in pieces])  # noqa: PD011  # no pandas objects
    assert np.array_equal(values, expected.to_numpy())


@pytest.mark.parametrize("layout", ["table", "fixed"])
@pytest.mark.parametrize("attribute", ["TITLE", "CLASS", "FILTERS", "VERSION", "FIELD_0_NAME", "trap"])
def test_nothing_in_a_compressed_file_runs(tmp_path: Path, layout: str, attribute: str) -> None:
    path = save_frame(pose_frame(dot_poses(30)), tmp_path / "t.h5", layout, complib="blosc", complevel=5)
    sprung = tmp_path / "sprung"
    with h5py.File(path, "r+") as file:
        nodes: list[Any] = [file]
        file.visititems(lambda _name, node: nodes.append(node))
        for node in nodes:
            node.attrs[attribute] = np.bytes_(pickle.dumps(Trap(sprung), protocol=0))
    with h5py.File(path, "r+") as file:
        file["df_with_missing"].attrs.pop("trap", None)
    assert len(read_plain_table(path, UsageError).index) == 30
    assert not sprung.exists()


@pytest.mark.parametrize(("number", "name"), [(305, "LZO"), (32015, "Zstandard"), (32099, "an unknown method")])
def test_filter_that_is_not_known_is_named(tmp_path: Path, number: int, name: str) -> None:
    path = save_frame(pose_frame(dot_poses(30)), tmp_path / "t.h5", "fixed")
    with h5py.File(path, "r+") as file:
        group = file["df_with_missing"]
        values = group["block0_values"][:]
        del group["block0_values"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(values.shape)
        properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(values.shape)
        node = h5py.h5d.create(group.id, b"block0_values", h5py.h5t.IEEE_F64LE, space, properties)
        node.write_direct_chunk((0, 0), values.tobytes())
    with pytest.raises(
        UsageError, match=rf"compressed with {name} \(HDF5 filter {number}\), which is not known here: .*zlib"
    ):
        read_plain_table(path, UsageError)


def test_chunks_that_claim_more_than_a_file_can_hold_are_refused(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3)), tmp_path / "t.h5", "fixed")
    with h5py.File(path, "r+") as file:
        group = file["df_with_missing"]
        del group["block0_values"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1 << 24, 9))
        properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((3, 9), (h5py.h5s.UNLIMITED, 9))
        h5py.h5d.create(group.id, b"block0_values", h5py.h5t.IEEE_F64LE, space, properties)
    with pytest.raises(UsageError, match="claims chunks of 1207959552 bytes"):
        read_plain_table(path, UsageError)


def test_compressed_objects_are_refused(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3)), tmp_path / "t.h5", "fixed")
    with h5py.File(path, "r+") as file:
        group = file["df_with_missing"]
        del group["block0_values"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((3,))
        properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)
        text = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
        h5py.h5d.create(group.id, b"block0_values", text, h5py.h5s.create_simple((3,)), properties)
    with pytest.raises(UsageError, match="holds values of type object, not numbers"):
        read_plain_table(path, UsageError)


@pytest.mark.parametrize("compressor", ["blosc", "blosc2", "bzip2"])
def test_damage_inside_of_what_is_compressed_is_told(tmp_path: Path, compressor: str) -> None:
    poses = np.random.default_rng(0).random((2500, 3, 3))
    path = save_frame(pose_frame(poses), tmp_path / "t.h5", complib=compressor, complevel=5)
    with h5py.File(path, "r") as file:
        chunk = file["df_with_missing/table"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is damaged"):
        read_plain_table(path, UsageError)


@pytest.mark.slow
@given(
    dtypes=st.lists(st.sampled_from(["float64", "float32", "int64", "int32", "int8"]), min_size=3, max_size=9),
    layout=st.sampled_from(["table", "fixed"]),
    data=st.data(),
)
@settings(max_examples=25, deadline=None)
def test_columns_keep_their_order_and_types(dtypes: list[str], layout: str, data: st.DataObject) -> None:
    count = len(dtypes) // 3
    frame = pose_frame(np.arange(2.0 * count * 3).reshape(2, count, 3))
    frame = frame.astype(dict(zip(frame.columns, dtypes, strict=False)))
    frame = frame[data.draw(st.permutations(frame.columns.tolist()))]
    with tempfile.TemporaryDirectory() as folder:
        found = read_plain_table(save_frame(frame, Path(folder) / "t.h5", layout), UsageError)
    assert found.columns == listed(frame.columns)
    assert np.array_equal(found.values, frame.to_numpy())
    assert list(found.stored) == frame.dtypes.tolist()


def test_several_tables_are_named_and_chosen(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3)), tmp_path / "t.h5", key="raw")
    save_frame(pose_frame(dot_poses(5)), path, key="day1/filtered", mode="a")
    with pytest.raises(UsageError, match=r"holds 2 tables \('raw', 'day1/filtered'\): choose one with --key$"):
        read_plain_table(path, UsageError, TableChoice())
    for key, rows in (("raw", 3), ("/raw", 3), ("day1/filtered", 5)):
        found = read_plain_table(path, UsageError, TableChoice(key))
        assert (len(found.index), found.key) == (rows, key.strip("/"))
    for key in ("none", "", "day1", "raw/table", "../raw"):
        with pytest.raises(UsageError, match=rf"holds no table '{key}': it has 'raw', 'day1/filtered'"):
            read_plain_table(path, UsageError, TableChoice(key))


def test_groups_in_circles_come_to_an_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        for number in range(9):
            file[f"again{number}"] = file["/"]
    with pytest.raises(UsageError, match="holds more than 1000 groups"):
        read_plain_table(tmp_path / "t.h5", UsageError, TableChoice())


@pytest.mark.parametrize("layout", ["table", "fixed"])
def test_other_layouts_are_called_by_their_names(tmp_path: Path, layout: str) -> None:
    frame = pose_frame(dot_poses(3))
    days = save_frame(frame.set_axis(pd.date_range("2026-05-17", periods=3)), tmp_path / "days.h5", layout)
    with pytest.raises(UsageError, match=r"labelled by times \(datetime64.*\), not by numbers of frames"):
        read_plain_table(days, UsageError)
    pd.Series([1.0]).to_hdf(str(tmp_path / "one.h5"), key="a", format=layout)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"holds pandas' 'series.*' and not a data frame"):
        read_plain_table(tmp_path / "one.h5", UsageError)


def test_categories_are_called_so(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": [1.0, 2.0]})
    with pytest.raises(UsageError, match="its columns are categories, not numbers"):
        read_plain_table(save_frame(frame, tmp_path / "t.h5"), UsageError)


def test_array_beside_the_tables(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3)), tmp_path / "t.h5")
    assert read_plain_array(path, "/posecli/seconds", UsageError) is None
    with h5py.File(path, "r+") as file:
        file["posecli/seconds"] = np.arange(3.0)
        file["posecli/other"] = h5py.ExternalLink("elsewhere.h5", "/a")
    found = read_plain_array(path, "/posecli/seconds", UsageError)
    assert found is not None
    assert found.tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match="is a link"):
        read_plain_array(path, "/posecli/other", UsageError)
