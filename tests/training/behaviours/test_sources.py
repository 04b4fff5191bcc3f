"""Examples of behaviours: where they come from, whose label they have, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clip_trainings, clips

from posecli.errors import LabelError, UsageError, VideoError
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.behaviours import examples as clip_sources
from posecli.training.behaviours.examples import Examples, SyntheticVideo, frame_numbers, open_sources
from posecli.training.config import BehaviourConfig, ClipOptions, IntervalSource, Phase
from posecli.training.objective import FIRST_TRAINING_SEED

CLIPS = ClipOptions(9, 1, 32, 32)


def config(*data: IntervalSource, clips: ClipOptions = CLIPS, **settings: object) -> BehaviourConfig:
    values = {"name": "t", "classes": clip_trainings.CLASSES, "phases": (Phase(8, warm_up=0),), "clips": clips}
    return BehaviourConfig(data=data, **(values | settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_trainings.write_data(tmp_path_factory.mktemp("data"))


@given(
    st.integers(9, 40), st.integers(1, 5), st.integers(0, 300), st.integers(0, 300), st.floats(0.5, 1.5), st.booleans()
)
def test_an_example_lies_within_its_video(
    length: int, step: int, before: int, after: int, speed: float, still: bool
) -> None:
    wanted = ClipOptions(length, step, 32, 32, still)
    middle = length // 2
    centre = before + middle * step
    n_frames = centre + (length - 1 - middle) * step + after + 1
    numbers = frame_numbers(centre, wanted, n_frames, speed)
    assert len(numbers) == length
    assert numbers[middle] == centre
    assert numbers.min() >= 0
    assert numbers.max() < n_frames
    assert (np.diff(numbers) >= 0).all()
    if still:
        assert (numbers == centre).all()
    elif speed == 1:
        assert (np.diff(numbers) == step).all()


class TestIntervals:
    def test_frames_are_those_of_the_video_with_their_labels(self, tmp_path: Path) -> None:
        clips.encode(tmp_path / "v.mp4", clips.numbered_frames(60))
        rows = [("v.mp4", 0, 20, "across"), ("v.mp4", 25, 60, "updown")]
        path = clip_trainings.write_table(tmp_path / "i.csv", rows)
        size = ClipOptions(9, 2, 120, 160)
        data = open_sources(config(IntervalSource(intervals=path), clips=size))
        examples = data.train[0]
        centres = examples.places[:, 1]
        assert centres.tolist() == [*range(8, 20), *range(25, 52)], "labelled, with room for an example about them"
        assert examples.labels.tolist() == [0] * 12 + [1] * 27
        number = int(np.flatnonzero(centres == 30)[0])
        shown = [clips.read_number(frame) for frame in examples.clip(number, size)]
        assert shown == [22, 24, 26, 28, 30, 32, 34, 36, 38]
        still = [clips.read_number(frame) for frame in examples.clip(number, replace(size, still=True))]
        assert still == [30] * 9

    def test_frames_that_no_example_can_show_are_not_kept(self, tmp_path: Path) -> None:
        clips.encode(tmp_path / "v.mp4", clips.numbered_frames(60))
        rows = [("v.mp4", 20, 22, "across"), ("v.mp4", 22, 24, "updown")]
        path = clip_trainings.write_table(tmp_path / "i.csv", rows)
        video = open_sources(config(IntervalSource(intervals=path))).train[0].videos[0]
        assert video.kept_bytes == (24 - 20 + 2 * 9) * 32 * 32 * 3

    def test_held_out_videos_are_never_drawn(self, table: Path) -> None:
        data = open_sources(config(IntervalSource(intervals=table), held_out_videos=("across1.mp4", "updown0.mp4")))
        assert [video.name for video in data.train[0].videos] == ["across0.mp4", "updown1.mp4"]
        assert [video.name for video in data.test[0].videos] == ["across1.mp4", "updown0.mp4"]

    def test_labels_and_roles_have_a_fingerprint(self, table: Path, tmp_path: Path) -> None:
        source = IntervalSource(intervals=table)
        before = open_sources(config(source)).fingerprint
        assert open_sources(config(source)).fingerprint == before
        assert open_sources(config(source, held_out_videos=("across1.mp4",))).fingerprint != before
        rows = [
            (str(table.parent / "across0.mp4"), 0, 30, "across"),
            (str(table.parent / "updown0.mp4"), 0, 30, "updown"),
        ]
        other = clip_trainings.write_table(tmp_path / "i.csv", rows)
        assert open_sources(config(IntervalSource(intervals=other))).fingerprint != before


class TestScenes:
    def test_frames_and_labels_are_the_scenes(self) -> None:
        options = SceneOptions("home-cage", 32, 32, 70, seed=3)
        scene = open_scene(options)
        video = SyntheticVideo(options, scene.behaviours)
        assert video.labels.tolist() == scene.labels().tolist()
        for index in (69, 0, 40):
            np.testing.assert_array_equal(video.frames(np.array([index]))[0], scene.frame(index).image)

    def test_behaviours_that_are_no_class_have_no_label(self) -> None:
        options = SceneOptions("home-cage", 32, 32, 300, seed=3)
        scene = open_scene(options)
        only = scene.behaviours[scene.labels()[0]]
        video = SyntheticVideo(options, ("something else", only))
        assert set(video.labels.tolist()) <= {-1, 1}
        assert ((video.labels == 1) == (scene.labels() == scene.behaviours.index(only))).all()

    def test_seeds_of_training_and_measuring_differ(self) -> None:
        source = IntervalSource(scene="home-cage", seeds=2, held_out_seeds=1, frames=400)
        scenes = [
            open_scene(SceneOptions("home-cage", 32, 32, 400, seed=FIRST_TRAINING_SEED + seed)) for seed in (0, 1)
        ]
        shown = {scene.behaviours[label] for scene in scenes for label in scene.labels()[10:-10]}
        data = open_sources(config(source, classes=tuple(sorted(shown))))
        assert [video.name for video in data.train[0].videos] == [
            "home-cage, seed 1000000",
            "home-cage, seed 1000001",
        ]
        assert [video.name for examples in data.test for video in examples.videos] in (["home-cage, seed 0"], [])


class TestDrawing:
    def test_a_class_is_drawn_from_the_sources_that_have_it(self, table: Path, tmp_path: Path) -> None:
        rows = [(str(table.parent / "across0.mp4"), 0, 60, "across")]
        other = clip_trainings.write_table(tmp_path / "i.csv", rows)
        data = open_sources(config(IntervalSource(intervals=table), IntervalSource(intervals=other, weight=3)))
        rng = np.random.default_rng(0)
        drawn = [data.draw(rng, label) for label in (0, 1) for _ in range(200)]
        assert all(examples.labels[number] == place // 200 for place, (examples, number) in enumerate(drawn))
        assert all(examples is data.train[0] for examples, _ in drawn[200:])
        assert 0.65 < np.mean([examples is data.train[1] for examples, _ in drawn[:200]]) < 0.85

    def test_without_a_class_every_frame_is_as_likely(self, tmp_path: Path) -> None:
        clips.encode(tmp_path / "v.mp4", clips.numbered_frames(60))
        rows = [("v.mp4", 0, 50, "across"), ("v.mp4", 50, 60, "updown")]
        data = open_sources(config(IntervalSource(intervals=clip_trainings.write_table(tmp_path / "i.csv", rows))))
        rng = np.random.default_rng(0)
        share = np.mean([examples.labels[number] for examples, number in (data.draw(rng, None) for _ in range(600))])
        assert share == pytest.approx(6 / 52, abs=0.05)


class TestRefused:
    def test_a_label_that_is_no_class(self, table: Path) -> None:
        with pytest.raises(LabelError, match=r"label 'updown' of .*updown0\.mp4' is not known: use one of across"):
            open_sources(config(IntervalSource(intervals=table), classes=("across", "round")))

    def test_a_class_without_an_example(self, table: Path) -> None:
        with pytest.raises(LabelError, match="no training example of 9 frames shows 'round': label some"):
            open_sources(config(IntervalSource(intervals=table), classes=("across", "round", "updown")))

    def test_a_class_whose_videos_are_all_held_out(self, table: Path) -> None:
        held_out = ("across0.mp4", "across1.mp4")
        with pytest.raises(LabelError, match="no training example of 9 frames shows 'across'"):
            open_sources(config(IntervalSource(intervals=table), held_out_videos=held_out))

    def test_intervals_too_close_to_the_ends_for_an_example(self, tmp_path: Path) -> None:
        clips.encode(tmp_path / "v.mp4", clips.numbered_frames(60))
        path = clip_trainings.write_table(tmp_path / "i.csv", [("v.mp4", 0, 3, "across"), ("v.mp4", 20, 40, "updown")])
        with pytest.raises(LabelError, match="no training example of 9 frames shows 'across'"):
            open_sources(config(IntervalSource(intervals=path)))

    def test_a_video_that_is_not_there(self, tmp_path: Path) -> None:
        path = clip_trainings.write_table(tmp_path / "i.csv", [("none.mp4", 0, 30, "across")])
        with pytest.raises(VideoError, match=r"none\.mp4"):
            open_sources(config(IntervalSource(intervals=path)))

    def test_an_interval_beyond_the_end(self, table: Path, tmp_path: Path) -> None:
        path = clip_trainings.write_table(tmp_path / "i.csv", [(str(table.parent / "across0.mp4"), 0, 61, "across")])
        with pytest.raises(LabelError, match=r"from 0 to 61 ends after .*across0\.mp4', which has 60 frames"):
            open_sources(config(IntervalSource(intervals=path)))

    def test_a_held_out_video_that_nobody_labelled(self, table: Path) -> None:
        with pytest.raises(UsageError, match=r"'round\.mp4' is to be held out but no interval names that video"):
            open_sources(config(IntervalSource(intervals=table), held_out_videos=("round.mp4",)))

    def test_more_frames_than_memory(self, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clip_sources, "MOST_BYTES", 100_000)
        with pytest.raises(UsageError, match=r"would take 0\.0 GiB of memory, more than .*choose a smaller height"):
            open_sources(config(IntervalSource(intervals=table)))


def test_no_video_no_example() -> None:
    assert Examples.of("nothing", [], CLIPS).labels.tolist() == []
