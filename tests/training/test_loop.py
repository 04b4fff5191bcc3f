"""Training of both kinds of networks, small ones: what they learn, what is kept, and that a break leaves no trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support import clip_trainings, labels, small_network, trainings

import posecli
from posecli.cli import cli
from posecli.engine.outputs import Maps
from posecli.errors import OutputExistsError, UsageError
from posecli.labels.data import read_image
from posecli.model.folder import read_clip_folder, read_model_folder
from posecli.network import mobilenet
from posecli.support.tensorflow import import_tensorflow
from posecli.synthetic import SceneOptions, open_scene
from posecli.training import read_train_config
from posecli.training.config import TrainConfig
from posecli.training.state import Progress, RunFolder

SMALL_NETWORK = Path(__file__).resolve().parents[1] / "support" / "small_network.py"
#: Losses are told, held-out examples measured and states kept at steps that do not coincide.
EVERY = {"evaluate_every": 3, "checkpoint_every": 2}
LOSSES_EVERY = 4
FROZEN = {"steps": 4, "batch_size": 2, "warm_up": 0, "batch_norm": "frozen"}
SHORT: dict[str, Any] = {"steps": 2, "crop": 64, "batch_size": 2, "warm_up": 1}


@dataclass(frozen=True)
class Kind:
    """What the tests need to know of a kind of network."""

    write_data: Callable[[Path], Path]
    write_config: Callable[..., Path]
    settings: dict[str, Any]
    measures: str


KINDS = {
    "poses": Kind(
        lambda folder: labels.write_project(folder / "project", 8),
        trainings.write_config,
        {"phases": [SHORT | {"steps": 5}, FROZEN | {"crop": 96, "framing": "frames"}]} | EVERY,
        "errors.csv",
    ),
    "behaviours": Kind(
        clip_trainings.write_data,
        clip_trainings.write_config,
        {"phases": [{"steps": 5, "batch_size": 2, "warm_up": 1}, FROZEN]}
        | EVERY
        | {"held_out_videos": ["across1.mp4", "updown1.mp4"]},
        "accuracy.csv",
    ),
}


@dataclass
class Unbroken:
    """A run to the end, and its network's weights at its begin and between its phases."""

    kind: Kind
    data: Path
    file: Path
    path: Path
    trainer: Any
    start: trainings.Weights
    between: trainings.Weights


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Iterator[None]:
    import_tensorflow()
    from posecli.training import loop

    with pytest.MonkeyPatch.context() as patch:
        small_network.shrink(patch)
        clip_trainings.shrink(patch)
        patch.setattr(loop, "LOSS_EVERY", LOSSES_EVERY)
        yield


def trainer_of(config: TrainConfig, run: RunFolder, at: Callable[[int], None] = lambda step: None) -> Any:
    """A trainer that calls `at` after each step."""
    from posecli.training.loop import Trainer, TrainingObserver

    class Observer(TrainingObserver):
        def stepped(self, step: int, row: object) -> None:
            at(step)

    return Trainer(config, run, Observer())


def train(file: Path, folder: Path, at: Callable[[int], None] = lambda step: None) -> Any:
    """Train, or go on; the trainer."""
    config = read_train_config(file)
    trainer = trainer_of(config, RunFolder(folder, config), at)
    trainer.train()
    return trainer


def weights_of(trainer: Any) -> trainings.Weights:
    from posecli.engine.keras_layers import read_weights

    return {name: np.array(array) for name, array in read_weights(trainer.objective.network, trainer.model).items()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS["poses"].write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=KINDS)
def unbroken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    kind, folder = KINDS[request.param], tmp_path_factory.mktemp(request.param)
    data = kind.write_data(folder)
    file = kind.write_config(folder / "c.yaml", data, **kind.settings)
    config = read_train_config(file)
    between: trainings.Weights = {}

    def note(step: int) -> None:
        if step == 5:
            between.update(weights_of(trainer))

    trainer = trainer_of(config, RunFolder(folder / "run", config), note)
    start = weights_of(trainer)
    trainer.train()
    return Unbroken(kind, data, file, folder / "run", trainer, start, between)


def saved_in(folder: Path, file: Path) -> Progress:
    saved = RunFolder(folder, read_train_config(file)).load()
    assert saved is not None
    return saved[1]


def interrupted_at(last: int) -> Callable[[int], None]:
    def interrupt(step: int) -> None:
        if step == last:
            raise KeyboardInterrupt

    return interrupt


def check_equal(run: Path, unbroken: Unbroken) -> None:
    """Same steps, losses, measures and weights, to the bit; only how fast it went may differ."""
    for name in ("losses.csv", unbroken.kind.measures):
        ours, theirs = (trainings.rows(folder / name) for folder in (run, unbroken.path))
        assert [without_speed(row) for row in ours] == [without_speed(row) for row in theirs], name
    weights, expected = trainings.model_weights(run), trainings.model_weights(unbroken.path)
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not np.array_equal(weights[name], expected[name])] == []
    for name in ("split.yaml", "training.yaml"):
        assert (run / name).read_text() == (unbroken.path / name).read_text()


def without_speed(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "steps_per_second"}


@pytest.mark.slow
class TestRun:
    def test_what_a_run_leaves(self, unbroken: Unbroken) -> None:
        run, measures = unbroken.path, unbroken.kind.measures
        assert {path.name for path in run.iterdir()} == {
            "training.yaml", "split.yaml", "losses.csv", measures, "curves.png", "curves.svg", "model",
            "state.safetensors",
        }  # fmt: skip
        assert [row["step"] for row in trainings.rows(run / "losses.csv")] == ["4", "5", "8", "9"]
        assert [row["phase"] for row in trainings.rows(run / "losses.csv")] == ["0", "0", "1", "1"]
        assert [row["step"] for row in trainings.rows(run / measures)] == ["3", "5", "6", "9"]
        assert (run / "state.safetensors").stat().st_size < 10_000, "what is needed only to go on is gone"
        assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
        split = trainings.settings_of(run / "split.yaml")
        if measures == "errors.csv":
            assert (len(split["train"]), len(split["test"])) == (6, 2)
        else:
            assert split == {"train": ["across0.mp4", "updown0.mp4"], "test": ["across1.mp4", "updown1.mp4"]}
            assert {row["examples"] for row in trainings.rows(run / measures)} == {"96"}

    def test_the_model_says_what_made_it(self, unbroken: Unbroken) -> None:
        rows = unbroken.trainer.run.errors
        if unbroken.kind.measures == "errors.csv":
            pose = posecli.load_model(unbroken.path / "model").description
            assert (pose.scorer, pose.bodyparts, pose.pcutoff) == ("DLC_resnet50_tinyshuffle1_9", labels.BODYPARTS, 0.6)
            source, best = pose.source, min(rows, key=lambda row: row.mean_px)
            assert source["held_out_errors"][0]["mean_px"] == best.mean_px
        else:
            clip = read_clip_folder(unbroken.path / "model").description
            assert (clip.scorer, clip.classes) == ("I3D_tiny_9", clip_trainings.CLASSES)
            assert (clip.width, clip.length, clip.stride, clip.frame_step) == (0.1, 9, 9, 1)
            assert (clip.input_height, clip.input_width) == (32, 32)
            source, best = clip.source, max(rows, key=lambda row: row.balanced_accuracy)
            assert source["held_out_accuracies"][0]["balanced_accuracy"] == best.balanced_accuracy
        assert source["kind"] == "trained by posecli"
        assert (source["backend"], source["arithmetic"]) == ("tensorflow", "float32")
        assert (source["config"]["seed"], source["step"]) == (0, best.step)
        assert str(unbroken.path.parent) not in str(source), "folders are passed on"

    def test_frozen_normalisation_stays(self, unbroken: Unbroken) -> None:
        start, before, after = unbroken.start, unbroken.between, weights_of(unbroken.trainer)
        moving = [name for name in after if "moving" in name]
        norms = [name for name in after if "batchnorm" in name.lower().replace("_", "")]
        assert len(norms) > len(moving) > 0
        assert all(np.array_equal(after[name], before[name]) for name in moving)
        if unbroken.kind.measures == "errors.csv":
            assert all(np.array_equal(after[name], before[name]) for name in norms)
        assert not any(np.array_equal(start[name], before[name]) for name in moving)
        kernel = next(name for name in after if name not in norms)
        assert not np.array_equal(after[kernel], before[kernel])

    def test_a_finished_run_is_not_trained_again(self, unbroken: Unbroken) -> None:
        before = {path.name: path.read_bytes() for path in unbroken.path.iterdir() if path.is_file()}
        train(unbroken.file, unbroken.path, lambda step: pytest.fail("trained"))
        assert {path.name: path.read_bytes() for path in unbroken.path.iterdir() if path.is_file()} == before

    def test_it_begins_with_the_weights_of_a_run_before(self, unbroken: Unbroken, tmp_path: Path) -> None:
        wanted = unbroken.kind.settings | {"initial_weights": str(unbroken.path / "model")}
        config = read_train_config(unbroken.kind.write_config(tmp_path / "c.yaml", unbroken.data, **wanted))
        weights, theirs = (
            weights_of(trainer_of(config, RunFolder(tmp_path / "run", config))),
            trainings.model_weights(unbroken.path),
        )
        assert all(np.array_equal(array, theirs[name]) for name, array in weights.items())

    def test_other_labels_are_refused(self, unbroken: Unbroken, tmp_path: Path) -> None:
        config = read_train_config(unbroken.file)
        RunFolder(tmp_path / "run", config).save({}, Progress(9, 1, 1.0, "float32", "other labels", (0.0, 0.0), 0))
        with pytest.raises(OutputExistsError, match="labels have changed since the run"):
            trainer_of(config, RunFolder(tmp_path / "run", config))
        assert trainer_of(config, RunFolder(tmp_path / "run", config, restart=True)).step == 0


@pytest.fixture(scope="module")
def learnt(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run on two pictures. It is measured once, so that the network that is kept is the last one."""
    folder = tmp_path_factory.mktemp("learnt")
    phase = {"steps": 90, "crop": 128, "batch_size": 4, "warm_up": 4, "learning_rate": 0.005}
    names = [f"labeled-data/m1/img{number:04d}.png" for number in range(2, 8)]
    changes = {"phases": [phase], "held_out": names, "weight_decay": 0, "checkpoint_every": 1000}
    file = trainings.write_config(folder / "c.yaml", project, **changes)
    return folder / "run", train(file, folder / "run")


@pytest.mark.slow
class TestPoses:
    def test_two_pictures_are_learnt_by_heart(self, learnt: tuple[Path, Any]) -> None:
        told = trainings.rows(learnt[0] / "losses.csv")
        assert float(told[-1]["scoremap_loss"]) < float(told[0]["scoremap_loss"]) / 3
        assert float(told[-1]["locref_loss"]) < float(told[0]["locref_loss"])

    def test_openvino_gives_what_keras_gave(self, learnt: tuple[Path, Any]) -> None:
        from posecli.training.poses.objective import predict

        run, trainer = learnt
        image = read_image(trainer.objective.data.train[0].frames[0].image)[None]
        ours = predict(trainer.model, image)
        theirs = posecli.load_model(run / "model").engine(*image.shape[1:3])(image)
        assert isinstance(theirs, Maps)
        assert ours.locref is not None
        assert theirs.locref is not None
        np.testing.assert_allclose(ours.scoremap, theirs.scoremap, atol=1e-4)
        np.testing.assert_allclose(ours.locref, theirs.locref, atol=1e-4)
        kept = trainings.model_weights(run)
        assert all(np.array_equal(array, kept[name]) for name, array in weights_of(trainer).items())

    def test_bf16_keeps_weights_and_outputs_in_float32_also_after_a_break(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from posecli.training import loop
        from posecli.training.loop import computes_bf16

        if not computes_bf16():
            pytest.skip("this processor does not compute in bfloat16")
        file = trainings.write_config(tmp_path / "c.yaml", project, phases=[SHORT | {"steps": 3}], precision="auto")
        monkeypatch.setattr(loop, "fastest_policy", lambda precision, trial: "mixed_bfloat16")
        with pytest.raises(KeyboardInterrupt):
            train(file, tmp_path / "run", interrupted_at(3))
        monkeypatch.setattr(loop, "fastest_policy", lambda precision, trial: pytest.fail("measured again"))
        trainer = train(file, tmp_path / "run")
        assert trainer.policy == "mixed_bfloat16"
        assert trainer.model.get_layer("resnet_v1_50__conv1").compute_dtype == "bfloat16"
        outputs = trainer.model(np.zeros((1, 64, 64, 3), np.float32))
        assert {str(output.dtype).rpartition("'")[0][-7:] for output in outputs.values()} == {"float32"}
        assert {array.dtype for array in trainings.model_weights(tmp_path / "run").values()} == {np.dtype(np.float32)}
        assert np.isfinite(float(trainings.rows(tmp_path / "run" / "losses.csv")[-1]["scoremap_loss"]))

    def test_a_loss_that_is_no_number_ends_the_run(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import keras

        monkeypatch.setattr(
            keras.Model, "train_on_batch", lambda *_, **__: {"scoremap_loss": np.nan, "locref_loss": 1.0}
        )
        with pytest.raises(UsageError, match="the loss is nan at step 1: begin anew with a lower learning_rate"):
            train(trainings.write_config(tmp_path / "c.yaml", project), tmp_path / "run")

    def test_another_laboratorys_project(self, tmp_path: Path) -> None:
        project = trainings.write_other_project(tmp_path / "their project", "path")
        file = trainings.write_config(
            tmp_path / "c.yaml",
            project,
            phases=[FROZEN | {"steps": 1, "crop": 96, "framing": "frames"}],
            augment={"scales": [1, 0.5]},
            mirror_pairs=[["paw left", "paw right"]],
        )
        train(file, tmp_path / "run")
        model = posecli.load_model(tmp_path / "run" / "model")
        assert model.description.bodyparts == ("nose", "paw left", "paw right", "hip", "tail#1")
        assert model.predict(np.zeros((1, 97, 131, 3), np.uint8)).shape == (1, 5, 3)
        assert {(row["source"], row["scale"]) for row in trainings.rows(tmp_path / "run" / "errors.csv")} == {
            ("labels", "1.0"),
            ("labels", "0.5"),
        }


@pytest.mark.slow
class TestBehaviours:
    def test_without_anything_held_out_the_last_snapshot_is_kept(self, tmp_path: Path) -> None:
        table = clip_trainings.write_data(tmp_path / "data", 1)
        trainer = train(clip_trainings.write_config(tmp_path / "c.yaml", table, evaluate_every=2), tmp_path / "run")
        assert read_clip_folder(tmp_path / "run" / "model").description.source["step"] == 4
        assert "no video is held out" in trainer.objective.notes[0]

    def test_two_motions_are_told_apart_but_not_by_a_still(self, tmp_path: Path) -> None:
        table = clip_trainings.write_data(tmp_path / "data", 8)
        phase = {"steps": 110, "batch_size": 8, "warm_up": 10, "learning_rate": 0.005}
        calm = {"zoom": 0, "speed": 0, "light": 0.2, "noise": 0}

        def accuracy(*, still: bool) -> float:
            file = clip_trainings.write_config(
                tmp_path / "c.yaml",
                table,
                phases=[phase],
                augment=calm,
                dropout=0,
                held_out_videos=["across1.mp4", "updown1.mp4"],
                evaluate_every=1000,
                checkpoint_every=1000,
                clips={"length": 9, "height": 32, "width": 32, "still": still},
            )
            run = tmp_path / f"run-{still}"
            train(file, run)
            return float(trainings.rows(run / "accuracy.csv")[-1]["balanced_accuracy"])

        assert accuracy(still=False) > 0.9 > accuracy(still=True)


@pytest.mark.slow
class TestBreaks:
    @pytest.mark.parametrize("unbroken", ["poses"], indirect=True)
    def test_ctrl_c_waits_for_the_step_and_the_run_ends_as_an_unbroken_one(
        self, tmp_path: Path, unbroken: Unbroken
    ) -> None:
        def press(step: int) -> None:
            if step == 3:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            train(unbroken.file, tmp_path / "run", press)
        saved = saved_in(tmp_path / "run", unbroken.file)
        assert (saved.step, saved.summed) == (3, 3)
        last = trainings.rows(tmp_path / "run" / unbroken.kind.measures)[-1]
        assert last["step"] == "3", "what was due was measured before"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        steps: list[int] = []
        train(unbroken.file, tmp_path / "run", steps.append)
        assert steps == [4, 5, 6, 7, 8, 9]
        check_equal(tmp_path / "run", unbroken)

    @pytest.mark.parametrize("unbroken", ["behaviours"], indirect=True)
    def test_a_killed_run_ends_as_an_unbroken_one(self, tmp_path: Path, unbroken: Unbroken) -> None:
        trainings.train_until_killed(unbroken.file, tmp_path / "run", 7, "support.clip_trainings", LOSSES_EVERY)
        assert saved_in(tmp_path / "run", unbroken.file).step == 6
        train(unbroken.file, tmp_path / "run")
        check_equal(tmp_path / "run", unbroken)


class TestHeldBackInterrupts:
    def test_the_first_is_noted_and_the_second_raised(self) -> None:
        from posecli.training.loop import held_back_interrupts

        with held_back_interrupts() as interrupted:
            assert not interrupted.is_set()
            signal.raise_signal(signal.SIGINT)
            assert interrupted.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_the_handler_comes_back_after_an_error(self) -> None:
        from posecli.training.loop import held_back_interrupts

        with pytest.raises(ValueError, match="x"), held_back_interrupts():
            raise ValueError("x")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_where_the_signal_is_ignored_it_stays_so(self) -> None:
        from posecli.training.loop import held_back_interrupts

        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with held_back_interrupts() as interrupted:
                signal.raise_signal(signal.SIGINT)
            assert not interrupted.is_set()
        finally:
            signal.signal(signal.SIGINT, before)

    def test_other_threads_change_no_handler(self) -> None:
        from posecli.training.loop import held_back_interrupts

        seen = []

        def work() -> None:
            with held_back_interrupts() as interrupted:
                seen.append((interrupted.is_set(), signal.getsignal(signal.SIGINT)))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [(False, signal.default_int_handler)]


@pytest.mark.slow
class TestCommandLine:
    def test_ctrl_c(self, project: Path, tmp_path: Path) -> None:
        file = trainings.write_config(tmp_path / "my c.yaml", project, phases=[SHORT | {"steps": 100_000}])
        process = subprocess.Popen(
            [sys.executable, str(SMALL_NETWORK), "train", str(file), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        run = tmp_path / "tiny-training"
        while not (run / "state.safetensors").is_file():
            assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130
        assert "Interrupted: finished work is kept." in err
        assert "Traceback" not in err
        assert out == ""
        assert saved_in(run, file).step >= 2
        assert not list(run.glob("*.partial"))

    def test_poses_with_odd_paths(self, project: Path, tmp_path: Path) -> None:
        folder = tmp_path / "odd 'folder' #1 ü"
        file = trainings.write_config(folder / "my c.yaml", project)
        done = self.run(file, folder / "my run")
        first, *_, last = done.stdout.splitlines()
        assert "resnet_50 for red, green, blue; training for 4 steps, tensorflow, float32" in first
        assert last == f"trained 4 steps: {folder / 'my run' / 'model'}"
        assert "held out, labels, scale 1: mean" in done.stdout
        assert "step 4 of 4: scoremap loss" in done.stderr
        again = self.run(file, folder / "my run", "--json")
        assert "is trained already: pass --restart to begin anew" in again.stderr
        result = json.loads(again.stdout)
        assert result["model"] == str(folder / "my run" / "model")
        assert (result["steps"], result["last_errors"][0]["step"]) == (4, 4)

    def test_behaviours_of_a_scene(self, tmp_path: Path) -> None:
        data = [{"scene": "home-cage", "seeds": 2, "held_out_seeds": 1, "frames": 400}]
        scene = open_scene(SceneOptions("home-cage", 32, 32, 400, seed=1_000_000))
        classes = sorted({scene.behaviours[label] for label in scene.labels()[10:-10]})
        file = clip_trainings.write_config(tmp_path / "c.yaml", None, data=data, classes=classes)
        done = self.run(file, tmp_path / "my run")
        first, *_, last = done.stdout.splitlines()
        assert f"i3d of width 0.1 for {', '.join(classes)}, from 9 frames" in first
        assert "training for 4 steps, tensorflow, float32" in first
        assert "held out, home-cage: balanced accuracy" in done.stdout
        assert "step 4 of 4: loss" in done.stderr
        assert last == f"trained 4 steps: {tmp_path / 'my run' / 'model'}"
        again = self.run(file, tmp_path / "my run", "--json")
        assert json.loads(again.stdout)["last_accuracies"][0]["step"] == 4
        assert read_clip_folder(tmp_path / "my run" / "model").description.classes == tuple(classes)

    def run(self, file: Path, folder: Path, *options: str) -> Any:
        done = CliRunner().invoke(cli, ["train", str(file), "--out", str(folder), *options], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return done


@pytest.mark.slow
def test_a_mobilenet_learns_and_stores_its_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mobilenet, "BLOCKS", mobilenet.BLOCKS[:7])
    data = labels.write_project(tmp_path / "project", 8)
    phases = [{"steps": 12, "crop": 64, "batch_size": 4, "warm_up": 1}]
    file = trainings.write_config(tmp_path / "c.yaml", data, net_type="mobilenet_v2_0.35", phases=phases)
    trainer = train(file, tmp_path / "run")
    losses = [float(row["scoremap_loss"]) for row in trainings.rows(tmp_path / "run" / "losses.csv")]
    assert losses[-1] < losses[0]
    model = read_model_folder(tmp_path / "run" / "model")
    assert model.description.layout == {"statistics": "stored"}
    assert model.description.scorer == "DLC_mobnet_35_tinyshuffle1_12"
    variance = model.weights()["MobilenetV2/expanded_conv_6/depthwise/BatchNorm/moving_variance"]
    assert not np.allclose(variance, 1.0)
    images = read_image(next((data / "labeled-data").glob("*/*.png")))[None]
    maps = posecli.load_model(model.path, posecli.EngineOptions("openvino", "fp32")).engine(*images.shape[1:3])(images)
    assert isinstance(maps, Maps)
    assert np.ptp(maps.scoremap) > 0
    assert trainer.step == 12
