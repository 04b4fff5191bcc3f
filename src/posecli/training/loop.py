"""The training loop of every network: phases, checkpoints, held-out measures, the best snapshot as a model folder."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.engine.keras_layers import assign_weights, read_weights
from posecli.engine.openvino_core import openvino_core
from posecli.errors import OutputExistsError, PrecisionError, UsageError
from posecli.labels.data import write_split
from posecli.model.folder import write_folder
from posecli.training.behaviours.objective import BehaviourObjective
from posecli.training.config import BehaviourConfig, Phase, PoseConfig, TrainConfig
from posecli.training.objective import AHEAD, MeasureRow, Objective, Row, TrainingBatch, Trial, batches
from posecli.training.poses.objective import PoseObjective
from posecli.training.state import SPLIT_FILE, Progress, RunFolder

#: Steps between rows of losses.
LOSS_EVERY = 25
#: The learning rate ends at this part of its peak.
LAST_PART = 0.01
#: Arithmetic: float32, or bfloat16 products with float32 weights.
FLOAT32 = "float32"
MIXED = "mixed_bfloat16"
#: Repeats of the trial; the first call, which compiles, does not count.
TRIAL_CALLS = 3
#: Steps of which the last ones say how fast a run is.
PACE_STEPS = 25
#: What the settings of each kind of network train.
OBJECTIVES: dict[type[TrainConfig], Callable[[Any], Objective]] = {
    PoseConfig: PoseObjective,
    BehaviourConfig: BehaviourObjective,
}


class TrainingObserver:
    """Hears how training goes; this one does nothing."""

    def started(self, trainer: Trainer) -> None:
        """Training begins, or goes on after ``trainer.step`` steps."""

    def stepped(self, step: int, row: Row | None) -> None:
        """A step is done; now and then with mean losses."""

    def measured(self, rows: list[MeasureRow], *, best: bool) -> None:
        """Held-out examples were measured; the snapshot is the best so far or not."""


class Trainer:
    """One training run; it goes on from what its folder holds."""

    def __init__(self, config: TrainConfig, run: RunFolder, observer: TrainingObserver = TrainingObserver()) -> None:
        self.config = config
        self.run = run
        self.observer = observer
        self.objective = OBJECTIVES[type(config)](config)
        self._saved = run.load()
        if self._saved and self._saved[1].data != self.objective.fingerprint:
            raise OutputExistsError(
                f"labels have changed since the run in '{self.run.path}' was begun: pass --restart to begin anew, or "
                "choose another --out-dir"
            )
        # Before the network, which takes long to build: their file may be missing. A run that goes on has its own.
        start = None if self._saved else self.objective.initial_weights()
        self.policy = self._saved[1].policy if self._saved else fastest_policy(config.precision, self.objective.trial)
        self.model: keras.Model = self.objective.build(self.policy)
        if start is not None:
            assign_weights(self.objective.network, self.model, start)
        self.backend: str = keras.backend.backend()
        self.step = 0
        self.best = float("inf")
        self._meter = LossMeter(np.zeros(2))
        write_split(self.run.path / SPLIT_FILE, *self.objective.split)

    def train(self) -> None:
        """Train to the end; what an interrupted run has reached is taken up again.

        Ctrl-C is raised once the step is whole and kept, a `UsageError` where the loss is NaN or infinite.
        """
        if self._saved is not None:
            progress = self._saved[1]
            self.step, self.best = progress.step, progress.best
            self._meter = LossMeter(np.array(progress.losses), progress.summed)
        self.observer.started(self)
        end = 0
        with held_back_interrupts() as interrupted:
            for number, phase in enumerate(self.config.phases):
                end += phase.steps
                if self.step < end:
                    compile_for(self.model, self.objective, phase, self.config.weight_decay)
                    self._take_up(number)
                    self._phase(number, end, interrupted)
        # Without the arrays that only continuing needs: several times the model.
        self.run.save({}, self._progress(len(self.config.phases) - 1))

    def _phase(self, number: int, end: int, interrupted: threading.Event) -> None:
        since = time.perf_counter()
        coming = batches(self.objective.maker(number), self.config.seed, range(self.step, end))
        for position, batch in enumerate(coming):
            if position == 0:
                self._make_losses(batch)
            self._meter.add(self._learn(batch), time.perf_counter() - since)
            self.step += 1
            last = self.step == end
            self.observer.stepped(self.step, self._loss_row(number) if last or self.step % LOSS_EVERY == 0 else None)
            if last or self.step % self.config.evaluate_every == 0:
                self._measure()
            if last or self.step % self.config.checkpoint_every == 0 or interrupted.is_set():
                self._save(number)
            if interrupted.is_set():
                raise KeyboardInterrupt
            since = time.perf_counter()  # measuring and saving are no steps

    def _make_losses(self, batch: TrainingBatch) -> None:
        """Make the variables that losses are summed in: made within the first step, they have it traced twice."""
        shapes = self.model.compute_output_shape(batch.inputs.shape)
        nothing = keras.tree.map_shape_structure(lambda shape: np.zeros(shape, np.float32), shapes)
        self.model.compute_loss(y=batch.targets, y_pred=nothing)
        self.model.compute_metrics(None, batch.targets, nothing)
        self.model.reset_metrics()

    def _learn(self, batch: TrainingBatch) -> npt.NDArray[np.float64]:
        logs = self.model.train_on_batch(batch.inputs.astype(np.float32), batch.targets, return_dict=True)
        # Keras gives means since the last reset.
        self.model.reset_metrics()
        losses = np.array([logs[name] for name in self.objective.LOG_NAMES], dtype=np.float64)
        if not np.isfinite(losses).all():
            raise UsageError(
                f"the loss is {losses.sum()} at step {self.step + 1}: begin anew with a lower learning_rate, or a "
                "longer warm_up"
            )
        return losses

    def _loss_row(self, phase: int) -> Row:
        losses, speed = self._meter.take()
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row: Row = self.config.LOSSES(self.step, phase, rate, *losses.tolist(), speed)
        self.run.losses.append(row)
        return row

    def _measure(self) -> None:
        """Measure on held-out examples; the best snapshot so far becomes the model folder."""
        rows = self.objective.measure(self.model, self.step)
        self.run.errors.extend(rows)
        found = self.config.MEASURES.overall(rows)
        # With nothing held out there is nothing to choose by: the last snapshot is taken.
        best = found < self.best or not rows
        if best:
            self.best = found
            source = {
                "kind": "trained by posecli",
                "posecli": __version__,
                "config": self.config.as_record(),
                "backend": self.backend,
                "arithmetic": self.policy,
                "step": self.step,
                self.config.MEASURES.SOURCE_KEY: [asdict(row) | {"source": Path(row.source).name} for row in rows],
            }
            weights = read_weights(self.objective.network, self.model)
            description = replace(self.objective.description, source=source)
            write_folder(self.run.model, description, weights, overwrite=True)
        self.observer.measured(rows, best=best)
        self.run.draw_curves()

    def _save(self, phase: int) -> None:
        variables = self._variables("network") | self._variables("optimizer")
        arrays = {name: np.array(keras.ops.convert_to_numpy(own), order="C") for name, own in variables.items()}
        self.run.save(arrays, self._progress(phase))

    def _progress(self, phase: int) -> Progress:
        first, second = self._meter.losses.tolist()
        fingerprint = self.objective.fingerprint
        return Progress(self.step, phase, self.best, self.policy, fingerprint, (first, second), self._meter.summed)

    def _take_up(self, phase: int) -> None:
        """Take up what was saved, once; each phase has an optimiser of its own, so that only its own is continued."""
        if self._saved is None:
            return
        arrays, progress = self._saved
        for kind in ("network", "optimizer") if progress.phase == phase else ("network",):
            for name, variable in self._variables(kind).items():
                variable.assign(arrays[name])
        self._saved = None

    def _variables(self, kind: str) -> dict[str, Any]:
        """Variables of the network or of the optimizer, by their name in a saved state."""
        owner = self.model if kind == "network" else self.model.optimizer
        return {f"{kind}/{number}": variable for number, variable in enumerate(owner.variables)}


def compile_for(model: keras.Model, objective: Objective, phase: Phase, weight_decay: float) -> None:
    """Give a network the losses and the optimiser of a phase."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = phase.batch_norm == "batch"
    schedule = keras.optimizers.schedules.CosineDecay(
        phase.learning_rate / max(phase.warm_up, 1),
        decay_steps=phase.steps - phase.warm_up,
        alpha=LAST_PART,
        warmup_target=phase.learning_rate if phase.warm_up else None,
        warmup_steps=phase.warm_up,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(
        optimizer,
        **objective.losses,
        # XLA compiles long for every shape of batch, and on a CPU its convolutions are slower.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    optimizer.build(model.trainable_variables)


def steps_per_second(config: TrainConfig, objective: Objective) -> float:
    """How fast the first phase of a run goes here, by some steps of a network that is thrown away."""
    phase = config.phases[0]
    model = objective.build(fastest_policy(config.precision, objective.trial))
    compile_for(model, objective, phase, config.weight_decay)
    since = 0.0
    for step, batch in enumerate(batches(objective.maker(0), config.seed, range(PACE_STEPS))):
        model.train_on_batch(batch.inputs.astype(np.float32), batch.targets)
        if step == AHEAD:  # the first ones had batches that were made ahead, and the very first compiled
            since = time.perf_counter()
    return (PACE_STEPS - 1 - AHEAD) / (time.perf_counter() - since)


@dataclass
class LossMeter:
    """Sums losses until they are taken, and the time that steps took; a run that goes on gives the sums it had."""

    losses: npt.NDArray[np.float64]
    summed: int = 0
    timed: int = 0
    seconds: float = 0.0

    def add(self, losses: npt.NDArray[np.float64], seconds: float) -> None:
        self.losses = self.losses + losses
        self.summed += 1
        self.timed += 1
        self.seconds += seconds

    def take(self) -> tuple[npt.NDArray[np.float64], float]:
        """Mean losses and steps per second since the last time; then begin again.

        >>> meter = LossMeter(np.array([3.0, 6.0]), 2)
        >>> meter.add(np.array([3.0, 0.0]), 0.5)
        >>> means, speed = meter.take()
        >>> means.tolist(), speed, meter.summed
        ([2.0, 2.0], 2.0, 0)
        """
        means, speed = self.losses / self.summed, self.timed / max(self.seconds, 1e-9)
        self.losses, self.summed, self.timed, self.seconds = np.zeros_like(means), 0, 0, 0.0
        return means, speed


@contextmanager
def held_back_interrupts() -> Iterator[threading.Event]:
    """Note Ctrl-C instead of raising it at once; the second time it is raised as usual.

    A step changes tens of millions of numbers. Interrupted within it, they would belong neither to the step before nor
    to the one after, and could not be continued. Outside of the main thread, or where a caller handles the signal
    outside of Python, nothing is held back.
    """
    interrupted = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield interrupted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            before(number, frame)
        interrupted.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def fastest_policy(precision: Literal["auto", "fp32", "bf16"], trial: Callable[[str], Trial]) -> str:
    """The Keras dtype policy to train with; ``auto`` takes bfloat16 where it is computed in, and measures faster."""
    if precision == "fp32" or (precision == "auto" and not computes_bf16()):
        return FLOAT32
    if precision == "auto":
        return MIXED if _seconds(MIXED, trial) < _seconds(FLOAT32, trial) else FLOAT32
    if not computes_bf16():
        raise PrecisionError(
            "precision 'bf16' cannot be trained in here, this processor does not compute in bfloat16: set "
            "precision to fp32 or auto"
        )
    return MIXED


def computes_bf16() -> bool:
    """Whether what this process trains on computes in bfloat16."""
    if keras.backend.backend() == "tensorflow":
        from posecli.support.tensorflow import import_tensorflow

        if import_tensorflow().config.list_physical_devices("GPU"):
            return True
    elif keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return True
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _seconds(policy: str, trial: Callable[[str], Trial]) -> float:
    network, inputs, targets = trial(policy)
    network.train_on_batch(inputs, targets)
    start = time.perf_counter()
    for _ in range(TRIAL_CALLS):
        network.train_on_batch(inputs, targets)
    return time.perf_counter() - start
