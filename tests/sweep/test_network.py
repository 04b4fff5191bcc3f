"""Stretches of a video: the frames that are asked for, whether what lies between is decoded or sought over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import clips

from posecli.geometry import Geometry
from posecli.sweep import network
from posecli.sweep.network import Stretches, are_sought
from posecli.video.probe import probe

STRETCHES = (range(3, 9), range(70, 71), range(150, 175), range(259, 260))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("clip") / "clip.mp4", clips.numbered_frames(260), "-g", "40")


@pytest.mark.parametrize("worth", [10, 1000], ids=["sought", "passed over"])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_frames_that_are_asked_for(
    clip: Path, monkeypatch: pytest.MonkeyPatch, worth: int, batch_size: int
) -> None:
    monkeypatch.setattr(network, "WORTH_SEEKING", worth)
    info = probe(clip)
    assert are_sought(info, STRETCHES) is (worth == 10)
    reader = Stretches(info, Geometry.plan(info.width, info.height), STRETCHES)
    assert len(reader) == 33
    numbers, places = [], []
    for batch in reader.batches(batch_size):
        numbers += [clips.read_number(image) for image in batch.images]
        places += batch.indices.tolist()
    reader.close()
    assert numbers == places == [place for part in STRETCHES for place in part]


def test_both_ways_give_the_same_bytes(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(clip)
    images = []
    for worth in (10, 1000):
        monkeypatch.setattr(network, "WORTH_SEEKING", worth)
        reader = Stretches(info, Geometry.plan(info.width, info.height), STRETCHES)
        images.append(np.concatenate([batch.images.copy() for batch in reader.batches(16)]))
        reader.close()
    assert np.array_equal(images[0], images[1])


def test_a_reader_that_is_closed_early_lets_go(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(clip)
    for worth in (10, 1000):
        monkeypatch.setattr(network, "WORTH_SEEKING", worth)
        reader = Stretches(info, Geometry.plan(info.width, info.height), STRETCHES)
        assert reader.read_into(reader.new_buffer(4)) is not None
        reader.close()
        assert reader.read_into(reader.new_buffer(4)) is None


def test_one_stretch_is_not_sought(clip: Path) -> None:
    assert not are_sought(probe(clip), (range(10, 20),))
