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

from posecli.errors import LabelError
from posecli.hdf5 import read_plain_table


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
        (_two_tables, "holds 2 pandas tables where one is expected"),
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
