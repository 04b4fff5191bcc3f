"""Batches: one row per frame of the video, in order, whatever the decoders leave out."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import clips
from support.pictures import lose_pictures

from posecli.options import Crop, VideoBackend
from posecli.video import reader as video_reader
from posecli.video.decoding import Picture
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import FrameSizeError, VideoReader
from posecli.video.seeking import pictures_at
from posecli.video.timeline import Timeline

BACKENDS: tuple[VideoBackend, ...] = ("opencv", "pyav")
INTRA = {
    "clip.avi": ("-c:v", "mjpeg", "-q:v", "2"),
    # With checksums: noise is a picture to FFV1 otherwise.
    "clip.mkv": ("-c:v", "ffv1", "-g", "1", "-level", "3", "-slicecrc", "1"),
    "clip.mov": ("-c:v", "png"),
}


def read(reader: VideoReader, batch_size: int = 7) -> tuple[list[int], list[int | None]]:
    """Indices, and the number that each frame shows; ``None`` for one that is not valid."""
    indices: list[int] = []
    shown: list[int | None] = []
    for batch in reader.batches(batch_size):
        indices += batch.indices.tolist()
        for image, valid in zip(batch.images, batch.valid, strict=True):
            assert valid or not image.any()
            shown.append(clips.read_number(image) if valid else None)
    return indices, shown


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch_size", [1, 7, 25, 50, 64])
def test_batches_hold_every_frame_once(backend: VideoBackend, batch_size: int, dots_clip: Path) -> None:
    info = probe(dots_clip)
    reader = VideoReader(info, backend=backend)
    sizes = [len(batch) for batch in reader.batches(batch_size)]
    assert sum(sizes) == len(reader) == 50
    assert set(sizes[:-1]) <= {batch_size}
    assert sizes[-1] == 50 - batch_size * (len(sizes) - 1) > 0
    assert read(VideoReader(info, backend=backend), batch_size) == (list(range(50)), list(range(50)))


def test_times_are_the_packets(dots_clip: Path) -> None:
    seconds = np.concatenate([batch.seconds.copy() for batch in VideoReader(probe(dots_clip)).batches(16)])
    np.testing.assert_allclose(seconds, np.arange(50) / 25, atol=1e-9)


def test_buffer_is_reused_and_ends_with_none(dots_clip: Path) -> None:
    reader = VideoReader(probe(dots_clip))
    buffer = reader.new_buffer(30)
    for count in (30, 20):
        batch = reader.read_into(buffer)
        assert batch is not None
        assert len(batch) == count
        assert batch.images.base is buffer
        assert batch.images.__array_interface__["data"] == buffer.__array_interface__["data"]
    assert reader.read_into(buffer) is None
    assert reader.read_into(buffer) is None


def test_closed_reader_gives_no_more(dots_clip: Path) -> None:
    reader = VideoReader(probe(dots_clip))
    buffer = reader.new_buffer(4)
    assert reader.read_into(buffer) is not None
    reader.close()
    assert reader.read_into(buffer) is None


def test_frames_come_cropped_and_shrunk(dots_clip: Path) -> None:
    info = probe(dots_clip)
    geometry = Geometry.plan(160, 120, Crop(20, 100, 40, 120), Fraction(1, 2))
    whole = next(VideoReader(info).batches(1)).images[0]
    small = next(VideoReader(info, geometry).batches(1)).images[0]
    averages = whole[40:120, 20:100].reshape(40, 2, 40, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, averages, atol=0.51)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [{0}, {10}, {4, 5, 11}, {19}], ids=str)
@pytest.mark.parametrize("name", INTRA)
def test_frame_that_nobody_can_decode_is_black_and_keeps_its_row(
    name: str, bad: set[int], backend: VideoBackend, tmp_path: Path
) -> None:
    whole = clips.encode(tmp_path / name, clips.numbered_frames(20), *INTRA[name])
    path = clips.spoil(whole, tmp_path / f"bad-{name}", *bad)
    indices, shown = read(VideoReader(probe(path), backend=backend))
    assert indices == list(range(20))
    assert shown == [None if index in bad else index for index in range(20)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("name", "codec", "key_frame"),
    [("clip.mp4", "libx264", 20), ("clip.mkv", "libx264", 20), ("clip.avi", "mpeg4", 24)],
)
def test_damage_ends_at_the_next_key_frame(
    name: str, codec: str, key_frame: int, backend: VideoBackend, tmp_path: Path
) -> None:
    """Between damage and key frame pictures may be smeared; row count and every frame outside are right."""
    options = ("-c:v", codec, "-bf", "2", "-g", "12" if codec == "mpeg4" else "20", "-qmax", "4")
    whole = clips.encode(tmp_path / name, clips.numbered_frames(40), *options)
    path = clips.spoil(whole, tmp_path / f"bad-{name}", 10, 11)
    indices, shown = read(VideoReader(probe(path), backend=backend))
    assert indices == list(range(40))
    assert shown[:6] == list(range(6))
    assert shown[key_frame + 1 :] == list(range(key_frame + 1, 40))


@pytest.mark.parametrize("backend", BACKENDS)
def test_truncated_file_gives_what_it_holds(backend: VideoBackend, tmp_path: Path) -> None:
    options = (*clips.ORDINARY, "-movflags", "+faststart")
    whole = clips.encode(tmp_path / "whole.mp4", clips.numbered_frames(40), *options)
    info = probe(clips.truncate(whole, tmp_path / "short.mp4", 0.6))
    indices, shown = read(VideoReader(info, backend=backend))
    assert indices == list(range(info.n_frames))
    valid = [number for number in shown if number is not None]
    assert valid == list(range(len(valid)))
    assert len(valid) > info.n_frames / 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("suffix", [".h264", ".ts"])
def test_frame_size_that_changes_is_an_error(suffix: str, backend: VideoBackend, tmp_path: Path) -> None:
    first = clips.encode(tmp_path / f"a{suffix}", clips.numbered_frames(20))
    second = clips.encode(tmp_path / f"b{suffix}", clips.numbered_frames(12, 80, 96))
    path = tmp_path / f"both{suffix}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    reader = VideoReader(probe(path), backend=backend)
    with pytest.raises(FrameSizeError, match=r"frame 20 of '.*both.*' has 96x80 px instead of 160x120"):
        read(reader)


@given(st.sets(st.integers(0, 49)), st.integers(1, 9), st.integers(0, 49))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_index_comes_once_and_is_valid_if_it_was_decoded(
    dots_clip: Path, lost: set[int], batch_size: int, skipped: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lose_pictures(patch, lost)
        reader = VideoReader(probe(dots_clip))
        reader.skip(skipped)
        indices, shown = read(reader, batch_size)
    assert indices == list(range(skipped, 50))
    assert shown == [None if index in lost else index for index in indices]


@pytest.mark.parametrize("first", [1, 24, 25, 49, 50])
def test_frames_from_a_place_on_are_those_of_the_whole(first: int, dots_clip: Path) -> None:
    info = probe(dots_clip)
    whole = np.concatenate([batch.images.copy() for batch in VideoReader(info).batches(16)])
    parts = [batch.images.copy() for batch in VideoReader(info, first=first).batches(16)]
    np.testing.assert_array_equal(np.concatenate([whole[:0], *parts]), whole[first:])


def test_what_comes_at_another_time_than_announced_is_read_from_the_start(dots_clip: Path) -> None:
    info = probe(dots_clip)
    lied = info.with_timeline(Timeline.of(range(50)))
    assert read(VideoReader(lied, first=20))[1] == list(range(20, 50))


def test_a_pool_changes_nothing(dots_clip: Path) -> None:
    info = probe(dots_clip)
    alone, together = VideoReader(info), VideoReader(info)
    with ThreadPoolExecutor(4) as pool:
        while (batch := alone.read_into(alone.new_buffer(7))) is not None:
            other = together.read_into(together.new_buffer(7), pool)
            assert other is not None
            np.testing.assert_array_equal(other.images, batch.images)


def test_the_timeline_is_known_once_all_was_read(dots_clip: Path) -> None:
    reader = VideoReader(probe(dots_clip))
    reader.skip(20)
    assert reader.timeline is None
    reader.skip(100)
    assert reader.timeline == probe(dots_clip).timeline


def test_behind_a_change_of_coding_frames_are_read_from_the_start(tmp_path: Path) -> None:
    frames = clips.numbered_frames(40)
    parts = [
        clips.encode(tmp_path / f"{kind}.ts", part, "-c:v", "libx264", "-g", "6", "-pix_fmt", kind)
        for kind, part in (("yuv420p", frames[:20]), ("yuv444p", frames[20:]))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    info = probe(path)
    whole = np.concatenate([batch.images.copy() for batch in VideoReader(info).batches(40)])
    for first in (10, 25, 36, 39):
        parts_read = [batch.images.copy() for batch in VideoReader(info, first=first).batches(40)]
        np.testing.assert_array_equal(np.concatenate(parts_read), whole[first:])


PLACES = [0, 3, 17, 18, 30, 31, 58, 59]


@pytest.mark.parametrize(
    "name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.h264", "clip.avi", "fragmented.mp4", "edited.mp4"]
)
def test_some_places_are_read_as_they_are_in_the_whole_video(name: str, tmp_path: Path) -> None:
    options: tuple[str, ...] = ("-c:v", "libx264", "-g", "12", "-bf", "3", "-pix_fmt", "yuv420p")
    if name == "fragmented.mp4":
        options = (*options, "-movflags", "frag_keyframe+empty_moov")
    path = clips.encode(tmp_path / name, clips.textured(clips.numbered_frames(60)), *options)
    places = PLACES
    if name == "edited.mp4":
        path = tmp_path / "cut.mp4"
        clips.ffmpeg("-ss", "0.3", "-i", tmp_path / name, "-c", "copy", path)
        places = [place for place in PLACES if place < probe(path).n_frames]
    info = probe(path)
    whole = np.concatenate([batch.images.copy() for batch in VideoReader(info).batches(20)])
    reader = VideoReader(info, places=places)
    assert len(reader) == len(places)
    found = reader.read_into(reader.new_buffer(len(reader)))
    assert found is not None
    assert found.indices.tolist() == places
    assert found.valid.all()
    np.testing.assert_array_equal(found.seconds, info.seconds()[places])
    np.testing.assert_array_equal(found.images, whole[places])
    assert reader.read_into(reader.new_buffer(1)) is None


@pytest.mark.parametrize("count", [0, 3])
def test_places_that_are_not_found_by_their_time_come_all_the_same(
    count: int, dots_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_reader, "pictures_at", lambda *arguments: some(pictures_at(*arguments), count))
    places = [2, 9, 10, 20, 48]
    reader = VideoReader(probe(dots_clip), places=places)
    assert read(reader) == (places, places)


def some(pictures: Generator[Picture], count: int) -> Generator[Picture]:
    yield from islice(pictures, count)


def test_places_beyond_the_end_are_left_out(dots_clip: Path) -> None:
    assert read(VideoReader(probe(dots_clip), places=[3, 49, 50, 70])) == ([3, 49], [3, 49])
    assert read(VideoReader(probe(dots_clip), places=[])) == ([], [])
