"""What a run finds in videos, poses or behaviours: all that differs between the two, chosen once."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from posecli.analysis.journal import JournalContent, Rows, holds, read_rows
from posecli.analysis.plan import RunPlan, VideoFiles
from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.behaviour.table import Behaviours, behaviours_to_csv, labels_of, write_behaviours
from posecli.engine import Shape
from posecli.errors import UsageError
from posecli.inference.pipeline import Reader
from posecli.inference.predictor import ClipModel, Model, PoseModel, load_clip_model, load_model
from posecli.inference.sources import Still
from posecli.inference.step import Step
from posecli.inference.teacher import TeacherStep, Teaching
from posecli.inference.topdown import check_boxes
from posecli.inference.windows import GROUP, Windows
from posecli.model.folder import ModelFolder, int8_fingerprint
from posecli.model.student import animal_sizes, brightness_of, read_student
from posecli.network.network import AxesHead
from posecli.options import SMALLEST_WINDOW, AnalyzeOptions, ClassifyOptions, FixedPrecision, InputSize
from posecli.plots.figures import save_ethogram
from posecli.precision.gate import (
    CANDIDATES,
    SAMPLE_CHUNKS,
    Evidence,
    Figures,
    Gate,
    GateFigures,
    Opens,
    clip_gate,
    model_cutoff,
    pose_gate,
    sample_size,
)
from posecli.precision.quantize import AnyQuantizeOptions, ClipQuantizeOptions, QuantizeOptions
from posecli.precision.reckoning import Asked
from posecli.precision.teacher import choose_teacher, teacher_of
from posecli.precision.windows import MOST_WORK, ChosenWindows, WindowFigures, choose_windows, windows_of
from posecli.precision.within import SCALES, Setting, fastest_within
from posecli.support.files import partial_path, write_partial
from posecli.support.results import SHOWN
from posecli.tables import manifest as manifests
from posecli.tables.boxes import boxes_of, boxes_path, boxes_sha256
from posecli.tables.pose_table import PoseTableWriter, pose_columns, table_to_csv
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

#: Options that say how videos are cut into chunks; models have their own defaults.
CHUNKING = ("length", "stride", "frame_step")
#: With windows a frame costs a fifth of a whole one, if not more.
WINDOWS_SHARE = 0.2
#: An int8 version is made within so much of the parity gate's limit: the gate looks at other frames.
MARGIN = 2 / 3
#: A run looks for its version in so many attempts, so that it can tell before what that will cost.
ATTEMPTS = 8


class Analysis(ABC):
    """What a run finds in videos: a row of values for each frame, or for each chunk of frames."""

    size_options: ClassVar[str]  #: The options that make smaller what goes through the network as one.
    chunks: ChunkPlan | None = None  #: How videos are cut into chunks; ``None`` where a row is a frame.
    row_width: int  #: Numbers in a row of the journal.
    network: str  #: For people.
    to_csv: Callable[[Path, Path], object]  #: Writes a finished table as text.
    settings: dict[str, Any]  #: Those of its own that change values, and that do not.
    run_settings: dict[str, Any]

    def __init__(self, model: Model[Any, Any], options: AnalyzeOptions | ClassifyOptions) -> None:
        self.model = model
        self.options = options

    @abstractmethod
    def geometry(self, info: VideoInfo, scale: Fraction | None = None) -> Geometry:
        """What is done to each frame; at the scale that the options name, unless another was found."""

    @abstractmethod
    def gate(self, videos: Sequence[Path], opens: Opens, *, windows: bool = False) -> Gate:
        """Compares precisions on the run's own videos, and windows if these are to be tried."""

    @abstractmethod
    def write(self, files: VideoFiles, info: VideoInfo, content: JournalContent) -> None:
        """The table and what lies beside it, whole, under their partial names; nothing is left by an error."""

    @property
    @abstractmethod
    def seen_what(self) -> str:
        """What the shares are that `seen` gives, for people."""

    @abstractmethod
    def seen(self, blocks: Iterable[Rows]) -> dict[str, float]:
        """Share of the rows in which each body part or behaviour was seen."""

    def determining_settings(
        self,
        precision: FixedPrecision,
        geometry: Geometry,
        windows: Any,  # noqa: ARG002
        teaching: Any,  # noqa: ARG002
        video: Path,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Settings that determine the values of a video's table, besides its content and the model."""
        engine = self.options.engine.engine
        return manifests.determining_settings(self.model.folder, engine, precision, geometry) | self.settings

    def window_asked_for(self, geometry: Geometry) -> Windows | Literal["any"] | None:  # noqa: ARG002
        """The windows that a result must have been made with; any where that is left to measurement."""
        return None

    def teaching_asked_for(self, found: Any) -> Any:  # noqa: ARG002
        """How a teacher must have been asked for a result, as plain values, by how that `found` it was."""
        return None

    def work(self, geometry: Geometry, batch_size: int) -> str:
        """Describe for people what goes through the network at once."""
        chunks = ""
        if plan := self.chunks:
            step = "" if plan.frame_step == 1 else f" (each {plan.frame_step} apart)"
            chunks = f"chunks of {plan.length} frames{step} every {plan.stride} frames, "
        return f"batch {batch_size}, {chunks}network input {geometry.width}x{geometry.height} px"

    def step(
        self,
        model: Model[Any, Any],
        shape: Shape,
        windows: Windows | None = None,  # noqa: ARG002
        background: Callable[[int], Still] | None = None,  # noqa: ARG002
        teaching: Teaching | None = None,  # noqa: ARG002
    ) -> Step:
        """From items of one shape to the values of a row each; a `background` is there for windows that it places."""
        return model.step(shape)

    @property
    def teacher(self) -> ModelFolder | None:
        """Who may be asked where the network is unsure."""
        return None

    def fastest_within(
        self,
        evidence: Evidence,  # noqa: ARG002
        *,
        windows: bool,  # noqa: ARG002
    ) -> tuple[Setting, Sequence[Figures]] | None:
        """The fastest setting inside the limit, and what was measured, if that is asked for."""
        return None

    def choose_windows(
        self,
        model: Model[Any, Any],  # noqa: ARG002  # chunks have none
        evidence: Evidence,  # noqa: ARG002
    ) -> tuple[list[ChosenWindows], list[WindowFigures]]:
        """The part of each frame that the network will look at, by the frames' shape, and what was measured for it."""
        return [], []

    def ask_teacher(
        self,
        model: Model[Any, Any],  # noqa: ARG002
        evidence: Evidence,  # noqa: ARG002
        windows: Sequence[ChosenWindows],
    ) -> tuple[Sequence[ChosenWindows], Teaching | None, list[Figures]]:
        """The windows that are used after all, when a teacher is asked, and what was measured of that."""
        return windows, None, []

    def notes(
        self,
        model: Model[Any, Any],  # noqa: ARG002
        evidence: Evidence,  # noqa: ARG002
    ) -> list[str]:
        """What a user should know of the network on these videos."""
        return []

    def shape(self, geometry: Geometry) -> Shape:
        """Shape of an item, as the engine takes it."""
        frame = (geometry.height, geometry.width, 3)
        return frame if self.chunks is None else (self.chunks.length, *frame)

    @property
    def finds_scale(self) -> bool:
        """Whether a run finds out itself at which scale the network looks at frames."""
        return False

    @property
    def asked(self) -> Asked:
        """What the options leave to measurement."""
        named = self.options.engine.precision
        if named != "auto":
            return Asked(None if named == "fp32" else named, is_named=True)
        return Asked(next(iter(self.faster_precisions), None), is_named=False)

    @property
    def faster_precisions(self) -> list[FixedPrecision]:
        """Those that the engine has for this model on this machine, the fastest first."""
        known = () if self.options.engine.engine == "tensorflow" else CANDIDATES
        return [name for name in known if self.model.obstacle(name) is None]

    @abstractmethod
    def sample_size(self, info: VideoInfo) -> int:
        """Items that the parity gate looks at, if videos like this one have as many."""

    def windows_share(self, info: VideoInfo) -> float:  # noqa: ARG002
        """Share of the work on a frame that windows leave where they serve; 1 where none can come."""
        return 1.0

    def network_shape(self, info: VideoInfo) -> Shape:
        """Shape of what the network sees of an item of a video."""
        return self.shape(self.geometry(info))

    @abstractmethod
    def quantize_options(self) -> AnyQuantizeOptions:
        """How an int8 version is made for this run: well within what the parity gate will allow it."""

    @abstractmethod
    def calibration_shape(self, info: VideoInfo) -> Shape:
        """Shape of what the network sees of an item of a video while an int8 version is made."""

    def reader(self, info: VideoInfo, geometry: Geometry) -> Reader:
        """Gives the video, item by item."""
        frames = VideoReader(info, geometry, self.options.video_backend)
        return frames if self.chunks is None else ClipReader(frames, self.chunks)

    def items(self, info: VideoInfo) -> int:
        """How many a video has, according to its container."""
        return info.expected_frames if self.chunks is None else len(self.chunks.starts(info.expected_frames))

    def frames_before(self, row: int, info: VideoInfo) -> int:
        """Frames of the video that are read when so many rows are done."""
        if self.chunks is None:
            return row
        ends = self.chunks.starts(info.expected_frames)[:row] + self.chunks.span
        return min(int(ends[-1]), info.expected_frames) if len(ends) else 0

    # What is known of the frames when all have been read. Where a row stands for many the journal's last note has it.

    def account(self, reader: Reader) -> dict[str, Any]:
        """Facts about the frames that the rows do not hold."""
        return {"frames": reader.frames, "bad_frames": reader.lost} if isinstance(reader, ClipReader) else {}

    def has_account(self, ending: dict[str, Any]) -> bool:
        """Whether a journal's last note has what `account` gave."""
        return self.chunks is None or holds(ending, frames=int, bad_frames=[int])

    def bad_frames(self, content: JournalContent) -> list[int]:
        """Indices of frames that could not be decoded."""
        return content.bad_rows if self.chunks is None else list(content.last_note["bad_frames"])

    def frames(self, content: JournalContent) -> int:
        """Number of frames that the video turned out to have."""
        return content.rows if self.chunks is None else int(content.last_note["frames"])

    def frames_without_animal(self, content: JournalContent) -> list[int]:  # noqa: ARG002
        """Indices of frames in which nothing was found."""
        return []

    def describe(self, info: VideoInfo, content: JournalContent) -> dict[str, Any]:
        """The manifest's section on the frames that were found."""
        found = manifests.describe_run_of_video(info, self.bad_frames(content), self.frames(content))
        if self.chunks is not None:
            del found["timestamps"]["hdf5_node"]  # the tables have a column
            found |= {"chunks": content.rows, "bad_chunks": content.bad_rows}
        return found


class PoseAnalysis(Analysis):
    """One row per frame: x, y and likelihood of every body part."""

    size_options = "--scale or --crop"
    to_csv = staticmethod(table_to_csv)
    model: PoseModel
    options: AnalyzeOptions

    def __init__(self, model: PoseModel, options: AnalyzeOptions) -> None:
        super().__init__(model, options)
        description = model.description
        self.row_width = 3 * len(description.bodyparts) * options.num_outputs
        self.network = f"{description.net_type}, {len(description.bodyparts)} body parts"
        if statistics := description.layout.get("statistics"):
            self.network += f", normalised by {'its own' if statistics == 'frame' else 'stored'} statistics"
        self.settings = {"num_outputs": options.num_outputs}
        if options.within is not None:
            self.settings["within_px"] = options.within
        self.run_settings = {"decoder": options.decoder}

        self.top_down = description.top_down is not None
        _, found, self._rules = teacher_of(model.folder, options)
        self._teacher = None if found is None else PoseModel(found, model.options)
        check_boxes(model.folder, options.boxes)
        if self._has_one_size and isinstance(options.window, int):
            raise UsageError(f"'{model.folder.path}' takes pictures of one size: leave out --window")

    def geometry(self, info: VideoInfo, scale: Fraction | None = None) -> Geometry:
        return Geometry.plan(info.width, info.height, self.options.crop, scale or self.options.exact_scale)

    def work(self, geometry: Geometry, batch_size: int) -> str:
        crop = self.model.description.top_down
        if crop is None:
            return super().work(geometry, batch_size)
        frames = f"{geometry.width}x{geometry.height}"
        return f"batch {batch_size}, network input {crop.width}x{crop.height} px out of frames of {frames} px"

    def determining_settings(
        self, precision: FixedPrecision, geometry: Geometry, windows: Any, teaching: Any, video: Path
    ) -> dict[str, Any]:
        settings = super().determining_settings(precision, geometry, windows, teaching, video)
        settings |= {} if windows is None else {"windows": windows}
        settings |= {} if teaching is None else {"teacher": teaching}
        if self.options.boxes is None:
            return settings
        table = boxes_path(self.options.boxes, video)
        return settings | {"boxes": str(table.resolve()), "boxes_sha256": boxes_sha256(table)}

    def reader(self, info: VideoInfo, geometry: Geometry) -> VideoReader:
        boxes = boxes_of(self.options.boxes, info.path)
        return VideoReader(info, geometry, self.options.video_backend, boxes=boxes)

    # A row without values may be one without an animal: only the reader knows which frames could not be decoded.

    def account(self, reader: Reader) -> dict[str, Any]:
        return {"bad_frames": reader.video.lost} if self.model.may_lack_points else {}

    def has_account(self, ending: dict[str, Any]) -> bool:
        return not self.model.may_lack_points or holds(ending, bad_frames=[int])

    def bad_frames(self, content: JournalContent) -> list[int]:
        return list(content.last_note["bad_frames"]) if self.model.may_lack_points else content.bad_rows

    def frames_without_animal(self, content: JournalContent) -> list[int]:
        """Indices of frames in which there was no box, or no body part at all."""
        return sorted({*content.bad_rows} - {*self.bad_frames(content)})

    def describe(self, info: VideoInfo, content: JournalContent) -> dict[str, Any]:
        found = super().describe(info, content)
        if self.model.may_lack_points:
            found["frames_without_animal"] = self.frames_without_animal(content)
        return found

    def gate(self, videos: Sequence[Path], opens: Opens, *, windows: bool = False, frames: int | None = None) -> Gate:
        # The search for the fastest setting begins at the full frame.
        has_teacher = self._teacher is not None
        shown = replace(self.options, scale=1.0) if has_teacher or self.options.within is not None else self.options
        lag = GROUP if has_teacher or windows else 0
        return pose_gate(videos, shown, opens, lag, frames, beside=has_teacher)

    @property
    def finds_scale(self) -> bool:
        is_open = self.options.within is not None and self.options.scale == 1 and not self._has_one_size
        return is_open and self._teacher is None

    def fastest_within(self, evidence: Evidence, *, windows: bool) -> tuple[Setting, Sequence[GateFigures]] | None:
        if self.options.within is None or self._teacher is not None:
            return None
        scales = SCALES if self.finds_scale else (self.options.exact_scale,)
        return fastest_within(self.model, evidence, self.options, scales, windows=windows)

    @property
    def asked(self) -> Asked:
        options, windows = self.options, self.options.windows
        if windows == "auto" and (self._has_one_size or options.no_windows):
            windows = "off"
        searches, names_scale = options.within is not None and self._teacher is None, options.scale != 1
        return replace(super().asked, windows=windows, searches=searches, names_scale=names_scale)

    def sample_size(self, info: VideoInfo) -> int:
        scale = Fraction(1) if self.options.within is not None else None
        return sample_size(self.geometry(info, scale))

    def windows_share(self, info: VideoInfo) -> float:
        asked, geometry = self.asked.windows, self.geometry(info)
        if asked == "off":
            return 1.0
        side = SMALLEST_WINDOW if asked == "auto" else asked
        share = side**2 / (geometry.width * geometry.height)
        return 1.0 if share > MOST_WORK else max(share, WINDOWS_SHARE)

    @property
    def _has_one_size(self) -> bool:
        """Whether the network takes pictures of one size only, such as crops of the animal."""
        return self.top_down or isinstance(self.model.description.network.head, AxesHead)

    def window_asked_for(self, geometry: Geometry) -> Windows | Literal["any"] | None:
        asked = self.options.windows
        if isinstance(asked, int):
            found = windows_of(self.model, asked, (geometry.height, geometry.width))
            if found is None:
                raise UsageError(
                    f"a window of {asked} px is all of a frame of {geometry.width}x{geometry.height} px: choose a "
                    "smaller one, or --window off"
                )
            return found
        return "any" if asked == "auto" else None

    def choose_windows(
        self, model: Model[Any, Any], evidence: Evidence
    ) -> tuple[list[ChosenWindows], list[WindowFigures]]:
        assert isinstance(model, PoseModel)
        shown = evidence if self._teacher is None else evidence.scaled(self.options.exact_scale)
        return choose_windows(model, shown, self.options)

    def notes(self, model: Model[Any, Any], evidence: Evidence) -> list[str]:
        record = read_student(model.folder)
        if record is None:
            return []
        bright = [brightness_of(image) for sample in evidence.samples for image in sample.items.images]
        animals = animal_sizes(evidence.joined(model)[:, :, 0], record.cutoff)
        found = ", and ".join(record.conditions.unlike(bright, animals))
        return [f"these videos look unlike what '{model.folder.path.name}' learned: {found}"] if found else []

    @property
    def teacher(self) -> ModelFolder | None:
        return None if self._teacher is None else self._teacher.folder

    def teaching_asked_for(self, found: Any) -> Any:
        if self._teacher is None:
            return None
        if not isinstance(found, Mapping):
            # A student may have been found to be good enough alone for what was asked for.
            return None if self.options.within is not None else {"identity": self._teacher.folder.identity}
        asked = self.options.engine.precision
        precision = found.get("precision") if asked == "auto" else asked
        return dict(found) | self._teacher_facts(precision)

    def _teacher_facts(self, precision: Any) -> dict[str, Any]:
        """Which teacher is asked, and how it computes, as `Teaching` has it."""
        assert self._teacher is not None
        folder = self._teacher.folder
        version = int8_fingerprint(folder) if precision == "int8" else None
        return {"identity": folder.identity, "precision": precision, "int8_version": version}

    def ask_teacher(
        self, model: Model[Any, Any], evidence: Evidence, windows: Sequence[ChosenWindows]
    ) -> tuple[Sequence[ChosenWindows], Teaching | None, list[Figures]]:
        if self._teacher is None:
            return windows, None, []
        assert isinstance(model, PoseModel)
        chosen, figures = choose_teacher(model, self._teacher, self._rules, evidence, self.options, windows)
        if chosen.rule is None:
            return chosen.windows, None, figures
        facts = self._teacher_facts(chosen.teacher.options.fixed_precision)
        return chosen.windows, Teaching(**facts, rule=chosen.rule), figures

    def step(
        self,
        model: Model[Any, Any],
        shape: Shape,
        windows: Windows | None = None,
        background: Callable[[int], Still] | None = None,
        teaching: Teaching | None = None,
    ) -> Step:
        assert isinstance(model, PoseModel)
        if windows is not None:
            step: Step = model.window_step(shape, windows, self.options.decoder, background)
        else:
            step = self._whole(model, shape)
        if teaching is None:
            return step
        assert self._teacher is not None
        # Kept, with its engine, from one video to the next.
        self._teacher = self._teacher.with_options(replace(model.options, precision=teaching.precision))
        return TeacherStep(teaching.rule, step, self._whole(self._teacher, shape))

    def _whole(self, model: PoseModel, shape: Shape) -> Step:
        """What looks at whole frames."""
        has_boxes = self.options.boxes is not None
        return model.step(shape, self.options.decoder, self.options.num_outputs, has_boxes=has_boxes)

    def network_shape(self, info: VideoInfo) -> Shape:
        return self._seen(super().network_shape(info))

    def _seen(self, shape: Shape) -> Shape:
        crop = self.model.description.top_down
        return shape if crop is None else (crop.height, crop.width, 3)

    def quantize_options(self) -> QuantizeOptions:
        default = QuantizeOptions()
        scale, shift = self.options.scale, MARGIN * self.options.limit * self.options.scale
        return replace(
            default,
            scales=(scale,),
            max_shift=min(default.max_shift, shift),
            boxes=self.options.boxes,
            most_attempts=ATTEMPTS,
        )

    def calibration_shape(self, info: VideoInfo) -> Shape:
        whole = Geometry.plan(info.width, info.height, None, self.options.exact_scale)
        return self._seen(self.shape(whole))

    def write(self, files: VideoFiles, info: VideoInfo, content: JournalContent) -> None:
        description, peaks = self.model.description, self.options.num_outputs
        writer = PoseTableWriter(files.table, pose_columns(description.scorer, description.bodyparts, peaks))
        try:
            for rows in read_rows(files.journal, content):
                writer.append(rows.reshape(len(rows), len(description.bodyparts), peaks, 3))
            writer.close(info.seconds())
            write_partial(files.side, self._deeplabcut_meta(info, content))
        except BaseException:
            writer.discard()
            raise

    @property
    def seen_what(self) -> str:
        return f"likelihood {model_cutoff(self.model.folder):g} or more"

    def seen(self, blocks: Iterable[Rows]) -> dict[str, float]:
        parts, peaks = self.model.description.bodyparts, self.options.num_outputs
        cutoff = model_cutoff(self.model.folder)
        rows, counts = 0, np.zeros(len(parts))
        for block in blocks:
            rows += len(block)
            counts += (block.reshape(len(block), len(parts), peaks, 3)[:, :, 0, 2] >= cutoff).sum(axis=0)
        return dict(zip(parts, (counts / max(rows, 1)).tolist(), strict=True))

    def _deeplabcut_meta(self, info: VideoInfo, content: JournalContent) -> bytes:
        """DeepLabCut's ``_meta.pickle``: built-in types only, written and never read by posecli.

        It says that nothing was cropped, whatever was: our coordinates are the full frame's already, and
        DeepLabCut would add the offset a second time.
        """
        model = self.model.description
        data = {
            "Scorer": model.scorer,
            "DLC-model-config file": {"net_type": model.net_type, "all_joints_names": list(model.bodyparts)},
            "fps": float(info.frame_rate),
            "batch_size": content.batch_size,
            "frame_dimensions": (info.height, info.width),
            "nframes": content.rows,
            "run_duration": content.last_note["timing"]["whole_seconds"],
            "cropping": False,
            "cropping_parameters": [0, info.width, 0, info.height],
        }
        return pickle.dumps({"data": data}, protocol=4)


class BehaviourAnalysis(Analysis):
    """One row per chunk of frames: a probability for every class."""

    size_options = "--input-size or --length"
    to_csv = staticmethod(behaviours_to_csv)
    model: ClipModel
    options: ClassifyOptions
    chunks: ChunkPlan

    def __init__(self, model: ClipModel, options: ClassifyOptions) -> None:
        super().__init__(model, options)
        own = model.description
        self.row_width = len(own.classes)
        self.network = f"{own.net_type}, {len(own.classes)} behaviours"
        self.settings = {name: getattr(options, name) or getattr(own, name) for name in CHUNKING}
        self.chunks = ChunkPlan(**self.settings)
        self.run_settings = {}

    def geometry(self, info: VideoInfo, scale: Fraction | None = None) -> Geometry:  # noqa: ARG002  # one size
        """Crop, then resize to the network's own size."""
        own = self.model.description
        size = self.options.input_size or InputSize(own.input_width, own.input_height)
        return Geometry.plan(info.width, info.height, self.options.crop).brought_to(size.width, size.height)

    def sample_size(self, info: VideoInfo) -> int:  # noqa: ARG002
        return SAMPLE_CHUNKS

    def gate(self, videos: Sequence[Path], opens: Opens, *, windows: bool = False) -> Gate:  # noqa: ARG002
        return clip_gate(videos, self.chunks, self.geometry, self.options, opens)

    def quantize_options(self) -> ClipQuantizeOptions:
        default = ClipQuantizeOptions()
        return replace(default, max_change=min(default.max_change, self.options.max_change / 2), most_attempts=ATTEMPTS)

    def calibration_shape(self, info: VideoInfo) -> Shape:  # noqa: ARG002
        own = self.model.description
        return own.length, own.input_height, own.input_width, 3

    def write(self, files: VideoFiles, info: VideoInfo, content: JournalContent) -> None:
        starts = self.chunks.starts(self.frames(content))
        probabilities = np.concatenate([np.empty((0, self.row_width)), *read_rows(files.journal, content)])
        found = Behaviours(self.model.description.classes, starts, self.chunks.span, probabilities, info.seconds())
        try:
            write_behaviours(files.table, found)
            save_ethogram(files.side, found, info.path.name)
        except BaseException:
            partial_path(files.table).unlink(missing_ok=True)
            raise

    @property
    def seen_what(self) -> str:
        return SHOWN

    def seen(self, blocks: Iterable[Rows]) -> dict[str, float]:
        classes = self.model.description.classes
        labels = [labels_of(block, classes) for block in blocks]
        shown = np.concatenate([np.empty(0, str), *labels])
        return {name: float((shown == name).mean()) if len(shown) else 0.0 for name in classes}


def analysis_of(plan: RunPlan, model: Any = None) -> Analysis:
    """What a plan looks for, with a model that is loaded already or the one that the plan names."""
    options = plan.options
    if isinstance(options, AnalyzeOptions):
        return PoseAnalysis(model or load_model(plan.model, options.engine), options)
    return BehaviourAnalysis(model or load_clip_model(plan.model, options.engine), options)
