"""Which pictures there are: the decoder's, in its order, with a row for each that could not be decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from support import clips
from support.number_engine import read_checked

from posecli.video import pictures as module
from posecli.video.decoding import DoubtError, Picture
from posecli.video.opencv import PixelConverter
from posecli.video.pictures import Pictures
from posecli.video.probe import probe

X264 = ("-c:v", "libx264", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p")
ENCODES = {
    "clip.mp4": X264,
    "clip.mkv": X264,
    "clip.ts": X264,
    "clip.h264": X264,
    "clip.avi": ("-c:v", "mpeg4", "-bf", "2", "-g", "12", "-qmax", "4"),
    "clip.mov": ("-c:v", "png"),
}


def planes(picture: Picture) -> list[bytes]:
    assert picture.frame is not None
    return [bytes(plane) for plane in picture.frame.planes]


def shown(pictures: Pictures) -> list[int | None]:
    """The number that each row shows; ``None`` where it has no picture."""
    converter = PixelConverter()
    return [
        None if picture.frame is None else clips.read_number(converter.bgr(picture.frame)[..., ::-1])
        for picture in pictures
    ]


@pytest.mark.parametrize("name", ENCODES)
def test_careful_reading_gives_what_quick_reading_does(name: str, tmp_path: Path) -> None:
    path = clips.encode(tmp_path / name, clips.numbered_frames(40), *ENCODES[name])
    quick, careful = list(Pictures(path)._quickly()), list(Pictures(path)._carefully())
    assert [picture.pts for picture in quick] == [picture.pts for picture in careful]
    assert list(map(planes, quick)) == list(map(planes, careful))


@pytest.mark.parametrize("lost", [{0}, {7}, {5, 6, 20}, {39}], ids=str)
def test_a_picture_that_cannot_be_decoded_has_its_row_and_its_time(lost: set[int], tmp_path: Path) -> None:
    whole = clips.encode(tmp_path / "whole.mov", clips.numbered_frames(40), *ENCODES["clip.mov"])
    pictures = Pictures(clips.spoil(whole, tmp_path / "spoilt.mov", *lost))
    assert shown(pictures) == [None if number in lost else number for number in range(40)]
    assert [picture.pts for picture in pictures] == [picture.pts for picture in Pictures(whole)]


def test_doubt_midway_neither_repeats_nor_loses_a_picture(dots_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = module._Turns.taken_by
    count = 0

    def doubting(turns: module._Turns, frame: av.VideoFrame) -> None:
        nonlocal count
        count += 1
        if count > 20:
            raise DoubtError
        taken(turns, frame)

    monkeypatch.setattr(module._Turns, "taken_by", doubting)
    assert shown(Pictures(dots_clip)) == list(range(50))


def remux(source: Path, target: Path, lost: set[int]) -> Path:
    """Copy without some packets."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for number, packet in enumerate(packet for packet in reading.demux(video=0) if packet.size):
            if number not in lost:
                packet.stream = stream
                writing.mux(packet)
    return target


def test_what_lies_before_the_first_key_frame_is_no_row(tmp_path: Path) -> None:
    whole = clips.encode(tmp_path / "whole.mp4", clips.numbered_frames(40), *X264, "-x264-params", "bframes=0")
    cut = remux(whole, tmp_path / "cut.mp4", set(range(5)))
    assert shown(Pictures(cut)) == list(range(12, 40))
    info = probe(cut)
    assert (info.unshown_at_start, info.cut_off) == (7, None)


def test_without_times_pictures_follow_at_the_frame_rate(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.h264", clips.numbered_frames(10), *X264)
    info, pictures = probe(path), Pictures(path)
    assert [picture.pts * info.time_base for picture in pictures] == [Fraction(row, 25) for row in range(10)]
    assert not pictures.times_from_file


def test_fields_and_changes_of_coding_are_followed(tmp_path: Path) -> None:
    """Progressive, then interlaced: each picture is itself, though OpenCV would hand out its last one."""
    from support.number_engine import checked_frames

    frames = checked_frames(40)
    first = clips.encode(tmp_path / "a.ts", frames[:20], *X264)
    second = clips.encode(tmp_path / "b.ts", frames[20:], *X264, "-x264-params", "interlaced=1")
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    converter = PixelConverter()
    numbers = [read_checked(converter.bgr(picture.frame)) for picture in Pictures(path) if picture.frame is not None]
    assert numbers == list(range(40))
