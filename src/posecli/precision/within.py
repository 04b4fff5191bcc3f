"""The fastest way to look at a run's frames that keeps points within so many px of fp32 on the full frame.

Precision, scale and windows are tried on samples of the run's own videos. What a setting costs is worked out and not
timed, so that all processes of a run choose the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from posecli.errors import PrecisionError
from posecli.inference.predictor import PoseModel
from posecli.options import AnalyzeOptions, FixedPrecision
from posecli.precision.gate import CANDIDATES, WORK, Evidence, GateFigures, compare_poses, model_cutoff
from posecli.precision.windows import ChosenWindows, choose_windows

#: Scales that are tried, the largest first. Where nothing passes at one, the smaller ones are left out.
SCALES = (Fraction(1), Fraction(3, 4), Fraction(1, 2), Fraction(3, 8), Fraction(1, 4))
#: Pictures with a shorter side, px, are not tried.
SHORTEST_SIDE = 64
#: Of the settings that pass with whole frames, the cheapest so many are tried with windows.
WITH_WINDOWS = 3


@dataclass(frozen=True)
class ScaleFigures(GateFigures):
    """How far a precision at a scale moves points against fp32 on the full frame."""

    scale: float

    @property
    def setting(self) -> str:
        return f"{self.precision} at scale {self.scale:g}"

    @property
    def frame_work(self) -> float:
        return self.scale**2 * WORK[self.precision]

    def __str__(self) -> str:
        return f"at scale {self.scale:g} {super().__str__()}"


class Setting(NamedTuple):
    """One way to look at frames."""

    work: float  # on a frame, in that of the full one in fp32
    scale: Fraction
    model: PoseModel  # in the precision
    windows: tuple[ChosenWindows, ...] = ()
    figures: tuple[GateFigures, ...] = ()  # by which it passes; none for the full frame in fp32


def fastest_within(
    model: PoseModel, evidence: Evidence, options: AnalyzeOptions, scales: Sequence[Fraction], *, windows: bool
) -> tuple[Setting, list[GateFigures]]:
    """The setting that costs least and passes, and what was measured; `evidence` shows frames at full scale.

    Scales are the largest first. What the options name is kept. A `PrecisionError` if nothing passes.
    """
    passing, figures = _whole_frames(model, evidence, options, scales)
    found: list[Setting] = []
    for setting in sorted(passing, key=lambda each: each.work)[: WITH_WINDOWS if windows else 1]:
        shown = evidence.scaled(setting.scale)
        try:
            chosen, more = choose_windows(setting.model, shown, options) if windows else ([], [])
        except PrecisionError:  # windows of the size that was asked for do not pass here
            continue
        figures += more
        share = np.mean([each.work for each in chosen]) if len(chosen) == _shapes(shown) else 1.0
        if isinstance(options.windows, int) and not chosen:
            continue  # they are all of a frame
        passed = tuple(each for each in more if each.passed) or setting.figures
        found.append(setting._replace(work=setting.work * float(share), windows=tuple(chosen), figures=passed))
    if not found:
        tried = "; ".join(map(str, figures))
        raise PrecisionError(
            f"nothing that was tried stays within {options.within:g} px of fp32 on the full frame ({tried}): allow "
            "more with --within, or leave --scale, --precision and --window open"
        )
    return min(found, key=lambda each: each.work), figures


def _whole_frames(
    model: PoseModel, evidence: Evidence, options: AnalyzeOptions, scales: Sequence[Fraction]
) -> tuple[list[Setting], list[GateFigures]]:
    """Scales and precisions that pass with whole frames."""
    exact = model.with_precision("fp32")
    expected = evidence.joined(exact)[:, :, 0]
    passing: list[Setting] = []
    figures: list[GateFigures] = []
    side = min((min(sample.items.images.shape[1:3]) for sample in evidence.samples), default=0)
    for scale in scales:
        if scale != scales[0] and side * scale < SHORTEST_SIDE:
            break
        shown, before = evidence.scaled(scale), len(passing)
        for name in _precisions(model):
            fast = model.with_precision(name)
            if scale == 1 and name == "fp32":
                passing.append(Setting(WORK[name], scale, fast))
                continue
            found = shown.joined(fast)[:, :, 0]
            shift = compare_poses(name, found, expected, model_cutoff(model.folder), options.limit)
            figures.append(ScaleFigures(**asdict(shift), scale=float(scale)))
            if figures[-1].passed:
                passing.append(Setting(figures[-1].frame_work, scale, fast, figures=(figures[-1],)))
                break  # a wider precision costs more
        if len(passing) == before:
            break
    return passing, figures


def _precisions(model: PoseModel) -> Sequence[FixedPrecision]:
    """Those that this engine and processor have, the fastest first; the one that was asked for by name."""
    if (asked := model.options.precision) != "auto":
        if (obstacle := model.obstacle(asked)) is not None:
            raise PrecisionError(obstacle)
        return [asked]
    fast = () if model.options.engine == "tensorflow" else CANDIDATES
    return [*(name for name in fast if model.obstacle(name) is None), "fp32"]


def _shapes(evidence: Evidence) -> int:
    return len({sample.items.images.shape[1:] for sample in evidence.samples if len(sample.items)})
