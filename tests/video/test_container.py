"""Whether a file extends to the end that its outermost parts promise."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support import clips

from posecli.errors import VideoError
from posecli.video.container import breaks_off, lost_chunks
from posecli.video.probe import probe

FORMATS = {".mp4": "mov,mp4,m4a,3gp,3g2,mj2", ".mkv": "matroska,webm", ".avi": "avi"}
MJPEG = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")
SOUND = ("-f", "lavfi", "-i", "sine=duration=2", "-map", "0", "-map", "1", "-c:v", "copy")


@pytest.fixture(scope="module", params=FORMATS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with sound, whose header tells how long both are together only."""
    folder = tmp_path_factory.mktemp("whole")
    silent = clips.encode(folder / f"silent{request.param}", clips.numbered_frames(40), *clips.ORDINARY)
    path = folder / f"whole{request.param}"
    clips.ffmpeg("-i", silent, *SOUND, "-movflags", "frag_keyframe+empty_moov", path)
    return path


def test_a_whole_file_is_whole(whole: Path) -> None:
    assert not breaks_off(whole, FORMATS[whole.suffix])
    assert probe(whole).cut_off is None


@pytest.mark.parametrize("part", [0.4, 0.7, 0.95])
def test_a_copy_that_broke_off_is_not(whole: Path, part: float, tmp_path: Path) -> None:
    short = clips.truncate(whole, tmp_path / f"short{whole.suffix}", part)
    assert breaks_off(short, FORMATS[whole.suffix])


def test_other_formats_do_not_tell(whole: Path) -> None:
    assert not breaks_off(whole, "mpegts")


@pytest.fixture
def avi(tmp_path: Path) -> Path:
    return clips.encode(tmp_path / "whole.avi", clips.numbered_frames(20), *MJPEG)


def test_what_follows_the_last_chunk_is_nothing(avi: Path) -> None:
    with avi.open("ab") as file:
        file.write(b"appended by a camera")
    assert not breaks_off(avi, "avi")


def test_a_recorder_that_never_wrote_its_length_tells_nothing(avi: Path) -> None:
    content = bytearray(avi.read_bytes())
    content[4:8] = struct.pack("<I", 0)
    avi.write_bytes(content)
    assert not breaks_off(avi, "avi")


@pytest.mark.parametrize("count", [3, 1_000_000])
def test_counts_in_the_header_are_no_frames_that_are_due(count: int, avi: Path) -> None:
    content = bytearray(avi.read_bytes())
    place = content.index(b"strh") + 8 + 32
    content[place : place + 4] = struct.pack("<I", count)
    avi.write_bytes(content)
    info = probe(avi)
    assert (info.n_frames, info.promised_frames, info.cut_off) == (20, count, None)


class Entry:
    def __init__(self, pos: int) -> None:
        self.pos = pos


def test_frames_that_the_index_lists_behind_the_last_one_are_lost_at_the_end() -> None:
    index = [Entry(place) for place in (0, 100, 200, 300)]
    assert lost_chunks(Path("a.avi"), index, [0, 100, 200, 300]) == 0
    assert lost_chunks(Path("a.avi"), index, [8, 108]) == 2
    assert lost_chunks(Path("a.avi"), None, [0]) == 0
    with pytest.raises(VideoError, match=r"'a.avi' lost 1 frames before its end"):
        lost_chunks(Path("a.avi"), index, [0, 200, 300])
