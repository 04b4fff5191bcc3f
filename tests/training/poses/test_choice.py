"""Which frames are learned from: what is held out is not among them, nor what lies next to it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import clips

from posecli.errors import UsageError
from posecli.model.student import Stretch
from posecli.training.poses import choice
from posecli.training.poses.choice import Openings, choose_frames, farthest_first
from posecli.video.probe import probe


@pytest.fixture(autouse=True)
def narrow_guard(monkeypatch: pytest.MonkeyPatch, dots_clip: Path) -> None:
    monkeypatch.setattr(choice, "GUARD", 2 / probe(dots_clip).frame_rate)


def distance_to(places: np.ndarray, stretch: Stretch) -> int:
    return int(np.maximum(stretch.first - places, places - stretch.last).min())


def test_stretches_all_over_a_video_are_held_out(dots_clip: Path) -> None:
    (chosen,), stretches = choose_frames([dots_clip])
    assert [str(each) for each in stretches] == ["dots.mp4:15-16", "dots.mp4:31-32", "dots.mp4:48-49"]
    assert chosen.measured.tolist() == [15, 16, 31, 32, 48, 49]
    assert min(distance_to(chosen.learned, each) for each in stretches) == 3
    assert len(chosen.learned) == 50 - 6 - 10


def test_named_frames_and_videos_are_held_out(dots_clip: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(dots_clip, tmp_path / "b:1.mp4"))
    first, second = choose_frames([dots_clip, other], ["dots.mp4:40-49", "b:1.mp4"])[0]
    assert first.learned.tolist() == [*range(38)]
    assert first.measured.tolist() == [*range(40, 50)]
    assert (len(second.learned), len(second.measured)) == (0, 50)


def test_of_many_videos_some_are_held_out_whole(dots_clip: Path, tmp_path: Path) -> None:
    videos = [Path(shutil.copy(dots_clip, tmp_path / f"{number}.mp4")) for number in range(4)]
    chosen, stretches = choose_frames(videos)
    assert [len(each.learned) for each in chosen] == [0, 43, 43, 43]
    assert [str(each) for each in stretches][:2] == ["0.mp4:0-49", "1.mp4:45-49"]


@pytest.fixture
def days(dots_clip: Path, tmp_path: Path) -> list[Path]:
    """Two videos of one name."""
    folders = [tmp_path / "day1", tmp_path / "day2"]
    for folder in folders:
        folder.mkdir()
    return [Path(shutil.copy(dots_clip, folder / "cam1.mp4")) for folder in folders]


def test_videos_of_one_name_are_told_apart(days: list[Path]) -> None:
    for named in ("day2/cam1.mp4", str(days[1])):
        (first, second), stretches = choose_frames(days, [named])
        assert (len(first.learned), len(first.measured)) == (50, 0)
        assert (len(second.learned), len(second.measured)) == (0, 50)
        assert [str(each) for each in stretches] == ["day2/cam1.mp4:0-49"]
    with pytest.raises(UsageError, match=r"2 videos .* give one of day1/cam1\.mp4, day2/cam1\.mp4"):
        choose_frames(days, ["cam1.mp4:0-9"])


def test_large_frames_share_the_room(dots_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = 160 * 120 * 3
    monkeypatch.setattr(choice, "MOST_BYTES", 40 * picture)
    (chosen,), _ = choose_frames([dots_clip], ["dots.mp4:0-19"])
    assert (len(chosen.learned), len(chosen.measured)) == (28, 12)
    assert len(choose_frames([dots_clip], ["dots.mp4:0-19"], frames=25)[0][0].measured) == 15
    monkeypatch.setattr(choice, "MOST_BYTES", 27 * picture)
    with pytest.raises(UsageError, match="160x120 px are so large that only 18 of them"):
        choose_frames([dots_clip])


def test_what_is_left_out_beside_a_stretch_lasts_a_second(dots_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"slow": 4.0, "fast": 12.0}
    monkeypatch.setattr(choice, "GUARD", 1.0)
    info = probe(dots_clip)
    left = {}
    for name, rate in rates.items():
        monkeypatch.setattr(choice, "probe", lambda video, rate=rate: replace(info, frame_rate=rate))
        left[name] = Openings.of([dots_clip], ["dots.mp4:20-29"]).places[0]
    assert left["slow"].tolist() == [*range(16), *range(34, 50)]
    assert left["fast"].tolist() == [*range(8), *range(42, 50)]


def test_few_frames_are_those_that_differ_most(tmp_path: Path) -> None:
    # A long sleep, and some frames in which the animal is awake.
    frames = clips.numbered_frames(60)
    frames[:50] = frames[0]
    video = clips.encode(tmp_path / "sleep.mp4", frames, "-c:v", "libx264", "-qp", "0")
    (chosen,), _ = choose_frames([video], ["sleep.mp4:59-59"], frames=8)
    assert len(chosen.learned) == 8
    assert chosen.learned[4:].tolist() == [50, 52, 54, 56]  # all that were looked at


def test_the_farthest_comes_next() -> None:
    points = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    chosen = farthest_first(points, 10)
    assert len(set(chosen.tolist())) == 10
    for count in range(1, 10):
        apart = np.linalg.norm(points[:, None] - points[chosen[:count]], axis=-1).min(axis=1)
        assert apart[chosen[count]] == pytest.approx(apart.max(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other.mp4", "the videos are dots.mp4"),
        ("dots.mp4:40-50", "'dots.mp4' has frames 0-49"),
        ("dots.mp4:9-3", "has frames 0-49"),
        ("dots.mp4", "leaves no frame to learn from"),
    ],
)
def test_what_cannot_be_held_out(dots_clip: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose_frames([dots_clip], [name])
