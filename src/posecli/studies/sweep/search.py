"""The search of ``analyze --within`` made visible, and the smallest video that goes with what it finds.

Poses depend on scale, precision, windows and compression, and on nothing else. The first three are tried by the very
code that a run uses, on more frames than it would take for itself, and always against fp32 on the full frame; then
compression, with what was chosen, so that what all of them do to poses is measured together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posecli.analysis.poses import PoseAnalysis
from posecli.errors import PrecisionError, UsageError
from posecli.inference.predictor import load_model
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.folder import builtin_model_path, has_int8
from posecli.model.student import read_student
from posecli.options import NO_TEACHER, AnalyzeOptions
from posecli.precision.gate import FEWEST_POINTS, GateFigures, model_cutoff
from posecli.precision.reckoning import pace
from posecli.precision.within import Setting
from posecli.studies.common.folder import write_json
from posecli.studies.sweep.charts import draw_settings
from posecli.studies.sweep.options import SCENE_FRAMES, SweepObserver, SweepOptions
from posecli.studies.sweep.recommendation import Recommendation, command_line, recommend
from posecli.studies.sweep.report import write_report
from posecli.studies.sweep.runner import run_sweep
from posecli.studies.sweep.versions import ORIGINAL, Version, encoded_versions
from posecli.support.figures import house_style, save_figure
from posecli.support.files import make_folder
from posecli.support.hardware import processor
from posecli.video.probe import probe

FORMAT = "posecli-recommendation"
#: Times as many frames as a run looks at.
MORE_FRAMES = 4
HEAD = ("setting", "median px", "p99 px", "largest px", "work", "verdict")


@dataclass(frozen=True)
class SearchOptions:
    """What to search, and on which videos."""

    videos: tuple[Path, ...]
    analysis: AnalyzeOptions  # its limit; a scale, precision or window that it names is kept
    model: Path | None = None  # ``None`` is the network that comes with posecli
    sample: int | None = None  # frames to look at, of all videos together; ``None`` is four times what a run takes
    frames: int = SCENE_FRAMES  # of each video, the first ones, that are encoded
    crf: tuple[float, ...] = (20.0, 30.0, 40.0)  # of H.264; none leaves compression out

    def __post_init__(self) -> None:
        if not self.videos:
            raise UsageError("no video is given: name the one that settings are wanted for")
        if self.sample is not None and self.sample < FEWEST_POINTS:
            raise UsageError(f"sample {self.sample} is too small: give {FEWEST_POINTS} frames or more")


@dataclass(frozen=True)
class Found:
    """What a search found, and the commands that use it."""

    folder: Path
    frames: int  # that were looked at
    points: int  # that fp32 is sure of on the full frame
    setting: Setting
    tried: tuple[GateFigures, ...]
    verdict: str  # in a sentence
    reasons: tuple[str, ...]  # more sentences
    analysis: str  # the commands to use; empty where too little was seen to tell
    acquisition: str
    figure: Path | None  # work and shift of all that was tried, as PNG

    @property
    def exit_code(self) -> int:
        """0 if a setting is recommended."""
        return 0 if self.analysis else PrecisionError.exit_code

    @property
    def table(self) -> list[list[str]]:
        """Every setting that was tried."""
        return [[*HEAD], *map(self._row, self.tried)]

    def _row(self, figures: GateFigures) -> list[str]:
        numbers = (figures.median_px, figures.p99_px, figures.largest_px)
        is_chosen = self.analysis and figures in self.setting.figures
        verdict = "chosen" if is_chosen else "passes" if figures.passed else "does not pass"
        shown = [f"{number:.3f}" for number in numbers] if figures.judged else ["-"] * 3
        return [
            figures.setting,
            *shown,
            f"{100 * figures.frame_work:.0f} %",
            verdict if figures.judged else "not judged",
        ]

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "folder": str(self.folder),
            "frames": self.frames,
            "points": self.points,
            "setting": {
                "scale": float(self.setting.scale),
                "precision": self.setting.model.options.precision,
                "windows": [[each.windows.width, each.windows.height] for each in self.setting.windows],
                "work": self.setting.work,
            }
            if self.analysis
            else None,
            "tried": [
                each.as_dict()
                | {"setting": each.setting, "frame_work": each.frame_work, "chosen": each in self.setting.figures}
                for each in self.tried
            ],
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "analysis": self.analysis,
            "acquisition": self.acquisition,
            "figure": self.figure and str(self.figure),
            "exit_code": self.exit_code,
        }


def search(
    options: SearchOptions,
    folder: Path,
    observer: SweepObserver = SweepObserver(),
    *,
    overwrite: bool = False,
    network: NetworkChoice = NetworkChoice(),
) -> Found:
    """Search for the fastest setting within the limit, and for the smallest video.

    A `PrecisionError` if what the options name does not pass; other errors as of `run_sweep`, in whose folder
    compressed versions that are finished are found again.
    """
    model = load_model(options.model or builtin_model_path(), options.analysis.engine, network)
    kind = PoseAnalysis(model, replace(options.analysis, teacher=NO_TEACHER))
    windows = kind.asked.windows != "off"
    wanted = options.sample or MORE_FRAMES * kind.sample_size(probe(options.videos[0]))
    observer.say(f"looking at {wanted} frames from all over the videos, in fp32 and in every setting that may serve")
    evidence = kind.gate(options.videos, lambda _video: None, windows=windows, frames=wanted).evidence
    found = kind.fastest_within(evidence, windows=windows)
    assert found is not None, "there is a limit"
    setting, tried = found
    sure = evidence.joined(model.with_precision("fp32"))[:, :, 0, 2] >= model_cutoff(model.folder)
    make_folder(folder)
    acquisition, reasons = "", [*_hints(kind, setting)]
    is_thin = sure.sum() < FEWEST_POINTS
    verdict = _verdict(setting, options.analysis.limit)
    if is_thin:
        verdict = (
            f"Nothing is recommended: of {len(sure)} frames fp32 shows only {sure.sum()} points surely, and "
            f"{FEWEST_POINTS} are needed"
        )
    elif options.crf:
        compression = _compression(options, setting, folder / "compression", observer, overwrite, network)
        reasons += [f"Compression, in this setting: {reason}" for reason in compression.reasons]
        acquisition = compression.acquisition
    figure = None
    if judged := [each for each in tried if each.judged]:
        with house_style():
            figure, _ = save_figure(draw_settings(judged, setting.figures, verdict), folder / "figures" / "frontier")
    analysis = "" if is_thin else _analysis(options, setting)
    outcome = (verdict, tuple(reasons), analysis, acquisition, figure)
    result = Found(folder, len(sure), int(sure.sum()), setting, tuple(tried), *outcome)
    write_json(folder / "recommendation.json", result.as_dict())
    return result


def _verdict(setting: Setting, limit: float) -> str:
    head = f"Within {limit:g} px of fp32 on the full frame"
    if not setting.figures:
        return f"{head} nothing faster stays: fp32 on the full frame it is"
    worst = max(setting.figures, key=lambda each: each.p99_px)
    return (
        f"{head} the fastest is {worst.setting}: 99th percentile {worst.p99_px:.2f} px, "
        f"{100 * setting.work:.0f} % of its work"
    )


def _hints(kind: PoseAnalysis, setting: Setting) -> Iterator[str]:
    """What the search could not try."""
    is_open = kind.options.engine.precision == "auto" and kind.options.engine.engine == "openvino"
    if is_open and not has_int8(kind.model.folder) and pace(processor()[1]) is not None:
        yield (
            "The model has no int8 version, which this processor has instructions for: 'posecli model quantize' makes "
            f"one, and this search tries it then (so far {setting.model.options.precision})."
        )


def _analysis(options: SearchOptions, setting: Setting) -> str:
    """The command that looks at frames in a setting, and holds it to the limit on the videos that it is given.

    At another scale than 1 only the search compares with the full frame; at full scale the parity gate does.
    """
    precision = setting.model.options.precision
    limit = "--within" if setting.scale != 1 else "--max-shift"
    is_exact = precision == "fp32" and setting.scale == 1 and not setting.windows
    how: dict[str, object] = {
        limit: "" if is_exact else f"{options.analysis.limit:g}",
        "--precision": precision,
        "--window": (options.analysis.window or "auto") if setting.windows else "" if limit == "--max-shift" else "off",
    }
    if read_student(setting.model.folder) is not None:
        how["--teacher"] = NO_TEACHER  # who was not asked here either
    return command_line(options.model, options.analysis, how, float(setting.scale))


def _compression(
    options: SearchOptions,
    setting: Setting,
    folder: Path,
    observer: SweepObserver,
    overwrite: bool,
    network: NetworkChoice,
) -> Recommendation:
    """What is recommended of compressed versions in a setting, against the given video in fp32 on the full frame."""
    engine = replace(options.analysis.engine, precision="fp32")
    analysis = replace(options.analysis, engine=engine, within=None, window=None, scale=1.0)
    sweep = SweepOptions(options.videos, options.model, analysis, options.frames, tolerance=options.analysis.limit)
    encoded: Sequence[Version] = encoded_versions({"libx264": options.crf}, {})[1:]
    how: Any = {"scale": float(setting.scale), "precision": setting.model.options.precision}
    versions = (Version(ORIGINAL, precision="fp32"), *(replace(version, **how) for version in encoded))
    summary = run_sweep(
        "recommend-compression", sweep, versions, folder, observer, overwrite=overwrite, network=network
    )
    write_report(summary)
    return recommend(summary)
