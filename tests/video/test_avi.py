"""Whether an AVI file is whole, whatever its header counts."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support import clips

from posecli.errors import VideoError
from posecli.video.avi import is_cut_off, lost_chunks
from posecli.video.probe import probe

MJPEG = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return clips.encode(tmp_path / "whole.avi", clips.numbered_frames(20), *MJPEG)


def test_a_file_is_cut_off_where_its_chunks_go_on(whole: Path, tmp_path: Path) -> None:
    assert not is_cut_off(whole)
    assert is_cut_off(clips.truncate(whole, tmp_path / "short.avi", 0.7))


def test_what_follows_the_last_chunk_is_nothing(whole: Path) -> None:
    with whole.open("ab") as file:
        file.write(b"appended by a camera")
    assert not is_cut_off(whole)


def test_a_recorder_that_never_wrote_its_length_tells_nothing(whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[4:8] = struct.pack("<I", 0)
    whole.write_bytes(content)
    assert not is_cut_off(whole)


@pytest.mark.parametrize("count", [3, 1_000_000])
def test_counts_in_the_header_are_no_frames_that_are_due(count: int, whole: Path) -> None:
    content = bytearray(whole.read_bytes())
    place = content.index(b"strh") + 8 + 32
    content[place : place + 4] = struct.pack("<I", count)
    whole.write_bytes(content)
    info = probe(whole)
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
