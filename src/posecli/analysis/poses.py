"""A run that finds poses: one row for each frame."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from posecli.analysis.journal import JournalContent, Rows, holds, read_rows
from posecli.analysis.kinds import ATTEMPTS, Analysis
from posecli.analysis.plan import VideoFiles
from posecli.engine import Shape
from posecli.errors import UsageError
from posecli.inference.pipeline import Reader
from posecli.inference.predictor import Model, PoseModel
from posecli.inference.sources import Still
from posecli.inference.step import Step
from posecli.inference.teacher import TeacherStep, Teaching
from posecli.inference.topdown import check_boxes
from posecli.inference.windows import GROUP, Windows
from posecli.model.folder import ModelFolder, int8_fingerprint
from posecli.model.student import animal_sizes, brightness_of, read_student
from posecli.network.network import AxesHead
from posecli.options import SMALLEST_WINDOW, AnalyzeOptions, FixedPrecision
from posecli.precision.gate import (
    Evidence,
    Figures,
    Gate,
    GateFigures,
    Opens,
    model_cutoff,
    pose_gate,
    sample_size,
)
from posecli.precision.quantize import QuantizeOptions
from posecli.precision.reckoning import Asked
from posecli.precision.teacher import choose_teacher, teacher_of
from posecli.precision.windows import MOST_WORK, ChosenWindows, WindowFigures, choose_windows, windows_of
from posecli.precision.within import SCALES, Setting, fastest_within
from posecli.support.files import write_partial
from posecli.tables.boxes import boxes_of, boxes_path, boxes_sha256
from posecli.tables.pose_table import PoseTableWriter, pose_columns, table_to_csv
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

#: With windows a frame costs a fifth of a whole one, if not more.
WINDOWS_SHARE = 0.2
#: An int8 version is made within so much of the parity gate's limit: the gate looks at other frames.
MARGIN = 2 / 3


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
