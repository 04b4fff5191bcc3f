"""Training itself, with a small network: what it learns, what it keeps, and that a break leaves no trace."""

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
from support import labels, trainings
from support.small_network import shrink

import posecli
from posecli.engine.outputs import Maps
from posecli.errors import OutputExistsError, UsageError
from posecli.labels import read_image
from posecli.network.tensorflow_runtime import import_tensorflow
from posecli.training.config import AnyConfig, read_train_config
from posecli.training.pose_config import PoseConfig
from posecli.training.state import RunFolder

pytestmark = pytest.mark.slow

SMALL_NETWORK = Path(__file__).resolve().parents[1] / "support" / "small_network.py"
#: A phase of each kind. Losses are told, errors measured and states kept at steps that do not coincide.
PHASES: list[dict[str, Any]] = [
    {"steps": 5, "crop": 64, "batch_size": 2, "warm_up": 1},
    {"steps": 4, "crop": 96, "batch_size": 2, "warm_up": 0, "framing": "frames", "batch_norm": "frozen"},
]
EVERY = {"evaluate_every": 3, "checkpoint_every": 2}
LOSSES_EVERY = 4


@pytest.fixture(scope="module", autouse=True)
def small_network() -> Iterator[None]:
    import_tensorflow()
    from posecli.training import loop

    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        patch.setattr(loop, "LOSS_EVERY", LOSSES_EVERY)
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labels.write_project(tmp_path_factory.mktemp("data") / "project", 8)


def settings(project: Path, folder: Path, **changes: Any) -> PoseConfig:
    config = read_train_config(
        trainings.write_config(folder / "c.yaml", project, **({"phases": PHASES} | EVERY | changes))
    )
    assert isinstance(config, PoseConfig)
    return config


def train(config: AnyConfig, folder: Path, at: Callable[[int], None] = lambda step: None, **options: bool) -> Any:
    """Train, or go on, calling `at` after each step; the trainer."""
    from posecli.training.loop import Trainer, TrainingObserver

    class Observer(TrainingObserver):
        def stepped(self, step: int, row: object) -> None:
            at(step)

    trainer = Trainer(config, RunFolder(folder, config, **options), Observer())
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def unbroken(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("unbroken")
    return folder / "run", train(settings(project, folder), folder / "run")


def skip_without_bf16() -> None:
    from posecli.training.precision import computes_bf16

    if not computes_bf16():
        pytest.skip("this processor does not compute in bfloat16")


def check_equal(run: Path, unbroken: Path) -> None:
    """Same steps, losses, errors and weights, to the bit; only how fast it went may differ."""
    for name in ("losses.csv", "errors.csv"):
        ours, theirs = (trainings.rows(folder / name) for folder in (run, unbroken))
        assert [without_speed(row) for row in ours] == [without_speed(row) for row in theirs], name
    weights, expected = trainings.model_weights(run), trainings.model_weights(unbroken)
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not np.array_equal(weights[name], expected[name])] == []
    for name in ("split.yaml", "training.yaml"):
        assert (run / name).read_text() == (unbroken / name).read_text()


def without_speed(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "steps_per_second"}


class TestRun:
    def test_what_a_run_leaves(self, unbroken: tuple[Path, Any]) -> None:
        run, _ = unbroken
        names = {path.name for path in run.iterdir()}
        assert names == {
            "training.yaml", "split.yaml", "losses.csv", "errors.csv", "curves.png", "curves.svg", "model",
            "state.safetensors",
        }  # fmt: skip
        assert [row["step"] for row in trainings.rows(run / "losses.csv")] == ["4", "5", "8", "9"]
        assert [row["phase"] for row in trainings.rows(run / "losses.csv")] == ["0", "0", "1", "1"]
        assert [row["step"] for row in trainings.rows(run / "errors.csv")] == ["3", "5", "6", "9"]
        assert (run / "state.safetensors").stat().st_size < 10_000, "what is needed only to go on is gone"
        split = trainings.settings_of(run / "split.yaml")
        assert (len(split["train"]), len(split["test"])) == (6, 2)
        assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")

    def test_the_model_says_what_made_it(self, unbroken: tuple[Path, Any]) -> None:
        run, trainer = unbroken
        model = posecli.load_model(run / "model")
        assert model.description.scorer == "DLC_resnet50_tinyshuffle1_9"
        assert model.description.bodyparts == labels.BODYPARTS
        assert model.description.pcutoff == 0.6
        source = model.description.source
        assert source["kind"] == "trained by posecli"
        assert (source["backend"], source["arithmetic"]) == ("tensorflow", "float32")
        assert source["config"]["seed"] == 0
        best = min(trainer.run.errors, key=lambda row: row.mean_px)
        assert source["step"] == best.step
        assert source["held_out_errors"][0]["mean_px"] == best.mean_px

    def test_openvino_gives_what_keras_gave(self, project: Path, tmp_path: Path) -> None:
        from posecli.network.folding import fold_batch_norm
        from posecli.network.pose import read_weights

        # Nothing is held out, so that the network that is kept is the last one, which is at hand.
        trainer = train(settings(project, tmp_path, held_out=[]), tmp_path / "run")
        image = read_image(trainer.task.data.train[0].frames[0].image)[None]
        ours = trainer.task.predict(trainer.network, image)
        model = posecli.load_model(tmp_path / "run" / "model")
        theirs = model.engine(*image.shape[1:3])(image)
        assert isinstance(theirs, Maps)
        assert ours.locref is not None
        assert theirs.locref is not None
        np.testing.assert_allclose(ours.scoremap, theirs.scoremap, atol=1e-4)
        np.testing.assert_allclose(ours.locref, theirs.locref, atol=1e-4)
        folded = fold_batch_norm(read_weights(trainer.network), "resnet_50", 3)
        assert all(np.array_equal(array, model.folder.folded_weights()[name]) for name, array in folded.items())

    def test_frozen_normalisation_stays_and_trains_as_it_infers(self, project: Path, tmp_path: Path) -> None:
        from posecli.network.pose import read_weights
        from posecli.training.loop import Trainer, TrainingObserver

        seen: dict[str, Any] = {}
        config = settings(project, tmp_path)

        class Observer(TrainingObserver):
            def stepped(self, step: int, row: object) -> None:
                if step == 5:
                    seen["before"] = read_weights(trainer.network)

        trainer = Trainer(config, RunFolder(tmp_path / "run", config), Observer())
        start = read_weights(trainer.network)
        trainer.train()
        after, before = read_weights(trainer.network), seen["before"]
        norms = [name for name in after if "/BatchNorm/" in name]
        assert all(np.array_equal(after[name], before[name]) for name in norms)
        assert not any(np.array_equal(start[name], before[name]) for name in norms if "moving" in name)
        assert not np.array_equal(after["resnet_v1_50/conv1/weights"], before["resnet_v1_50/conv1/weights"])
        images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
        as_training = trainer.network(images, training=True)
        as_inference = trainer.network(images, training=False)
        for head in ("scoremap", "locref"):
            np.testing.assert_array_equal(np.asarray(as_training[head]), np.asarray(as_inference[head]))

    def test_two_pictures_are_learnt_by_heart(self, project: Path, tmp_path: Path) -> None:
        phase = {"steps": 80, "crop": 128, "batch_size": 4, "warm_up": 4, "learning_rate": 0.005}
        names = [f"labeled-data/m1/img{number:04d}.png" for number in range(2, 8)]
        config = settings(project, tmp_path, phases=[phase], held_out=names, weight_decay=0, evaluate_every=1000)
        train(config, tmp_path / "run")
        told = trainings.rows(tmp_path / "run" / "losses.csv")
        first, last = float(told[0]["scoremap_loss"]), float(told[-1]["scoremap_loss"])
        assert last < first / 3
        assert float(told[-1]["locref_loss"]) < float(told[0]["locref_loss"])

    def test_bf16_keeps_weights_and_outputs_in_float32(self, project: Path, tmp_path: Path) -> None:
        skip_without_bf16()
        phase = {"steps": 2, "crop": 64, "batch_size": 2, "warm_up": 1}
        trainer = train(settings(project, tmp_path, phases=[phase], precision="bf16"), tmp_path / "run")
        assert trainer.policy == "mixed_bfloat16"
        assert trainer.network.get_layer("resnet_v1_50__conv1").compute_dtype == "bfloat16"
        outputs = trainer.network(np.zeros((1, 64, 64, 3), np.float32))
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
            train(settings(project, tmp_path), tmp_path / "run")

    @pytest.mark.parametrize("index", ["parts", "path"])
    def test_another_laboratorys_project(self, tmp_path: Path, index: str) -> None:
        project = trainings.write_other_project(tmp_path / "their project", index)
        phases = [{"steps": 2, "crop": 64, "batch_size": 2, "warm_up": 1}, PHASES[1] | {"steps": 1}]
        augment = {"scales": [1, 0.5]}
        config = settings(
            project,
            tmp_path,
            phases=phases,
            augment=augment,
            mirror_pairs=[["paw left", "paw right"]],
            evaluate_every=9,
        )
        train(config, tmp_path / "run")
        model = posecli.load_model(tmp_path / "run" / "model")
        assert model.description.bodyparts == ("nose", "paw left", "paw right", "hip", "tail#1")
        assert model.predict(np.zeros((1, 97, 131, 3), np.uint8)).shape == (1, 5, 3)
        assert {(row["source"], row["scale"]) for row in trainings.rows(tmp_path / "run" / "errors.csv")} == {
            ("labels", "1.0"),
            ("labels", "0.5"),
        }


class TestBreaks:
    @pytest.mark.parametrize("step", [1, 5, 7])
    def test_an_interrupted_run_ends_as_an_unbroken_one(
        self, project: Path, tmp_path: Path, unbroken: tuple[Path, Any], step: int
    ) -> None:
        def interrupt(done: int) -> None:
            if done == step:
                raise KeyboardInterrupt

        config = settings(project, unbroken[0].parent)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", interrupt)
        steps: list[int] = []
        train(config, tmp_path / "run", steps.append)
        assert steps == list(range(steps[0], 10))
        assert 0 < steps[0] <= step + 1
        check_equal(tmp_path / "run", unbroken[0])

    def test_ctrl_c_waits_for_the_step_and_keeps_it(
        self, project: Path, tmp_path: Path, unbroken: tuple[Path, Any]
    ) -> None:
        def press(done: int) -> None:
            if done == 3:
                os.kill(os.getpid(), signal.SIGINT)

        config = settings(project, unbroken[0].parent)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", press)
        saved = RunFolder(tmp_path / "run", config).load()
        assert saved is not None
        assert (saved[1].step, saved[1].summed) == (3, 3)
        assert trainings.rows(tmp_path / "run" / "errors.csv")[-1]["step"] == "3", "what was due was measured before"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        train(config, tmp_path / "run")
        check_equal(tmp_path / "run", unbroken[0])

    def test_a_killed_run_ends_as_an_unbroken_one(
        self, project: Path, tmp_path: Path, unbroken: tuple[Path, Any]
    ) -> None:
        config = unbroken[0].parent / "c.yaml"
        trainings.train_until_killed(config, tmp_path / "run", 7, "support.small_network", LOSSES_EVERY)
        saved = RunFolder(tmp_path / "run", read_train_config(config)).load()
        assert saved is not None
        assert saved[1].step == 6
        train(read_train_config(config), tmp_path / "run")
        check_equal(tmp_path / "run", unbroken[0])

    def test_a_finished_run_is_not_trained_again(self, project: Path, unbroken: tuple[Path, Any]) -> None:
        before = {path.name: path.read_bytes() for path in unbroken[0].iterdir() if path.is_file()}
        train(settings(project, unbroken[0].parent), unbroken[0], lambda step: pytest.fail("trained"))
        assert {path.name: path.read_bytes() for path in unbroken[0].iterdir() if path.is_file()} == before

    def test_other_labels_are_refused(self, tmp_path: Path) -> None:
        project = labels.write_project(tmp_path / "project", 8)
        phase = {"steps": 2, "crop": 64, "batch_size": 2, "warm_up": 1}
        config = settings(project, tmp_path, phases=[phase])
        train(config, tmp_path / "run")
        names = [f"img{number:04d}.png" for number in range(8)]
        labels.save_labels(labels.label_frame(labels.dots(8) + 1, names), project / "labeled-data" / "m1")
        with pytest.raises(OutputExistsError, match="labels have changed since the run"):
            train(config, tmp_path / "run")
        train(config, tmp_path / "run", restart=True)

    def test_the_arithmetic_of_the_first_part_is_kept(
        self, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from posecli.training import loop

        skip_without_bf16()
        phase = {"steps": 3, "crop": 64, "batch_size": 2, "warm_up": 1}
        config = settings(project, tmp_path, phases=[phase], precision="auto")
        monkeypatch.setattr(loop, "fastest_policy", lambda precision, trial: "mixed_bfloat16")

        def interrupt(done: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "run", interrupt)
        monkeypatch.setattr(loop, "fastest_policy", lambda precision, trial: pytest.fail("measured again"))
        assert train(config, tmp_path / "run").policy == "mixed_bfloat16"


def test_ctrl_c_at_the_command_line(project: Path, tmp_path: Path) -> None:
    phase = {"steps": 100_000, "crop": 64, "batch_size": 2, "warm_up": 1}
    config = trainings.write_config(tmp_path / "my c.yaml", project, phases=[phase])
    process = subprocess.Popen(
        [sys.executable, str(SMALL_NETWORK), "train", str(config), "--json"],
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
    assert "Interrupted: what was finished is kept." in err
    assert "Traceback" not in err
    assert out == ""
    saved = RunFolder(run, read_train_config(config)).load()
    assert saved is not None
    assert saved[1].step >= 2
    assert not list(run.glob("*.partial"))


def test_from_the_command_line_with_odd_paths(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd 'folder' #1 ü"
    config = trainings.write_config(folder / "my c.yaml", project)
    command = [sys.executable, str(SMALL_NETWORK), "train", str(config), "--out", str(folder / "my run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert "resnet_50 for red, green, blue; training for 4 steps, tensorflow, float32" in first
    assert last == f"trained 4 steps: {folder / 'my run' / 'model'}"
    assert "held out, labels, scale 1: mean" in done.stdout
    assert "step 4 of 4: scoremap loss" in done.stderr
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "is trained already: pass --restart to begin anew" in again.stderr
    result = json.loads(again.stdout)
    assert result["model"] == str(folder / "my run" / "model")
    assert (result["steps"], result["last_errors"][0]["step"]) == (4, 4)
