"""``posecli train``: labels, intervals and scenes to a model folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecli import __version__
from posecli.cli.base import PATH, Command, Output, duration
from posecli.errors import EngineError

if TYPE_CHECKING:
    from posecli.training.config import TrainConfig
    from posecli.training.loop import Trainer
    from posecli.training.objective import MeasureRow, Row
    from posecli.training.state import RunFolder


@click.command(cls=Command, config=False)
@click.argument("config", type=PATH)
@click.option(
    "-o", "--out-dir", "--out", "folder", type=PATH, help="Folder of the run.  [<name>-training beside CONFIG]"
)
@click.option(
    "--restart", "--overwrite", "restart", is_flag=True, help="Throw away what an earlier run left in the folder."
)
def train(config: Path, folder: Path | None, restart: bool, output: Output) -> None:
    """Train a network as CONFIG.yaml says, from labelled frames, synthetic scenes, or both.

    Settings that name 'bodyparts', or none, are for a pose network; those that name 'classes' are for a network that
    tells behaviours apart, and take labelled intervals of videos.

    The run's folder gets the best network (model/), losses.csv, errors.csv or accuracy.csv, curves.png, and what was
    held out (split.yaml). After an interruption the same command continues where it stopped. Keras' backend is
    TensorFlow, or the one that the environment variable KERAS_BACKEND names.

    \b
    Example:
        posecli train configs/train-mouse-from-above.yaml --out-dir mouse-from-above
        posecli train configs/train-home-cage.yaml --out-dir home-cage
    """
    from posecli.training import read_train_config
    from posecli.training.state import RunFolder

    wanted = read_train_config(config)
    run = RunFolder(folder or config.parent / f"{wanted.name}-training", wanted, restart=restart)
    saved = run.load()
    if saved is not None and saved[1].step == wanted.steps:
        output.say(f"'{run.path}' is trained already: pass --restart to begin anew")
    else:
        _train(wanted, run, output)
    last = run.errors[-1].step if run.errors else wanted.steps
    output.say(f"trained {wanted.steps} steps: {run.model}")
    measured = [vars(row) for row in run.errors if row.step == last]
    output.result({"model": str(run.model), "steps": wanted.steps, wanted.MEASURES.LAST_KEY: measured})


def _train(config: TrainConfig, run: RunFolder, output: Output) -> None:
    _prepare_framework()
    from posecli.training import loop

    class PrintedProgress(loop.TrainingObserver):
        """Prints how training goes."""

        def started(self, trainer: Trainer) -> None:
            self._start, self._first = time.monotonic(), trainer.step
            goes_on = f"going on after step {trainer.step} of" if trainer.step else "training for"
            output.say(
                f"posecli {__version__}: {trainer.objective.subject}; {goes_on} {config.steps} steps, "
                f"{trainer.backend}, {trainer.policy}"
            )
            for note in trainer.objective.notes:
                output.warn(f"Note: {note}")

        def stepped(self, step: int, row: Row | None) -> None:
            if row is None:
                return
            speed = (step - self._first) / (time.monotonic() - self._start)
            left = duration((config.steps - step) / speed)
            output.progress(f"step {step} of {config.steps}: {row.text}, {left} left")

        def measured(self, rows: list[MeasureRow], *, best: bool) -> None:
            for row in rows:
                output.say(f"  held out, {row.text}")
            if best:
                output.say(f"  best so far: {run.model}")

    loop.Trainer(config, run, PrintedProgress()).train()


def _prepare_framework() -> None:
    """TensorFlow without its notices, unless Keras is told to use something else."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend == "tensorflow":
        from posecli.support.tensorflow import import_tensorflow

        import_tensorflow()
        return
    try:
        import keras  # noqa: F401
    except (ImportError, ValueError) as error:
        raise EngineError(
            f"Keras cannot use KERAS_BACKEND={backend} ({error}): install it, or unset the variable"
        ) from error
