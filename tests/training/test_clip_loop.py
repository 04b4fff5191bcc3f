"""Training of a network for behaviours: the same loop as for poses, what it keeps, and that a break leaves no trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clip_trainings, trainings

from posecli.errors import OutputExistsError
from posecli.model.folder import read_clip_folder
from posecli.network.tensorflow_runtime import import_tensorflow
from posecli.training.clip_config import ClipConfig
from posecli.training.config import read_train_config
from posecli.training.state import LossRow, RunFolder

pytestmark = pytest.mark.slow

TESTS = Path(__file__).resolve().parents[1]
#: Losses are told, accuracies measured and states kept at steps that do not coincide.
PHASES: list[dict[str, Any]] = [
    {"steps": 5, "batch_size": 2, "warm_up": 1},
    {"steps": 4, "batch_size": 2, "warm_up": 0, "batch_norm": "frozen"},
]
EVERY = {"evaluate_every": 3, "checkpoint_every": 2}
LOSSES_EVERY = 4


@pytest.fixture(scope="module", autouse=True)
def small_network() -> Iterator[None]:
    import_tensorflow()
    from posecli.training import loop

    with pytest.MonkeyPatch.context() as patch:
        clip_trainings.shrink(patch)
        patch.setattr(loop, "LOSS_EVERY", LOSSES_EVERY)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_trainings.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `table`, with more examples."""
    return clip_trainings.write_data(tmp_path_factory.mktemp("many"), 8)


def settings(table: Path, folder: Path, **changes: Any) -> ClipConfig:
    held_out = ["across1.mp4", "updown1.mp4"]
    content = {"phases": PHASES, "held_out_videos": held_out} | EVERY | changes
    config = read_train_config(clip_trainings.write_config(folder / "c.yaml", table, **content))
    assert isinstance(config, ClipConfig)
    return config


def train(config: ClipConfig, folder: Path, at: Callable[[int], None] = lambda step: None) -> Any:
    """Train, or go on, calling `at` after each step; the trainer."""
    from posecli.training.loop import Trainer, TrainingObserver

    class Observer(TrainingObserver):
        def stepped(self, step: int, row: object) -> None:
            at(step)

    trainer = Trainer(config, RunFolder(folder, config), Observer())
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def unbroken(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("unbroken")
    return folder / "run", train(settings(table, folder), folder / "run")


def check_equal(run: Path, unbroken: Path) -> None:
    """Same losses, accuracies and weights, to the bit; only how fast it went may differ."""
    for name in ("losses.csv", "accuracy.csv"):
        assert trainings.numbers(run / name) == trainings.numbers(unbroken / name), name
    weights, expected = trainings.model_weights(run), trainings.model_weights(unbroken)
    assert [name for name in expected if not np.array_equal(weights[name], expected[name])] == []


class TestRun:
    def test_what_a_run_leaves(self, unbroken: tuple[Path, Any]) -> None:
        run, _ = unbroken
        assert {path.name for path in run.iterdir()} == {
            "training.yaml", "split.yaml", "losses.csv", "accuracy.csv", "curves.png", "curves.svg", "model",
            "state.safetensors",
        }  # fmt: skip
        assert [row["step"] for row in trainings.rows(run / "losses.csv")] == ["4", "5", "8", "9"]
        assert [row["step"] for row in trainings.rows(run / "accuracy.csv")] == ["3", "5", "6", "9"]
        assert {row["examples"] for row in trainings.rows(run / "accuracy.csv")} == {"96"}
        assert trainings.settings_of(run / "split.yaml") == {
            "train": ["across0.mp4", "updown0.mp4"],
            "test": ["across1.mp4", "updown1.mp4"],
        }
        assert (run / "state.safetensors").stat().st_size < 10_000, "what is needed only to go on is gone"

    def test_the_model_says_what_made_it(self, unbroken: tuple[Path, Any]) -> None:
        run, trainer = unbroken
        description = read_clip_folder(run / "model").description
        assert description.scorer == "I3D_tiny_9"
        assert description.classes == clip_trainings.CLASSES
        assert (description.width, description.length, description.stride, description.frame_step) == (0.1, 9, 9, 1)
        assert (description.input_height, description.input_width) == (32, 32)
        best = max(trainer.run.errors, key=lambda row: row.balanced_accuracy)
        assert description.source["step"] == best.step
        assert description.source["held_out_accuracies"][0]["balanced_accuracy"] == best.balanced_accuracy
        assert description.source["config"]["clips"]["length"] == 9

    def test_frozen_normalisation_stays(self, table: Path, tmp_path: Path) -> None:
        from posecli.network.i3d.layers import read_weights
        from posecli.training.loop import Trainer, TrainingObserver

        seen: dict[str, Any] = {}
        config = settings(table, tmp_path)

        class Observer(TrainingObserver):
            def stepped(self, step: int, row: object) -> None:
                if step == 5:
                    seen["before"] = read_weights(trainer.network)

        trainer = Trainer(config, RunFolder(tmp_path / "run", config), Observer())
        start = read_weights(trainer.network)
        trainer.train()
        after, before = read_weights(trainer.network), seen["before"]
        moving = [name for name in after if "moving" in name]
        assert all(np.array_equal(after[name], before[name]) for name in moving)
        assert not any(np.array_equal(start[name], before[name]) for name in moving)
        assert not np.array_equal(after["Conv3d_1a_7x7/conv_3d/w"], before["Conv3d_1a_7x7/conv_3d/w"])

    def test_without_anything_held_out_the_last_snapshot_is_kept(self, table: Path, tmp_path: Path) -> None:
        trainer = train(settings(table, tmp_path, held_out_videos=None), tmp_path / "run")
        assert read_clip_folder(tmp_path / "run" / "model").description.source["step"] == 9
        assert "no video is held out" in trainer.task.notes[0]

    def test_it_begins_with_the_weights_of_a_run_before(
        self, table: Path, tmp_path: Path, unbroken: tuple[Path, Any]
    ) -> None:
        from posecli.network.i3d.layers import read_weights
        from posecli.training.loop import Trainer

        config = settings(table, tmp_path, initial_weights=str(unbroken[0] / "model"))
        trainer = Trainer(config, RunFolder(tmp_path / "run", config))
        theirs = trainings.model_weights(unbroken[0])
        assert all(np.array_equal(array, theirs[name]) for name, array in read_weights(trainer.network).items())


class TestLearning:
    PHASE = (("steps", 130), ("batch_size", 8), ("warm_up", 10), ("learning_rate", 0.005))

    def accuracy(self, table: Path, folder: Path, **clips: Any) -> float:
        wanted = {"length": 9, "height": 32, "width": 32} | clips
        calm = {"zoom": 0, "speed": 0, "light": 0.2, "noise": 0}
        changes: dict[str, Any] = {"phases": [dict(self.PHASE)], "clips": wanted, "evaluate_every": 1000, "dropout": 0}
        train(settings(table, folder, augment=calm, checkpoint_every=1000, **changes), folder / "run")
        return float(trainings.rows(folder / "run" / "accuracy.csv")[-1]["balanced_accuracy"])

    def test_two_motions_are_told_apart_but_not_by_a_still(self, many: Path, tmp_path: Path) -> None:
        moving = self.accuracy(many, tmp_path / "moving")
        assert moving > 0.9
        assert self.accuracy(many, tmp_path / "still", still=True) < 0.9


class TestBreaks:
    @pytest.mark.parametrize("step", [1, 5, 7])
    def test_an_interrupted_run_ends_as_an_unbroken_one(
        self, table: Path, tmp_path: Path, unbroken: tuple[Path, Any], step: int
    ) -> None:
        def interrupt(done: int) -> None:
            if done == step:
                raise KeyboardInterrupt

        config = settings(table, unbroken[0].parent)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", interrupt)
        train(config, tmp_path / "run")
        check_equal(tmp_path / "run", unbroken[0])

    def test_a_killed_run_ends_as_an_unbroken_one(self, tmp_path: Path, unbroken: tuple[Path, Any]) -> None:
        file = unbroken[0].parent / "c.yaml"
        trainings.train_until_killed(file, tmp_path / "run", 7, "support.clip_trainings", LOSSES_EVERY)
        config = read_train_config(file)
        saved = RunFolder(tmp_path / "run", config).load()
        assert saved is not None
        assert saved[1].step == 6
        assert isinstance(config, ClipConfig)
        train(config, tmp_path / "run")
        check_equal(tmp_path / "run", unbroken[0])

    def test_ctrl_c_waits_for_the_step_and_keeps_it(
        self, table: Path, tmp_path: Path, unbroken: tuple[Path, Any]
    ) -> None:
        def press(done: int) -> None:
            if done == 3:
                os.kill(os.getpid(), signal.SIGINT)

        config = settings(table, unbroken[0].parent)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", press)
        saved = RunFolder(tmp_path / "run", config).load()
        assert saved is not None
        assert saved[1].step == 3

    def test_other_labels_are_refused(self, table: Path, tmp_path: Path) -> None:
        rows = [(str(table.parent / f"{name}0.mp4"), 0, 40, name) for name in clip_trainings.CLASSES]
        own = clip_trainings.write_table(tmp_path / "i.csv", rows)
        config = settings(own, tmp_path, held_out_videos=None, phases=[{"steps": 2, "batch_size": 2, "warm_up": 1}])
        train(config, tmp_path / "run")
        clip_trainings.write_table(own, [(video, 0, 41, name) for video, _, _, name in rows])
        with pytest.raises(OutputExistsError, match="labels have changed since the run"):
            train(config, tmp_path / "run")


def test_from_the_command_line_with_a_scene(tmp_path: Path) -> None:
    data = [{"scene": "home-cage", "seeds": 2, "held_out_seeds": 1, "frames": 400}]
    from posecli.synthetic import SceneOptions, open_scene

    scene = open_scene(SceneOptions("home-cage", 32, 32, 400, seed=1_000_000))
    classes = sorted({scene.behaviours[label] for label in scene.labels()[10:-10]})
    config = clip_trainings.write_config(tmp_path / "c.yaml", None, data=data, classes=classes)
    command = [sys.executable, "-m", "posecli", "train", str(config), "--out", str(tmp_path / "my run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert f"i3d of width 0.1 for {', '.join(classes)}, from 9 frames" in first
    assert "training for 4 steps, tensorflow, float32" in first
    assert "held out, home-cage: balanced accuracy" in done.stdout
    assert "step 4 of 4: loss" in done.stderr
    assert last == f"trained 4 steps: {tmp_path / 'my run' / 'model'}"
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert json.loads(again.stdout)["last_accuracies"][0]["step"] == 4
    assert read_clip_folder(tmp_path / "my run" / "model").description.classes == tuple(classes)


def test_rows_are_those_of_the_kind(table: Path, unbroken: tuple[Path, Any]) -> None:
    saved = RunFolder(unbroken[0], settings(table, unbroken[0].parent))
    assert saved.load() is not None
    assert not any(isinstance(row, LossRow) for row in saved.losses)
    assert [row.text.startswith("loss ") for row in saved.losses] == [True] * 4
