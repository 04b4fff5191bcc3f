"""Frames that were lost or shifted by encoding are noticed; bad pictures alone are not taken for that."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support import clips

from posecli.studies.sweep.reencode import REACH, compare_frames, first_frame_png
from posecli.video.probe import probe

COUNT = 80
WORST = ("-c:v", "libx264", "-crf", "51", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def frames() -> clips.Images:
    return clips.textured(clips.numbered_frames(COUNT))


@pytest.fixture(scope="module")
def original(frames: clips.Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("original") / "original.mp4", frames)


def test_worst_quality_still_corresponds(frames: clips.Images, original: Path, tmp_path: Path) -> None:
    version = clips.encode(tmp_path / "v.mp4", frames, *WORST)
    found = compare_frames(probe(original), probe(version), COUNT)
    assert found.problem is None
    assert 10 < found.worst_psnr <= found.psnr < 30


def test_the_video_itself_is_equal_to_itself(original: Path) -> None:
    counted: list[int] = []
    found = compare_frames(probe(original), probe(original), COUNT, counted.append)
    assert found.problem is None
    assert found.psnr == found.worst_psnr == 88
    assert sum(counted) == COUNT


def test_a_lost_frame_is_a_missing_one(frames: clips.Images, original: Path, tmp_path: Path) -> None:
    version = clips.encode(tmp_path / "v.mp4", np.delete(frames, 40, axis=0))
    assert compare_frames(probe(original), probe(version), COUNT).problem == "it has 79 frames, the original 80"


@pytest.mark.parametrize("options", [(), WORST], ids=["good", "worst"])
def test_a_frame_lost_and_another_doubled_is_a_shift(
    frames: clips.Images, original: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    places = [*range(20), *range(21, COUNT), COUNT - 1]
    version = clips.encode(tmp_path / "v.mp4", frames[places], *options)
    problem = compare_frames(probe(original), probe(version), COUNT).problem
    assert problem is not None
    assert problem.endswith("it shows what the original shows 1 frames later")


@pytest.mark.parametrize("offset", [-2, 2])
def test_all_frames_shifted(frames: clips.Images, original: Path, tmp_path: Path, offset: int) -> None:
    places = np.clip(np.arange(COUNT) + offset, 0, COUNT - 1)
    version = clips.encode(tmp_path / "v.mp4", frames[places])
    found = compare_frames(probe(original), probe(version), COUNT)
    assert {shift for _, shift in found.shifted} == {offset}
    assert abs(offset) <= REACH


def test_other_times_are_a_problem(frames: clips.Images, original: Path, tmp_path: Path) -> None:
    version = clips.encode(tmp_path / "v.mp4", frames, fps="24")
    problem = compare_frames(probe(original), probe(version), COUNT).problem
    assert problem is not None
    assert problem.startswith("its times are off by up to 3.")


def test_only_the_first_frames_are_compared(frames: clips.Images, original: Path, tmp_path: Path) -> None:
    version = clips.encode(tmp_path / "v.mp4", frames[:30])
    found = compare_frames(probe(original), probe(version), 30)
    assert found.problem is None
    assert found.found == 30


def test_nothing_moves_and_nothing_is_shifted(tmp_path: Path) -> None:
    still = np.repeat(clips.textured(clips.numbered_frames(1)), COUNT, axis=0)
    good, bad = clips.encode(tmp_path / "a.mp4", still), clips.encode(tmp_path / "b.mp4", still, *WORST)
    assert compare_frames(probe(good), probe(bad), COUNT).problem is None


def test_first_frame_is_shown_as_it_is(original: Path, frames: clips.Images) -> None:
    height, width = frames.shape[1:3]
    png = np.frombuffer(first_frame_png(probe(original), height, width), np.uint8)
    shown = np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR_RGB), np.uint8)
    assert clips.read_number(shown) == 0
    assert shown.shape == (height, width, 3)
