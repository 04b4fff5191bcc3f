"""Behaviour tables: what is written is read, by posecli and by pandas, and frames have the mean of their chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.behaviour import table as module
from posecli.behaviour.chunks import ChunkPlan
from posecli.behaviour.table import Behaviours, behaviours_to_csv, labels_of, read_behaviours, write_behaviours
from posecli.errors import OutputError, UsageError
from posecli.support.files import partial_path

CLASSES = ("rest", "walk", "größer")


def some(n_frames: int = 53, plan: ChunkPlan = ChunkPlan(10, 4), seed: int = 1) -> Behaviours:
    rng = np.random.default_rng(seed)
    starts = plan.starts(n_frames)
    probabilities = rng.dirichlet(np.ones(len(CLASSES)), len(starts))
    return Behaviours(CLASSES, starts, plan.span, probabilities, np.arange(n_frames) / 30)


def written(found: Behaviours, folder: Path) -> Path:
    path = folder / "cageI3D_x.h5"
    write_behaviours(path, found)
    return partial_path(path).rename(path)


@given(st.integers(1, 80), st.integers(9, 30), st.integers(1, 40), st.integers(0, 5))
def test_a_frame_has_the_mean_of_the_chunks_that_cover_it(n_frames: int, length: int, stride: int, seed: int) -> None:
    found = some(n_frames, ChunkPlan(length, stride), seed)
    frames = found.frame_probabilities(range(n_frames))
    for frame in range(n_frames):
        covering = [
            chunk
            for chunk, start in zip(found.probabilities, found.starts, strict=True)
            if start <= frame < start + length
        ]
        if covering:
            np.testing.assert_allclose(frames[frame], np.mean(covering, axis=0))
        else:
            assert np.isnan(frames[frame]).all()


def test_pieces_are_the_whole() -> None:
    found = some()
    pieces = [found.frame_probabilities(range(start, min(start + 7, 53))) for start in range(0, 53, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), found.frame_probabilities(range(53)))


def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE_ROWS", 20)
    found = some()
    path = written(found, tmp_path)
    frames, chunks = read_behaviours(path), read_behaviours(path, "chunks")
    np.testing.assert_array_equal(frames[list(CLASSES)], found.frame_probabilities(range(53)))
    np.testing.assert_array_equal(frames["seconds"], found.seconds)
    assert frames["label"].tolist() == labels_of(found.frame_probabilities(range(53)), CLASSES).tolist()
    assert frames.index.tolist() == list(range(53))
    assert chunks["first_frame"].tolist() == found.starts.tolist()
    assert chunks["end_frame"].tolist() == found.ends.tolist()
    np.testing.assert_array_equal(chunks[list(CLASSES)], found.probabilities)
    for key, own in (("frames", frames), ("chunks", chunks)):
        theirs = pd.read_hdf(path, key)
        assert isinstance(theirs, pd.DataFrame)
        pd.testing.assert_frame_equal(theirs, own, check_dtype=False)


def test_a_chunk_without_probabilities(tmp_path: Path) -> None:
    found = some(30, ChunkPlan(10, 10))
    found.probabilities[1] = np.nan
    path = written(found, tmp_path)
    frames = read_behaviours(path)
    assert frames["label"][10:20].tolist() == [""] * 10
    assert frames.loc[10:19, list(CLASSES)].isna().to_numpy().all()
    assert frames["label"][20:].isin(CLASSES).all()


def test_csv_is_the_table(tmp_path: Path) -> None:
    path = written(some(), tmp_path)
    behaviours_to_csv(path, tmp_path / "x.csv")
    again = pd.read_csv(tmp_path / "x.csv", index_col="frame")
    pd.testing.assert_frame_equal(again, read_behaviours(path).rename_axis("frame"), check_dtype=False)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x\.h5' cannot be written \(No such file or directory\)"):
        write_behaviours(tmp_path / "no" / "x.h5", some())


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_what_is_no_behaviour_table(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.h5' (does not exist|is not a behaviour table)"):
        read_behaviours(path)
