"""The training loop of every network: phases, checkpoints, held-out measures, the best snapshot as a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.errors import OutputExistsError, UsageError
from posecli.training.batches import AnyBatch, batches
from posecli.training.clip_task import ClipTask
from posecli.training.config import AnyConfig
from posecli.training.interrupt import InterruptRequest, held_back_interrupts
from posecli.training.meter import LossMeter
from posecli.training.pose_config import PoseConfig
from posecli.training.pose_task import PoseTask
from posecli.training.precision import fastest_policy
from posecli.training.rows import AnyLossRow, AnyMeasureRow
from posecli.training.settings import Phase
from posecli.training.state import Arrays, Progress, RunFolder
from posecli.training.task import Task

#: Steps between rows of losses.
LOSS_EVERY = 25
#: The learning rate ends at this part of its peak.
LAST_PART = 0.01


class TrainingObserver:
    """Is told how training goes. This one does nothing."""

    def started(self, trainer: Trainer) -> None:
        """Training begins, or goes on after ``trainer.step`` steps."""

    def stepped(self, step: int, row: AnyLossRow | None) -> None:
        """A step is done; now and then with mean losses."""

    def measured(self, rows: list[AnyMeasureRow], *, best: bool) -> None:
        """Held-out examples were measured; the snapshot is the best so far or not."""


def open_task(config: AnyConfig) -> Task:
    """The data and the rest of what is to be trained; errors are those of their kinds."""
    return PoseTask(config) if isinstance(config, PoseConfig) else ClipTask(config)


class Trainer:
    """One training run.

    Parameters
    ----------
    config
        What to do.
    run
        Where to keep it; goes on from what it holds.
    observer
        Is told of progress.
    """

    def __init__(self, config: AnyConfig, run: RunFolder, observer: TrainingObserver = TrainingObserver()) -> None:
        self.config = config
        self.run = run
        self.observer = observer
        self.task = open_task(config)
        self._saved = run.load()
        self._refuse_other_labels()
        # Before the network, which takes long to build: their file may be missing. A run that goes on has its own.
        start = None if self._saved else self.task.initial_weights()
        self.policy = self._saved[1].policy if self._saved else fastest_policy(config.precision, self.task.trial)
        self.network: keras.Model = self.task.build(self.policy)
        if start is not None:
            self.task.assign(self.network, start)
        self.backend: str = keras.backend.backend()
        self.step = 0
        self.best = float("inf")
        self._meter = LossMeter()
        self.run.write_split(*self.task.split)

    def _refuse_other_labels(self) -> None:
        if self._saved is not None and self._saved[1].data != self.task.fingerprint:
            raise OutputExistsError(
                f"labels have changed since the run in '{self.run.path}' was begun: pass --restart to begin anew, or "
                "choose another --out-dir"
            )

    def train(self) -> None:
        """Train to the end; what an interrupted run has reached is taken up again.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, once the step is whole and kept.
        UsageError
            If the loss is no longer a number.
        """
        if self._saved is not None:
            progress = self._saved[1]
            self.step, self.best = progress.step, progress.best
            self._meter = LossMeter(progress.losses, progress.summed)
        self.observer.started(self)
        first = 0
        phases: Sequence[Phase] = self.config.phases
        with held_back_interrupts() as interrupt:
            for number, phase in enumerate(phases):
                if self.step < first + phase.steps:
                    self._compile(phase)
                    self._take_up(number)
                    self._phase(number, first + phase.steps, interrupt)
                first += phase.steps
        self.run.finish(self._progress(len(self.config.phases) - 1))

    def _compile(self, phase: Phase) -> None:
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = phase.batch_norm == "batch"
        schedule = keras.optimizers.schedules.CosineDecay(
            phase.learning_rate / max(phase.warm_up, 1),
            decay_steps=phase.steps - phase.warm_up,
            alpha=LAST_PART,
            warmup_target=phase.learning_rate if phase.warm_up else None,
            warmup_steps=phase.warm_up,
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=self.config.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.network.compile(
            optimizer,
            **self.task.losses(),
            # XLA compiles long for every shape of batch, and on a CPU its convolutions are slower.
            jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
        )
        optimizer.build(self.network.trainable_variables)

    def _phase(self, number: int, end: int, interrupt: InterruptRequest) -> None:
        maker = self.task.maker(number)
        self._meter.skip_time()
        for batch in batches(maker, self.step, end - self.step):
            self._meter.add(self._learn(batch))
            self.step += 1
            last = self.step == end
            self.observer.stepped(self.step, self._loss_row(number) if last or self.step % LOSS_EVERY == 0 else None)
            if last or self.step % self.config.evaluate_every == 0:
                self._measure()
            if last or self.step % self.config.checkpoint_every == 0 or interrupt.asked:
                self._save(number)
            if interrupt.asked:
                raise KeyboardInterrupt
            self._meter.skip_time()

    def _learn(self, batch: AnyBatch) -> npt.NDArray[np.float64]:
        logs = self.network.train_on_batch(batch.inputs(), batch.targets(), return_dict=True)
        # Keras gives means since the last reset.
        self.network.reset_metrics()
        losses = np.array([logs[name] for name in self.task.log_names], dtype=np.float64)
        if not np.isfinite(losses).all():
            raise UsageError(
                f"the loss is {losses.sum()} at step {self.step + 1}: begin anew with a lower learning_rate, or a "
                "longer warm_up"
            )
        return losses

    def _loss_row(self, phase: int) -> AnyLossRow:
        losses, speed = self._meter.take()
        rate = float(keras.ops.convert_to_numpy(self.network.optimizer.learning_rate))
        row = self.config.rows.losses(self.step, phase, rate, float(losses[0]), float(losses[1]), speed)
        self.run.losses.append(row)
        return row

    def _measure(self) -> None:
        """Measure on held-out examples; the best snapshot so far becomes the model folder."""
        rows = self.task.measure(self.network, self.step)
        self.run.errors.extend(rows)
        found = self.task.overall(rows)
        # With nothing held out there is nothing to choose by: the last snapshot is taken.
        best = found < self.best or not rows
        if best:
            self.best = found
            self._write_model(rows)
        self.observer.measured(rows, best=best)
        self.run.draw_curves()

    def _write_model(self, rows: list[AnyMeasureRow]) -> None:
        source = {
            "kind": "trained by posecli",
            "posecli": __version__,
            "config": self.config.as_dict(),
            "backend": self.backend,
            "arithmetic": self.policy,
            "step": self.step,
            self.config.rows.source_key: [asdict(row) for row in rows],
        }
        self.task.write_model(self.run.model, self.network, source)

    def _save(self, phase: int) -> None:
        arrays = _numbered("network", self.network.variables) | _numbered("optimizer", self.network.optimizer.variables)
        self.run.save(arrays, self._progress(phase))

    def _progress(self, phase: int) -> Progress:
        first, second = map(float, self._meter.losses)
        return Progress(
            self.step, phase, self.best, self.policy, self.task.fingerprint, (first, second), self._meter.summed
        )

    def _take_up(self, phase: int) -> None:
        """Take up what was saved, once; each phase has an optimiser of its own, so that only its own is continued."""
        if self._saved is not None:
            arrays, progress = self._saved
            self._restore(arrays, same_phase=progress.phase == phase)
            self._saved = None

    def _restore(self, arrays: Arrays, *, same_phase: bool) -> None:
        for name, variable in _named("network", self.network.variables).items():
            variable.assign(arrays[name])
        if same_phase:
            for name, variable in _named("optimizer", self.network.optimizer.variables).items():
                variable.assign(arrays[name])


def _named(kind: str, variables: list[Any]) -> dict[str, Any]:
    return {f"{kind}/{number}": variable for number, variable in enumerate(variables)}


def _numbered(kind: str, variables: list[Any]) -> dict[str, npt.NDArray[Any]]:
    return {
        name: np.array(keras.ops.convert_to_numpy(variable), order="C")
        for name, variable in _named(kind, variables).items()
    }
