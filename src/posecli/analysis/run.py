"""What the videos of one run share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from posecli.analysis.known import Known
from posecli.analysis.observer import RunObserver
from posecli.analysis.outputs import plan_outputs
from posecli.analysis.task import Task
from posecli.errors import UsageError
from posecli.inference.batching import BatchChoice, choose_batch, first_items
from posecli.inference.pipeline import ENGINES_OF_PIPELINES
from posecli.inference.predictor import Model
from posecli.options import FIXED_PRECISIONS, PIPELINES, FixedPrecision
from posecli.precision.gate import PrecisionChoice, choose_precision
from posecli.video.find import find_videos
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo


class Run:
    """What the videos of one run share: precision and batch size are settled when one first needs the network."""

    def __init__(
        self, videos: str | Path | Iterable[str | Path], task: Task[Any], observer: RunObserver, known: Known
    ) -> None:
        arguments = [videos] if isinstance(videos, (str, Path)) else videos
        self.task = task
        self.wanted: Model[Any, Any] = task.model
        self.options = task.options
        self.videos = list(find_videos(arguments, recursive=self.options.recursive).videos)
        self.observer = observer
        self.known = known
        self._earlier: Model[Any, Any] | None = None
        _check_pipeline(task)
        # All videos, also those of other shards: two of one name must not write to one table from two processes.
        scorer = self.wanted.folder.description.scorer
        planned = plan_outputs(self.videos, scorer, self.options.out_dir, task.side_ending)
        pairs = list(zip(self.videos, planned, strict=True))
        self.chosen = pairs if self.options.shard is None else self.options.shard.of(pairs)

    @cached_property
    def choice(self) -> PrecisionChoice[Any]:
        """The model in the precision of this run, and what was measured to choose it."""
        settled = self.known.settled_choice(self.task)
        if settled is None:
            videos = [video for video in self.videos if video not in self.known.lost]
            settled = choose_precision(self.wanted, self.task.gate(videos, self.observer.video_opens))
            self.observer.precision_settled(settled)
        return settled

    def earlier(self, precision: FixedPrecision, threads: int) -> Model[Any, Any]:
        """The model as an interrupted run had it; threads are its own unless the user says otherwise."""
        options = replace(self.wanted.options, precision=precision, threads=self.wanted.options.threads or threads)
        self._earlier = (self._earlier or self.wanted).with_options(options)
        return self._earlier

    def batch(self, model: Model[Any, Any], info: VideoInfo, geometry: Geometry) -> BatchChoice:
        """The batch size for items of one shape, measured on the first video that has them."""
        wanted = self.options.network_batch
        if wanted != "auto":
            return BatchChoice(wanted)
        shape = self.task.shape(geometry)
        if shape not in self.known.batches:
            items = first_items(self.task.reader(info, geometry))
            self.known.batches[shape] = choose_batch(self.task.step(model, shape), items)
            self.observer.batch_settled(shape, self.known.batches[shape])
        return self.known.batches[shape]

    def acceptable_precisions(self) -> tuple[FixedPrecision, ...]:
        """Precisions in which an earlier result is the one that is asked for now."""
        precision = self.wanted.options.precision
        return FIXED_PRECISIONS if precision == "auto" else (precision,)


def _check_pipeline(task: Task[Any]) -> None:
    """Refuse a pipeline that another engine is needed for; the model's own options say which engine runs."""
    pipeline, engine = task.options.pipeline, task.model.options.engine
    wanted = ENGINES_OF_PIPELINES.get(pipeline)
    if wanted is not None and engine != wanted:
        others = ", ".join(name for name in PIPELINES if name not in ENGINES_OF_PIPELINES)
        raise UsageError(
            f"pipeline '{pipeline}' is for the {wanted} engine, not for {engine}: pass "
            f"--engine {wanted}, or choose --pipeline {others}"
        )
