"""Accuracy on held-out examples of behaviours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from support import clip_trainings

from posecli.training.behaviours.examples import open_sources
from posecli.training.behaviours.objective import MOST_EXAMPLES, HeldOutClips
from posecli.training.config import BehaviourConfig, ClipOptions, IntervalSource, Phase
from posecli.training.objective import AccuracyRow

CLIPS = ClipOptions(9, 1, 32, 32)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> HeldOutClips:
    table = clip_trainings.write_data(tmp_path_factory.mktemp("data"))
    held_out = ("across1.mp4", "updown1.mp4")
    source, phase = IntervalSource(intervals=table), Phase(8, warm_up=0)
    config = BehaviourConfig(
        name="t",
        classes=clip_trainings.CLASSES,
        data=(source,),
        phases=(phase,),
        clips=CLIPS,
        held_out_videos=held_out,
    )
    (examples,) = open_sources(config).test
    return HeldOutClips(examples, len(clip_trainings.CLASSES), CLIPS)


def seeing(clips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits by where the brightness moves: over columns or over rows."""
    grey = clips[..., 0].astype(np.float64)
    across, updown = (np.abs(np.diff(grey.mean(axis=axis), axis=1)).mean(axis=(1, 2)) for axis in (2, 3))
    return np.stack([across, updown], axis=1).astype(np.float32) * 20


def test_one_who_sees_is_right(kept: HeldOutClips) -> None:
    row = kept.accuracy(7, seeing, 8)
    assert (row.step, row.examples, row.classes) == (7, 2 * MOST_EXAMPLES, 2)
    assert row.balanced_accuracy == 1
    assert row.loss < 0.3


def test_one_who_guesses_is_not(kept: HeldOutClips) -> None:
    row = kept.accuracy(7, lambda clips: np.zeros((len(clips), 2), np.float32), 8)
    assert row.balanced_accuracy == 0.5
    assert row.loss == pytest.approx(np.log(2))


def test_every_batch_has_the_same_size_and_the_same_examples_come_each_time(kept: HeldOutClips) -> None:
    seen: list[npt.NDArray[np.uint8]] = []

    def predict(clips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        seen.append(clips)
        return seeing(clips)

    first, again = kept.accuracy(1, predict, 7), kept.accuracy(1, predict, 7)
    assert first == again
    assert {clips.shape for clips in seen} == {(7, 9, 32, 32, 3)}
    half = len(seen) // 2
    assert all(np.array_equal(seen[place], seen[half + place]) for place in range(half))


def test_a_better_network_has_a_lower_error() -> None:
    rows = [AccuracyRow(1, "a", 9, 3, accuracy, 1.0) for accuracy in (0.9, 0.2)]
    assert AccuracyRow.overall(rows[:1]) < AccuracyRow.overall(rows) < AccuracyRow.overall(rows[1:])
    assert AccuracyRow.overall([]) == float("inf")
