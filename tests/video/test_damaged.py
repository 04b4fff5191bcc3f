"""Hundreds of damaged and unusual videos: a whole table with the right frame in each row, or one line and no table."""

from __future__ import annotations

import os
from pathlib import Path

import av
import pytest
from support import clips
from support.damaged_videos import FRAMES, INTRA, WITHOUT_PROMISE, Case, all_cases, watch

from posecli.errors import VideoError
from posecli.video import container
from posecli.video.container import FORMATS
from posecli.video.probe import probe

SEEDED = 300


def test_there_are_enough_damaged_files() -> None:
    cases = list(all_cases(Path("encodes")))
    damaged = [case for case in cases if case.family not in ("whole", "wrong extension", "unusual")]
    assert len(damaged) > SEEDED
    assert len({case.name for case in cases}) == len(cases)


@pytest.mark.slow
def test_no_file_hangs_kills_misplaces_frames_or_ends_short_in_silence(tmp_path: Path) -> None:
    outcomes = watch(tmp_path, patience=120)
    assert [f"{outcome.name}: {outcome.violations}" for outcome in outcomes if outcome.violations] == []
    assert len(outcomes) == len(list(all_cases(Path("encodes"))))
    whole = [outcome for outcome in outcomes if outcome.family in ("whole", "wrong extension", "unusual")]
    assert {(outcome.rows, outcome.right, outcome.exit_code) for outcome in whole} == {(FRAMES, FRAMES, 0)}
    noise = [o for o in outcomes if o.family == "pictures replaced by noise" and o.name.endswith(INTRA)]
    assert all(o.missing and o.right + o.missing == o.rows == FRAMES and o.exit_code == 4 for o in noise)
    cut = [o for o in outcomes if o.family == "truncated" and not o.name.endswith(WITHOUT_PROMISE)]
    assert {o.exit_code for o in cut} == {3, 4}


def make(name: str, folder: Path) -> Path:
    case = next(case for case in all_cases(folder / "encodes") if case.name == name)
    assert isinstance(case, Case)
    case.make(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["notes.txt", "playlist.m3u8", "playlist.mp4", "list.mp4"])
def test_files_that_name_other_files_are_not_followed(name: str, tmp_path: Path) -> None:
    (tmp_path / "encodes").mkdir()
    for base in ("h264.ts", "h264.mp4"):
        clips.encode(tmp_path / "encodes" / base, clips.numbered_frames(10))
    with pytest.raises(VideoError, match="cannot be read as a video"):
        probe(make(name, tmp_path))


def test_every_format_is_one_that_ffmpeg_may_have() -> None:
    """A name that is misspelt would shut out a format without a word."""
    known = set(",".join(av.formats_available).split(","))
    assert {"mov", "matroska", "avi", "mpegts", "mpeg"} <= set(FORMATS.split(",")) & known
    assert not {"hls", "concat", "dash", "tty", "image2", "sdp", "lavfi"} & set(FORMATS.split(","))


def test_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="is a pipe or a device"):
        probe(tmp_path / "pipe.mp4")


def test_frames_larger_than_any_camera_s_are_not_decoded(dots_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "LARGEST_FRAME", 160 * 120 - 1)
    with pytest.raises(VideoError, match="claims frames of 160x120 px, more than any camera's"):
        probe(dots_clip)


def test_pictures_larger_than_their_container_says_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clips.encode(tmp_path / "clip.mov", clips.numbered_frames(3), "-c:v", "png")
    monkeypatch.setattr(container, "refuse_large_frames", lambda *_: None)
    monkeypatch.setattr(container, "LARGEST_FRAME", 160 * 120 - 1)
    with pytest.raises(VideoError, match=r"no frame of .* can be decoded"):
        probe(path)
