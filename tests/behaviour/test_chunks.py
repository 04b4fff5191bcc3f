"""Chunks of a video: which frames they hold, and that each frame is decoded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clips

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.video.batch import Batch
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

PLANS = [
    ChunkPlan(10, 10),
    ChunkPlan(10, 3),
    ChunkPlan(9, 20),
    ChunkPlan(12, 12),
    ChunkPlan(9, 7, 2),
    ChunkPlan(9, 9, 3),
    ChunkPlan(50, 50),
    ChunkPlan(60, 5),
    ChunkPlan(9, 41),
]


@given(st.integers(1, 300), st.integers(9, 40), st.integers(1, 90), st.integers(1, 4))
def test_chunks_cover_a_video(n_frames: int, length: int, stride: int, frame_step: int) -> None:
    plan = ChunkPlan(length, stride, frame_step)
    starts = plan.starts(n_frames)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts)[:-1] == stride).all(), "only the last chunk is moved back"
    if n_frames >= plan.span:
        assert (starts + plan.span <= n_frames).all(), "no frame is made up"
        if stride <= plan.span:
            assert starts[-1] + plan.span == n_frames, "no frame is left out"
    else:
        assert len(starts) == 1


def test_a_video_without_frames_has_no_chunks() -> None:
    assert len(ChunkPlan(64, 64).starts(0)) == 0


def read_all(reader: ClipReader, batch_size: int = 2, pool: ThreadPoolExecutor | None = None) -> list[Batch]:
    batches = []
    while (batch := reader.read_into(reader.new_buffer(batch_size), pool)) is not None:
        batches.append(batch)
    reader.close()
    return batches


def numbers(batches: list[Batch]) -> list[list[int]]:
    return [[clips.read_number(frame) for frame in chunk] for batch in batches for chunk in batch.images]


def expected(plan: ChunkPlan, n_frames: int) -> list[list[int]]:
    return [
        [min(start + number * plan.frame_step, n_frames - 1) for number in range(plan.length)]
        for start in plan.starts(n_frames).tolist()
    ]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_chunks_hold_their_frames(plan: ChunkPlan, dots_clip: Path) -> None:
    reader = ClipReader(VideoReader(probe(dots_clip)), plan)
    batches = read_all(reader)
    assert numbers(batches) == expected(plan, 50)
    assert np.concatenate([batch.indices for batch in batches]).tolist() == list(range(len(plan.starts(50))))
    assert all(batch.valid.all() for batch in batches)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_frame_is_read_once(plan: ChunkPlan, dots_clip: Path) -> None:
    reader = ClipReader(VideoReader(probe(dots_clip)), plan)
    batches = read_all(reader)
    assert reader.frames == 50
    if plan.stride <= plan.span:
        assert sum(batch.frames for batch in batches) == 50
    last = batches[-1]
    assert last[len(last) :].frames == 0
    assert last[-1:].frames == last.fresh[-1]


@pytest.mark.parametrize("plan", [PLANS[1], PLANS[4]], ids=str)
def test_a_pool_changes_nothing(plan: ChunkPlan, dots_clip: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        side_by_side = read_all(ClipReader(VideoReader(probe(dots_clip)), plan), pool=pool)
    alone = read_all(ClipReader(VideoReader(probe(dots_clip)), plan))
    for one, other in zip(side_by_side, alone, strict=True):
        np.testing.assert_array_equal(one.images, other.images)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_skipped_chunks_change_none_of_the_others(plan: ChunkPlan, dots_clip: Path) -> None:
    whole = expected(plan, 50)
    for count in range(len(whole) + 1):
        reader = ClipReader(VideoReader(probe(dots_clip)), plan)
        reader.skip(count)
        batches = read_all(reader)
        assert numbers(batches) == whole[count:]
        assert [index for batch in batches for index in batch.indices] == list(range(count, len(whole)))


def test_a_frame_that_cannot_be_decoded_spoils_its_chunks(dots_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = VideoReader(probe(dots_clip))
    decoded = frames.decoded
    monkeypatch.setattr(frames, "decoded", lambda: (f._replace(image=None) if f.number == 12 else f for f in decoded()))
    reader = ClipReader(frames, ChunkPlan(10, 5))
    batches = read_all(reader)
    valid = np.concatenate([batch.valid for batch in batches])
    spoilt = [number for number, start in enumerate(range(0, 45, 5)) if start <= 12 < start + 10]
    assert np.flatnonzero(~valid).tolist() == spoilt
    assert reader.lost == [12]
