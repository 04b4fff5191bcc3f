"""``posecli train``: labels, intervals and scenes to a model folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli import __version__
from posecli.cli.base import PATH, Command, Output, duration, project_options
from posecli.errors import EngineError, UsageError
from posecli.options import PRECISIONS, Precision
from posecli.support.words import counted, readable

if TYPE_CHECKING:
    from posecli.inference.predictor import PoseModel
    from posecli.model.deeplabcut import NetworkChoice
    from posecli.precision.gate import Figures
    from posecli.training.config import PoseConfig, TrainConfig
    from posecli.training.loop import Trainer, TrainingObserver
    from posecli.training.objective import MeasureRow, Row
    from posecli.training.poses.distill import DistillObserver, Speeds
    from posecli.training.state import RunFolder

#: Frames between lines on how far the teacher is; frames per second of video of which hours are told.
LOOKED_EVERY = 100
FRAME_RATE = 30


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
        posecli train configs/train-mouse-from-above.yaml -o mouse-from-above
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
        _prepare_framework()
        from posecli.training.loop import Trainer

        Trainer(wanted, run, _printed(wanted, run, output)).train()
    last = run.errors[-1].step if run.errors else wanted.steps
    output.say(f"trained {wanted.steps} steps: {run.model}")
    measured = [vars(row) for row in run.errors if row.step == last]
    output.result({"model": str(run.model), "steps": wanted.steps, wanted.MEASURES.LAST_KEY: measured})


@click.command(cls=Command)
@click.argument("model", type=PATH)
@click.argument("videos", nargs=-1, required=True)
@click.option("-o", "--out", "student", type=PATH, required=True, help="Model folder to make.")
@click.option(
    "--budget",
    default="30min",
    help="Time for the teacher's look at the frames and for training, about: 90s, 30min, 1.5h.",
)
@click.option("--steps", type=int, help="Training steps, instead of as many as the budget allows.")
@click.option("--network", "net_type", default="compact_16", help="Network of the student, one that 'train' knows.")
@click.option("--frames", default=1500, help="Frames to learn from, at most; of all videos together.")
@click.option(
    "--held-out",
    multiple=True,
    metavar="NAME[:FIRST-LAST]",
    help="Video (its name, or the end of its path), or frames of one, that the student never learns from; may be given "
    "several times.  [stretches of every video, a tenth of it, and of many videos some as a whole]",
)
@click.option("--labels", type=PATH, help="DeepLabCut project whose labelled frames are learned from too.")
@click.option("--initial-weights", default="scratch", help="scratch, or a model folder of the same network.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="auto", help="Of the teacher, behind the gate.")
@click.option("--seed", default=0, help="Of all that is drawn.")
@click.option("--overwrite", is_flag=True, help="Replace a student that is there, and begin anew.")
@project_options
def distill(
    model: Path,
    videos: tuple[str, ...],
    student: Path,
    budget: str,
    precision: Precision,
    overwrite: bool,
    network: NetworkChoice,
    output: Output,
    **flags: Any,
) -> None:
    """Train a small network, a student, on what MODEL says of frames of VIDEOS; no labels are needed.

    MODEL is what 'posecli analyze --model' takes. The student learns one scene, that of the videos. Stretches of them
    are held out, and the student's model folder tells how far it is from its teacher there ('posecli model info').
    After an interruption the same command continues where it stopped.

    \b
    Examples:
        posecli distill openfield-model videos/ -o openfield-student
        posecli distill my-model day1.mp4 day2.mp4 --budget 1h -o my-student
    """
    seconds = parse_duration(budget)
    _prepare_framework()
    from posecli.inference.predictor import load_model
    from posecli.options import EngineOptions
    from posecli.training.poses.distill import DistillOptions
    from posecli.training.poses.distill import distill as distilled_from
    from posecli.video.find import find_videos

    options = DistillOptions(budget=seconds, **flags)
    teacher = load_model(model, EngineOptions(precision=precision), network)
    found = find_videos(videos)
    if found.passed_over:
        output.say(f"passed over: {found.passed_over}")
    made = distilled_from(teacher, found.videos, student, options, _distilling(output), overwrite=overwrite)
    for name, line in made.record.lines:
        output.say(f"  {name}: {line}")
    output.say(f"distilled in {made.record.lessons.steps} steps: {made.folder.path}")
    output.result(made.as_dict())


def _distilling(output: Output) -> DistillObserver:
    """What prints how a distillation goes."""
    from posecli.training.poses import distill as module

    class PrintedDistillation(module.DistillObserver):
        """Prints how a distillation goes."""

        def gated(self, figures: Sequence[Figures], teacher: PoseModel) -> None:
            for each in figures:
                output.say(f"parity gate: {each}: {'passes' if each.passed else 'does not pass'}")
            output.say(f"teacher: {teacher.description.scorer} in {teacher.options.fixed_precision}")

        def looked(self, done: int, total: int, frames_per_second: float) -> None:
            if done == total or done // LOOKED_EVERY != (done - 1) // LOOKED_EVERY:
                left = duration((total - done) / frames_per_second)
                output.progress(f"teacher: {done} of {total} frames, {frames_per_second:.1f} frames/s, {left} left")

        def settled(self, steps: int, speeds: Speeds, seconds: float) -> None:
            hours = module.worth_it_from(speeds, seconds) / (3600 * FRAME_RATE)
            worth = f"what takes {duration(seconds)} to make pays off from {counted(hours, 'hour')} of video on"
            if hours == float("inf"):
                worth = "it saves no time here"
            output.say(
                f"student: {steps} steps; on whole frames the teacher makes {readable(speeds.teacher)} frames/s and "
                f"the student {readable(speeds.student)} in fp32: {worth} (at {FRAME_RATE} frames/s)"
            )

        def trains(self, config: PoseConfig, run: RunFolder) -> TrainingObserver:
            return _printed(config, run, output)

    return PrintedDistillation()


def parse_duration(text: str) -> float:
    """Seconds in a text such as ``90s``, ``30min`` or ``1.5h``; a number alone is minutes.

    >>> parse_duration("90s"), parse_duration("30min"), parse_duration("1.5 h"), parse_duration("20")
    (90.0, 1800.0, 5400.0, 1200.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|m|h|)", text.strip())
    if found is None:
        raise UsageError(f"'{text}' is not a time: give it as in 90s, 30min or 1.5h")
    return float(found[1]) * {"s": 1, "h": 3600}.get(found[2], 60)


def _printed(config: TrainConfig, run: RunFolder, output: Output) -> TrainingObserver:
    """What prints how training goes."""
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

    return PrintedProgress()


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
