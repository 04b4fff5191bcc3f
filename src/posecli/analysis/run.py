"""What the videos of one analysis share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from posecli.analysis.known import Known
from posecli.analysis.observer import RunObserver
from posecli.batching import BatchChoice, choose_batch, first_frames
from posecli.decode import Pose
from posecli.engine import Engine, NetworkOutput
from posecli.errors import UsageError
from posecli.geometry import Geometry
from posecli.options import FIXED_PRECISIONS, PIPELINES, AnalyzeOptions, FixedPrecision
from posecli.outputs import plan_outputs
from posecli.pipeline import ENGINES_OF_PIPELINES
from posecli.precision import Choice, choose_precision
from posecli.predictor import PoseModel, load_model
from posecli.video.probe import VideoInfo
from posecli.videos import find_videos


class Run:
    """What the videos of one run share: precision and batch size are settled when one first needs the network."""

    def __init__(
        self,
        videos: str | Path | Iterable[str | Path],
        model: str | Path | PoseModel,
        options: AnalyzeOptions,
        observer: RunObserver,
        known: Known,
    ) -> None:
        arguments = [videos] if isinstance(videos, (str, Path)) else videos
        self.videos = find_videos(arguments, recursive=options.recursive)
        self.wanted = model if isinstance(model, PoseModel) else load_model(model, options.engine)
        self.options = options
        self.observer = observer
        self.known = known
        self._earlier: PoseModel | None = None
        _check_pipeline(self.wanted, options)
        # All videos, also those of other shards: two of one name must not write to one table from two processes.
        planned = plan_outputs(self.videos, self.wanted.description.scorer, options.out_dir)
        pairs = list(zip(self.videos, planned, strict=True))
        self.chosen = pairs if options.shard is None else options.shard.of(pairs)

    @cached_property
    def choice(self) -> Choice:
        """The model in the precision of this run, and what was measured to choose it."""
        settled = self.known.settled_choice(self.wanted)
        if settled is None:
            videos = [video for video in self.videos if video not in self.known.lost]
            settled = choose_precision(self.wanted, videos, self.options, self.observer.video_opens)
            self.observer.precision_settled(settled)
        return settled

    def earlier(self, precision: FixedPrecision, threads: int) -> PoseModel:
        """The model as an interrupted run had it; threads are its own unless the user says otherwise."""
        options = replace(self.wanted.options, precision=precision, threads=self.wanted.options.threads or threads)
        if self._earlier is None or self._earlier.options != options:
            self._earlier = PoseModel(self.wanted.folder, options)
        return self._earlier

    def batch(self, engine: Engine, info: VideoInfo, geometry: Geometry) -> BatchChoice:
        """The batch size for frames of one size, measured on the first video that has them."""
        wanted = self.options.network_batch
        if wanted != "auto":
            return BatchChoice(wanted)
        size = (geometry.height, geometry.width)
        if size not in self.known.batches:
            images = first_frames(info, geometry, self.options.video_backend)
            self.known.batches[size] = choose_batch(engine, self.decode, images)
            self.observer.batch_settled(size, self.known.batches[size])
        return self.known.batches[size]

    def decode(self, output: NetworkOutput) -> Pose:
        """What the network says of a batch to poses, as the options ask."""
        return self.wanted.decode(output, self.options.decoder, self.options.num_outputs)

    def acceptable_precisions(self) -> tuple[FixedPrecision, ...]:
        """Precisions in which an earlier result is the one that is asked for now."""
        precision = self.wanted.options.precision
        return FIXED_PRECISIONS if precision == "auto" else (precision,)


def _check_pipeline(model: PoseModel, options: AnalyzeOptions) -> None:
    """Refuse a pipeline that another engine is needed for; the model's own options say which engine runs."""
    wanted = ENGINES_OF_PIPELINES.get(options.pipeline)
    if wanted is not None and model.options.engine != wanted:
        others = ", ".join(name for name in PIPELINES if name not in ENGINES_OF_PIPELINES)
        raise UsageError(
            f"pipeline '{options.pipeline}' is for the {wanted} engine, not for {model.options.engine}: pass "
            f"--engine {wanted}, or choose --pipeline {others}"
        )
