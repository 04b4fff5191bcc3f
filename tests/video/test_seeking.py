"""Pictures at some places of a video are those of reading from its start."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support import clips
from video.test_pictures import X264, planes

from posecli.video import seeking as module
from posecli.video.decoding import DecodedPacket, decoded_packets
from posecli.video.pictures import Pictures
from posecli.video.probe import probe
from posecli.video.seeking import pictures_at, pictures_from


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_pictures_are_found_by_their_time(name: str, tmp_path: Path) -> None:
    path = clips.encode(tmp_path / name, clips.numbered_frames(40), *X264)
    times = probe(path).pts
    for first in (0, 13, 24, 39):
        found = [picture.pts for picture in islice(pictures_from(path, int(times[first])), 5)]
        assert found == times[first : first + 5].tolist()


@pytest.mark.parametrize("fields", [(), ("-flags", "+ildct+ilme")], ids=["progressive", "fields"])
def test_pictures_on_the_way_that_none_refers_to_may_be_left_out(
    fields: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels are those of reading from the start, where pictures refer to others in every way H.264 has."""
    options = "b-adapt=0:bframes=3:b-pyramid=normal:direct=temporal:weightb=1:ref=4:keyint=30:scenecut=0"
    frames = clips.textured(clips.numbered_frames(40))
    path = clips.encode(tmp_path / "clip.mp4", frames, "-c:v", "libx264", "-x264-params", options, *fields)
    times = probe(path).pts
    whole = {picture.pts: planes(picture) for picture in Pictures(path)}
    decoded: list[int] = []

    def counting(*arguments: Any) -> Iterator[DecodedPacket]:
        for packet in decoded_packets(*arguments):
            decoded.append(len(packet.frames))
            yield packet

    monkeypatch.setattr(module, "decoded_packets", counting)
    for first in (27, 28, 29, 30, 39):
        decoded.clear()
        found = {picture.pts: planes(picture) for picture in pictures_from(path, int(times[first]))}
        assert found == {pts: whole[pts] for pts in times[first:].tolist()}
        if first < 30:
            assert 40 - first < sum(decoded) <= 30


def test_places_in_one_group_of_pictures_are_passed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("-c:v", "libx264", "-x264-params", "keyint=40:scenecut=0:bframes=0")
    path = clips.encode(tmp_path / "clip.mp4", clips.numbered_frames(160), *options)
    times, decoded = probe(path).pts, list[int]()

    def counting(*arguments: Any) -> Iterator[DecodedPacket]:
        for packet in decoded_packets(*arguments):
            decoded.extend(frame.pts for frame in packet.frames if frame.pts is not None)
            yield packet

    monkeypatch.setattr(module, "decoded_packets", counting)
    places = [10, 14, 30, 143, 144]
    found = pictures_at(path, times[places].tolist(), times[[max(0, place - 16) for place in places]].tolist())
    assert [picture.pts for picture in found] == times[places].tolist()
    # The first group once, the last one from the key frame before 143 - 16 on, and nothing between.
    assert len(decoded) == len(set(decoded))
    assert not set(times[60:120].tolist()) & set(decoded)
