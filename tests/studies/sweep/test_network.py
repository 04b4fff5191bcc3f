"""Stretches of a video: the frames that are asked for, whether what lies between is decoded or sought over."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dots_model
from support import clips
from support.fake_engine import STRIDE

from posecli.errors import VideoError
from posecli.inference.decode import Pose
from posecli.inference.predictor import load_model
from posecli.options import EngineOptions
from posecli.studies.sweep import runner
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.runner import Stretches, are_sought, find_poses
from posecli.video import reader as video_reader
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import Row

STRETCHES = (range(3, 9), range(70, 71), range(150, 175), range(259, 260))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("clip") / "clip.mp4", clips.numbered_frames(260), "-g", "40")


@pytest.mark.parametrize("worth", [10, 1000], ids=["sought", "passed over"])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_frames_that_are_asked_for(
    clip: Path, monkeypatch: pytest.MonkeyPatch, worth: int, batch_size: int
) -> None:
    monkeypatch.setattr(runner, "WORTH_SEEKING", worth)
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
        monkeypatch.setattr(runner, "WORTH_SEEKING", worth)
        reader = Stretches(info, Geometry.plan(info.width, info.height), STRETCHES)
        images.append(np.concatenate([batch.images.copy() for batch in reader.batches(16)]))
        reader.close()
    assert np.array_equal(images[0], images[1])


def test_a_reader_that_is_closed_early_lets_go(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(clip)
    for worth in (10, 1000):
        monkeypatch.setattr(runner, "WORTH_SEEKING", worth)
        reader = Stretches(info, Geometry.plan(info.width, info.height), STRETCHES)
        assert reader.read_into(reader.new_buffer(4)) is not None
        reader.close()
        assert reader.read_into(reader.new_buffer(4)) is None


def test_frames_that_cannot_be_found_by_their_time_come_all_the_same(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "WORTH_SEEKING", 10)
    monkeypatch.setattr(video_reader, "pictures_from", lambda *_: (row for row in list[Row]()))
    info = probe(clip)
    reader = Stretches(info, Geometry.plan(info.width, info.height), STRETCHES)
    numbers = [clips.read_number(image) for batch in reader.batches(7) for image in batch.images]
    reader.close()
    assert numbers == [place for part in STRETCHES for place in part]


@pytest.mark.usefixtures("fake_engine")
class TestPoses:
    def found(self, clip: Path, tmp_path: Path) -> Pose:
        model = load_model(make_dots_model(tmp_path / "model").path, EngineOptions(precision="fp32"))
        info = probe(clip)
        geometry = Geometry.plan(info.width, info.height)
        return find_poses(model, info, geometry, STRETCHES, SweepOptions(), lambda _count: None)[0]

    def test_one_for_each_frame_asked_for(self, clip: Path, tmp_path: Path) -> None:
        numbers = [place for part in STRETCHES for place in part]
        truth = np.array([clips.dot_centres(number, 120, 160) for number in numbers])
        assert np.abs(self.found(clip, tmp_path)[..., :2] - truth).max() < STRIDE

    def test_a_frame_that_does_not_come_is_an_error(
        self, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every = Stretches._only
        monkeypatch.setattr(Stretches, "_only", lambda *given: (row for row in islice(every(*given), 30)))
        with pytest.raises(VideoError, match=r"clip.mp4' gave 30 of the 33 frames that were asked for"):
            self.found(clip, tmp_path)


def test_one_stretch_is_not_sought(clip: Path) -> None:
    assert not are_sought(probe(clip), (range(10, 20),))
