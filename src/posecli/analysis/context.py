"""What the videos of one run share in the process that looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from posecli.analysis.ahead import Ahead, look_ahead
from posecli.analysis.behaviours import BehaviourAnalysis
from posecli.analysis.executors import RunObserver
from posecli.analysis.forecast import forecast
from posecli.analysis.kinds import Analysis
from posecli.analysis.plan import Forecast, RunPlan, VideoPlan, from_plain, plain
from posecli.analysis.poses import PoseAnalysis
from posecli.analysis.preparation import Preparation
from posecli.inference.batching import BatchChoice, choose_batch, first_items
from posecli.inference.predictor import Model, load_clip_model, load_model
from posecli.inference.teacher import Teaching
from posecli.inference.windows import Windows, whole_groups
from posecli.options import AnalyzeOptions, FixedPrecision
from posecli.precision.gate import ClipGateFigures, Figures, Gate, GateFigures, choose_precision
from posecli.precision.reckoning import Trials, trials
from posecli.precision.teacher import StudentFigures, TeacherFigures
from posecli.precision.windows import ChosenWindows, WindowFigures
from posecli.precision.within import ScaleFigures
from posecli.support.words import counted
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo

#: Something that happened, as plain values, for whoever watches this process.
Note = dict[str, Any]
AnyFigures: Any = GateFigures | ScaleFigures | WindowFigures | TeacherFigures | StudentFigures | ClipGateFigures


class Measured(NamedTuple):
    """How a run looks at its frames."""

    model: Model[Any, Any]  # in the run's precision
    figures: Sequence[Figures]  # what was measured to find that
    windows: Sequence[ChosenWindows]
    scale: Fraction | None = None  # if it was searched for
    teaching: Teaching | None = None


class RunContext:
    """What the videos of one run share in a process; what is not settled is measured when a video first needs it."""

    def __init__(
        self,
        plan: RunPlan,
        observer: RunObserver,
        note: Callable[[Note], object] = lambda _note: None,
        model: Model[Any, Any] | None = None,
    ) -> None:
        self.plan = plan
        self.options = plan.options
        self.observer = observer
        self.note = note
        self.kind = _analysis_of(plan, model)
        self._earlier = self.kind.model

    def opens(self, video: Path | None) -> None:
        """Note that a file is about to be opened, by libraries that may crash; ``None``: none is open any more."""
        self.note({"opens": None if video is None else str(video)})

    @cached_property
    def model(self) -> Model[Any, Any]:
        """The model in the precision of this run, which is settled at first use."""
        if (settled := self.plan.settled.precision) is not None:
            return self.kind.model.with_precision(settled)
        self._preparation.make()
        worth = self._trials
        self._tell_of_trials(worth)
        gate = self.kind.gate(self.plan.sampled, self.opens, windows=worth.windows)
        measured = self._measured(worth, gate)
        for note in self.kind.notes(measured.model, gate.evidence):
            self.observer.preparing(note)
        self._settle(
            precision=measured.model.options.fixed_precision,
            figures=tuple(map(asdict, measured.figures)),
            scale=None if measured.scale is None else str(measured.scale),
            windows=tuple(map(plain, measured.windows)),
            left_out=worth.left_out,
            teacher=None if measured.teaching is None else plain(measured.teaching),
        )
        return measured.model

    @cached_property
    def _ahead(self) -> Ahead | None:
        """The work on all videos, those that are done too: so a run that goes on measures the same."""
        shard = self.options.shard
        return look_ahead(self.kind, self.plan.sampled, self.opens, 1 if shard is None else shard.count)

    @property
    def _trials(self) -> Trials:
        """What is worth measuring."""
        asked = self.kind.asked
        if self._ahead is None or self.kind.teacher is not None:  # a student and its teacher must be measured anyway
            return Trials(True, asked.windows != "off")
        return trials(self.kind.model.folder.description.network, self._ahead.work, asked)

    def _tell_of_trials(self, worth: Trials) -> None:
        """Say what comes before the first frame, if anything does."""
        faster = worth.precisions and (self.kind.asked.faster is not None or self.kind.finds_scale)
        if self._ahead is not None and (faster or worth.windows):
            sample = counted(self._ahead.work.sampled, self.kind.model.kind.item)
            self.observer.preparing(f"trying faster settings beside fp32 on {sample} of these videos ...")

    def _measured(self, worth: Trials, gate: Gate) -> Measured:
        model: Model[Any, Any] = self.kind.model.with_precision(self.kind.model.options.fixed_precision)
        figures: list[Figures] = []
        if worth.precisions:
            if (fastest := self.kind.fastest_within(gate.evidence, windows=worth.windows)) is not None:
                setting, tried = fastest
                return Measured(setting.model, tried, setting.windows, setting.scale)
            model, figures = choose_precision(self.kind.model, gate)
        windows, more = self.kind.choose_windows(model, gate.evidence) if worth.windows else ([], [])
        windows_after_all, teaching, most = self.kind.ask_teacher(model, gate.evidence, windows)
        return Measured(model, [*figures, *more, *most], windows_after_all, teaching=teaching)

    def geometry(self, info: VideoInfo) -> Geometry:
        """What is done to each frame of a video. After `model`."""
        scale = self.plan.settled.scale
        return self.kind.geometry(info, None if scale is None else Fraction(scale))

    @property
    def _preparation(self) -> Preparation:
        return Preparation(self.plan, self.kind, self.observer, self.opens)

    def foretell(self, decisions: Sequence[VideoPlan]) -> Forecast | None:
        """What the run would do and how long that would take, by one pass of the network; ``None`` if nothing."""
        intent = None if self.plan.settled.precision else self._preparation.intent()
        return forecast(self.kind, decisions, self._trials, intent)

    def windows(self, geometry: Geometry) -> Windows | None:
        """What part of each frame the network looks at; ``None`` where it looks at all of it. After `model`."""
        shape = self.kind.shape(geometry)
        for each in self.plan.settled.windows:
            if tuple(each["shape"]) == shape:
                return from_plain(Windows, each["windows"])
        asked = self.kind.window_asked_for(geometry)
        return None if asked == "any" else asked

    @property
    def teaching(self) -> Teaching | None:
        """When which teacher is asked, if one is. After `model`."""
        return Teaching.of(vars(self.plan.settled))

    @property
    def figures(self) -> list[Figures]:
        """Measurements of the parity gate by which the precision was settled."""
        return [from_plain(AnyFigures, each) for each in self.plan.settled.figures]

    def model_as(self, precision: FixedPrecision, threads: int) -> Model[Any, Any]:
        """The model as an interrupted run had it; threads are its own unless the user says otherwise."""
        options = replace(self.options.engine, precision=precision, threads=self.options.engine.threads or threads)
        self._earlier = self._earlier.with_options(options)
        return self._earlier

    def batch(self, model: Model[Any, Any], info: VideoInfo, geometry: Geometry) -> BatchChoice:
        """The batch size for items of one shape, measured on the first video that has them.

        With windows groups of frames go through the network, whatever was asked for: a batch is whole groups.
        """
        asked = self.options.network_batch
        if (windows := self.windows(geometry)) is not None:
            return BatchChoice(whole_groups(1 if asked == "auto" else asked, windows))
        if asked != "auto":
            return BatchChoice(asked)
        shape = self.kind.shape(geometry)
        for settled in self.plan.settled.batches:
            if tuple(settled["shape"]) == shape:
                return from_plain(BatchChoice, settled["choice"])
        choice = choose_batch(self.kind.step(model, shape), first_items(self.kind.reader(info, geometry)))
        self._settle(batches=(*self.plan.settled.batches, {"shape": [*shape], "choice": plain(choice)}))
        return choice

    def _settle(self, **measured: Any) -> None:
        self.plan = replace(self.plan, settled=replace(self.plan.settled, **measured))
        self.note({"settled": plain(self.plan.settled)})


def _analysis_of(plan: RunPlan, model: Any = None) -> Analysis:
    """What a plan looks for, with a model that is loaded already or the one that the plan names."""
    options = plan.options
    if isinstance(options, AnalyzeOptions):
        return PoseAnalysis(model or load_model(plan.model, options.engine), options)
    return BehaviourAnalysis(model or load_clip_model(plan.model, options.engine), options)
