"""What a file says and holds: counts, times, sizes, promises that are not kept, and files that are no videos."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clips

from posecli.errors import PoseCliError, VideoError
from posecli.video.orientation import UPRIGHT
from posecli.video.probe import content_fingerprint, probe
from posecli.video.timeline import Timeline

MEBIBYTE = 1 << 20
INTRA = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")


def test_what_is_known_of_an_ordinary_clip(dots_clip: Path) -> None:
    info = probe(dots_clip)
    assert (info.codec, info.pixel_format, info.width, info.height) == ("h264", "yuv420p", 160, 120)
    assert (info.n_frames, info.expected_frames, info.promised_frames, info.cut_off) == (50, 50, 50, None)
    assert (info.frame_rate, info.orientation, info.empty_places, info.unshown_at_start) == (25.0, UPRIGHT, 0, 0)
    assert info.announced == info.timeline == Timeline.by_decoding(dots_clip)
    assert not info.timeline.is_variable
    np.testing.assert_allclose(info.seconds(), np.arange(50) / 25, atol=1e-9)


def ffmpeg_times(path: Path) -> list[float]:
    """Presentation times that FFmpeg itself decodes."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0) if frame.time is not None]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("fps", ["25", "30000/1001", "7.5"])
def test_constant_rate(suffix: str, fps: str, tmp_path: Path) -> None:
    path = clips.encode(tmp_path / f"clip{suffix}", clips.numbered_frames(20), fps=fps)
    info = probe(path)
    assert not info.timeline.is_variable
    assert info.cut_off is None
    assert info.seconds().tolist() == pytest.approx(ffmpeg_times(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_is_noted_and_its_times_are_kept(suffix: str, tmp_path: Path) -> None:
    kept = [number for number in range(30) if number % 5 < 2]
    options = ("-vf", "select='lt(mod(n\\,5)\\,2)'", "-fps_mode", "vfr", *clips.ORDINARY)
    info = probe(clips.encode(tmp_path / f"clip{suffix}", clips.numbered_frames(30), *options))
    assert info.timeline.is_variable
    np.testing.assert_allclose(info.seconds(), np.array(kept) / 25, atol=1e-3)


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.flv", "late.ts"])
def test_clock_that_starts_late_promises_no_more_frames(name: str, tmp_path: Path) -> None:
    path = clips.encode(tmp_path / name, clips.numbered_frames(20), *clips.ORDINARY, "-output_ts_offset", "5")
    info = probe(path)
    assert info.seconds()[0] > 4
    assert (info.n_frames, info.cut_off) == (20, None)


def test_frames_before_an_edit_lists_start_are_not_counted(tmp_path: Path) -> None:
    whole = clips.encode(tmp_path / "whole.mp4", clips.numbered_frames(40), *clips.ORDINARY, "-g", "20")
    clips.ffmpeg("-ss", "1.0", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    info = probe(tmp_path / "cut.mp4")
    assert info.n_frames == 15
    assert info.promised_frames is not None
    assert info.promised_frames > 15
    assert info.cut_off is None


@pytest.mark.parametrize(
    ("name", "options", "margin"),
    [
        ("clip.mp4", (*clips.ORDINARY, "-movflags", "+faststart"), 0),
        ("clip.mkv", clips.ORDINARY, 1),  # only a duration, which is rounded
        ("clip.avi", INTRA, 0),
    ],
)
def test_truncated_file_breaks_its_promise(name: str, options: tuple[str, ...], margin: int, tmp_path: Path) -> None:
    whole = clips.encode(tmp_path / name, clips.numbered_frames(40), *options)
    info = probe(clips.truncate(whole, tmp_path / f"short-{name}", 0.6))
    assert 5 < info.n_frames < 35
    assert info.cut_off is not None
    assert info.cut_off.frames == 40 - info.n_frames - margin


def test_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    info = probe(clips.encode(tmp_path / "one.png", clips.numbered_frames(1), "-c:v", "png"))
    assert (info.n_frames, info.width, info.height) == (1, 160, 120)


def text(folder: Path) -> Path:
    path = folder / "notes.mp4"
    path.write_text("mouse 3 was asleep\n" * 100, encoding="utf-8")
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def a_folder(folder: Path) -> Path:
    path = folder / "folder.mp4"
    path.mkdir()
    return path


def missing(folder: Path) -> Path:
    return folder / "missing.mp4"


def sound(folder: Path) -> Path:
    path = folder / "sound.mp4"
    clips.ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)
    return path


def unfinished(folder: Path) -> Path:
    whole = clips.encode(folder / "whole.mp4", clips.numbered_frames(20))
    return clips.truncate(whole, folder / "unfinished.mp4", 0.5)


def spoilt(folder: Path) -> Path:
    whole = clips.encode(folder / "whole.avi", clips.numbered_frames(3), *INTRA)
    return clips.spoil(whole, folder / "spoilt.avi", 0, 1, 2)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (text, "cannot be read as a video"),
        (empty, "cannot be read as a video"),
        (unfinished, "recording was finished"),
        (a_folder, "is a folder"),
        (missing, "does not exist"),
        (sound, "holds no video stream"),
        (spoilt, "no frame of"),
    ],
)
def test_what_is_no_video_is_refused_in_one_sentence(
    make: Callable[[Path], Path], complaint: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(VideoError, match=complaint) as caught:
        probe(path)
    message = str(caught.value)
    assert f"'{path}'" in message
    assert "\n" not in message
    assert caught.value.exit_code == 3


def test_no_damage_raises_anything_else(dots_clip: Path, tmp_path: Path) -> None:
    """Random bytes all over the file: a result or an error of ours."""
    content = dots_clip.read_bytes()
    path = tmp_path / "damaged.mp4"
    for seed in range(60):
        random = np.random.default_rng(seed)
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 1 + seed):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            assert probe(path).n_frames > 0
        except PoseCliError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_fingerprint_is_the_contents(dots_clip: Path, tmp_path: Path) -> None:
    copy = shutil.copy(dots_clip, tmp_path / "elsewhere.avi")
    assert content_fingerprint(Path(copy)) == content_fingerprint(dots_clip)


@given(st.integers(1, 3000).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_byte_of_a_small_file_counts(tmp_path_factory: pytest.TempPathFactory, pair: tuple[int, int]) -> None:
    size, place = pair
    path = tmp_path_factory.mktemp("small") / "clip"
    path.write_bytes(bytes(size))
    before = content_fingerprint(path)
    path.write_bytes(bytes(place) + b"\1" + bytes(size - place - 1))
    assert content_fingerprint(path) != before


@pytest.mark.parametrize(
    ("place", "seen"),
    [(0, True), (MEBIBYTE - 1, True), (4 * MEBIBYTE, True), (8 * MEBIBYTE - 1, True), (2 * MEBIBYTE, False)],
    ids=["start", "end of first sample", "middle", "end", "between samples"],
)
def test_sampled_parts_of_a_large_file_count(place: int, seen: bool, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(8 * MEBIBYTE))
    before = content_fingerprint(path)
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\1")
    assert (content_fingerprint(path) != before) == seen


def test_length_counts(tmp_path: Path) -> None:
    prints = set()
    for size in (0, 1, 1000, 3 * MEBIBYTE, 3 * MEBIBYTE + 1):
        (tmp_path / "zeros").write_bytes(bytes(size))
        prints.add(content_fingerprint(tmp_path / "zeros"))
    assert len(prints) == 5
