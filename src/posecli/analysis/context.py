"""What the videos of one run share in the process that looks at them, and each of them as the run sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from posecli.analysis.executors import RunObserver
from posecli.analysis.kinds import analysis_of
from posecli.analysis.plan import RunPlan, VideoFiles, from_plain, plain
from posecli.errors import VideoError
from posecli.inference.batching import BatchChoice, choose_batch, first_items
from posecli.inference.predictor import Model
from posecli.options import FIXED_PRECISIONS, FixedPrecision
from posecli.precision.gate import ClipGateFigures, Figures, GateFigures, choose_precision
from posecli.tables import manifest as manifests
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, content_fingerprint, probe
from posecli.video.reader import VideoReader

#: Something that happened, as plain values, for whoever watches this process.
Note = dict[str, Any]
AnyFigures: Any = GateFigures | ClipGateFigures


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
        self.kind = analysis_of(plan, model)
        self._earlier = self.kind.model

    def opens(self, video: Path | None) -> None:
        """Note that a file is about to be opened, by libraries that may crash; ``None``: none is open any more."""
        self.note({"opens": None if video is None else str(video)})

    @cached_property
    def model(self) -> Model[Any, Any]:
        """The model in the precision of this run, which is settled at first use."""
        if (settled := self.plan.settled.precision) is not None:
            return self.kind.model.with_precision(settled)
        model, figures = choose_precision(self.kind.model, self.kind.gate(self.plan.sampled, self.opens))
        self._settle(precision=model.options.fixed_precision, figures=tuple(map(asdict, figures)))
        return model

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
        """The batch size for items of one shape, measured on the first video that has them."""
        asked = self.options.network_batch
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


class Recording:
    """A video as a run is to see it, and the files of its result."""

    def __init__(self, files: VideoFiles, context: RunContext) -> None:
        self.files = files
        self.context = context
        self.kind, self.options, self.observer = context.kind, context.options, context.observer
        self.info = probe(files.video)
        self.geometry = self.kind.geometry(self.info)
        asked = self.options.engine.precision
        #: Precisions in which an earlier result is the one that is asked for now.
        self._acceptable = FIXED_PRECISIONS if asked == "auto" else (asked,)
        self._stamp = _stamp(files.video)
        self._fingerprint = content_fingerprint(files.video)

    def sections(self, precision: FixedPrecision) -> dict[str, Any]:
        """The manifest's parts on all that determines the table's values."""
        return {
            "video": manifests.describe_video(self.info, self._fingerprint),
            "model": manifests.describe_model(self.kind.model.folder),
            "settings": self.kind.determining_settings(precision, self.geometry),
        }

    def fingerprint(self, precision: FixedPrecision) -> str:
        """Hash of all that determines the table's values."""
        settings = self.kind.determining_settings(precision, self.geometry)
        return manifests.fingerprint(self._fingerprint, self.kind.model.folder, settings)

    def is_wanted(self, manifest: dict[str, Any]) -> bool:
        """Whether an earlier result is the one that is asked for."""
        return manifest.get("fingerprint") in [*map(self.fingerprint, self._acceptable)]

    def differences(self, manifest: dict[str, Any]) -> str:
        """Why an earlier result is not the one that is asked for."""
        sections = self.sections(self._acceptable[0])
        return ", ".join(manifests.differences(manifest, sections)) or "by another version"

    def seen(self, reader: VideoReader) -> dict[str, Any]:
        """Take over what reading the whole video has shown; what of it a journal must keep, as plain values."""
        if _stamp(self.info.path) != self._stamp:
            raise VideoError(f"'{self.info.path}' was changed while it was read: run again when it is finished")
        timeline = reader.timeline
        assert timeline is not None, "the video was not read to its end"
        kept = {
            "as_announced": timeline == self.info.announced,
            "concealed": reader.concealed,
            "opencv_fault": reader.opencv_fault,
        }
        self.info = self.info.with_timeline(timeline)
        return kept


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
