"""Batches of clips: the same from the same number, behaviours evenly, every frame of a clip changed alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support import clip_trainings, clips

from posecli.training.behaviours.examples import ClipBatchMaker, augment_clip, open_sources
from posecli.training.config import BehaviourConfig, ClipAugment, ClipOptions, IntervalSource, Phase

NOTHING = ClipAugment(mirror=0, zoom=0, speed=0, light=0, noise=0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video, most of which is of one behaviour."""
    folder = tmp_path_factory.mktemp("data")
    clips.encode(folder / "v.mp4", clips.numbered_frames(60))
    return clip_trainings.write_table(folder / "i.csv", [("v.mp4", 0, 50, "across"), ("v.mp4", 50, 60, "updown")])


def config(table: Path, **settings: object) -> BehaviourConfig:
    values = {"clips": ClipOptions(9, 1, 32, 32), "augment": NOTHING} | settings
    data, phases = (IntervalSource(intervals=table),), (Phase(8, 6, warm_up=0),)
    return BehaviourConfig(name="t", classes=clip_trainings.CLASSES, data=data, phases=phases, **values)  # type: ignore[arg-type]


def rng(number: int, seed: int = 0) -> np.random.Generator:
    return np.random.default_rng((seed, number))


def maker(settings: BehaviourConfig) -> ClipBatchMaker:
    return ClipBatchMaker(open_sources(settings), settings, settings.phases[0])


def test_a_batch_is_a_function_of_seed_and_number(table: Path) -> None:
    settings = config(table, augment=ClipAugment())
    made = [maker(settings)(rng(number)) for number in (2, 0)]
    again = maker(settings)
    for number, batch in zip((2, 0), made, strict=True):
        np.testing.assert_array_equal(again(rng(number)).inputs, batch.inputs)
        np.testing.assert_array_equal(again(rng(number)).targets, batch.targets)
    assert not np.array_equal(made[0].inputs, made[1].inputs)
    assert not np.array_equal(again(rng(0, seed=1)).inputs, made[1].inputs)


def test_shapes_and_types(table: Path) -> None:
    batch = maker(config(table, clips=ClipOptions(11, 1, 32, 40)))(rng(0))
    assert (batch.inputs.shape, batch.inputs.dtype) == ((6, 11, 32, 40, 3), np.dtype(np.uint8))
    assert (batch.targets.shape, batch.targets.dtype) == ((6, 2), np.dtype(np.float32))
    assert (batch.targets.sum(axis=1) == 1).all()


@pytest.mark.parametrize(("balance", "share"), [(True, 1 / 2), (False, 6 / 52)])
def test_balance(table: Path, balance: bool, share: float) -> None:
    making = maker(config(table, class_balance=balance))
    labels = np.concatenate([making(rng(number)).targets for number in range(60)])
    assert labels[:, 1].mean() == pytest.approx(share, abs=0.09)


def test_the_label_is_the_middle_frames(table: Path) -> None:
    batch = maker(config(table, clips=ClipOptions(9, 1, 120, 160)))(rng(0))
    numbers = [clips.read_number(clip[4]) for clip in batch.inputs]
    assert batch.targets.argmax(axis=1).tolist() == [int(number >= 50) for number in numbers]


def test_speed_changes_how_far_frames_are_apart(table: Path) -> None:
    settings = config(table, clips=ClipOptions(9, 2, 120, 160), augment=replace(NOTHING, speed=0.5))
    steps = [
        np.diff([clips.read_number(frame) for frame in clip]).mean()
        for number in range(5)
        for clip in maker(settings)(rng(number)).inputs
    ]
    assert 1 <= min(steps) < 1.4
    assert 2.6 < max(steps) <= 3


class TestAugment:
    def clip(self) -> npt.NDArray[np.uint8]:
        return np.repeat(np.random.default_rng(0).integers(40, 200, (1, 32, 40, 3), np.uint8), 9, axis=0)

    def test_nothing_changes_nothing(self) -> None:
        clip = augment_clip(np.random.default_rng(0), self.clip(), NOTHING)
        assert np.abs(clip.astype(int) - self.clip()).max() <= 1, "the light's table is rounded down"

    def test_all_frames_are_changed_alike(self) -> None:
        changed = [
            augment_clip(np.random.default_rng(seed), self.clip(), ClipAugment(noise=0, light=2)) for seed in range(6)
        ]
        assert all((clip == clip[:1]).all() for clip in changed)
        assert len({clip.tobytes() for clip in changed}) == 6

    def test_mirrored(self) -> None:
        mirrored = augment_clip(np.random.default_rng(0), self.clip(), replace(NOTHING, mirror=1))
        assert np.abs(mirrored.astype(int) - self.clip()[:, :, ::-1]).max() <= 1

    def test_noise_is_every_frames_own(self) -> None:
        noisy = augment_clip(np.random.default_rng(0), self.clip(), replace(NOTHING, noise=1))
        assert not np.array_equal(noisy[0], noisy[1])
        assert np.abs(noisy.astype(int) - self.clip()).mean() < 12
