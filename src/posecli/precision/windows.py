"""Which windows pay on a user's own videos, and how far they move points: the parity gate's other half.

Each sampled frame comes with one a group earlier, the farthest from which a run may have to say where the animal is.
The size is chosen by arithmetic on poses, pixels counted for work, so that all machines choose the same; what the
windows then give is compared with fp32 on the whole frame, as a faster precision is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np

from posecli.engine import Shape
from posecli.errors import PrecisionError
from posecli.inference.predictor import PoseModel
from posecli.inference.step import Values
from posecli.inference.windows import Flags, Places, Windows, WindowStep
from posecli.options import SMALLEST_WINDOW, AnalyzeOptions, FixedPrecision
from posecli.precision.gate import Evidence, GateFigures, compare_poses, model_cutoff
from posecli.video.batch import Batch
from posecli.video.geometry import BatchGeometry, Floats

#: Windows that leave more of the whole frames' work than this are not worth their risk.
MOST_WORK = 0.75
#: Sizes that are tried at most, each so much larger than the one before.
ATTEMPTS, LARGER = 3, 1.3
#: In fewer frames than this, in the videos that are sampled, finding windows takes longer than they save.
FEWEST_FRAMES = 512


@dataclass(frozen=True)
class WindowFigures(GateFigures):
    """How far windows move points against fp32 on the whole frame, and what they save."""

    width: int  # of a window, px of the network's picture
    height: int
    scale: float  # of that picture
    whole_frames: int  # of those that were tried, the ones that had to be looked at as a whole
    work: float  # as a share of the work on whole frames
    most_work: float | None  # that they may leave; any where the size was asked for

    @property
    def passed(self) -> bool:
        return super().passed and (self.most_work is None or self.work <= self.most_work)

    def __str__(self) -> str:
        at_scale = "" if self.scale == 1 else f" at scale {self.scale:.3g}"
        if not self.judged:
            return f"windows of {self.width}x{self.height} px{at_scale}, {super().__str__()}"
        share = 100 * self.whole_frames / max(self.frames, 1)
        return (
            f"windows of {self.width}x{self.height} px{at_scale} in {super().__str__()}; {share:.0f} % of frames as a "
            f"whole, {100 * self.work:.0f} % of the work"
        )


@dataclass(frozen=True)
class ChosenWindows:
    """Windows for frames of one shape."""

    shape: Shape
    windows: Windows
    work: float  # that they leave, as a share of that on whole frames


def choose_windows(
    model: PoseModel, evidence: Evidence, options: AnalyzeOptions
) -> tuple[list[ChosenWindows], list[WindowFigures]]:
    """The windows of a run, by the shape of its frames, and what was measured.

    Shapes of which no video was sampled, or for which nothing pays and passes, have none. A `PrecisionError` says that
    windows of the size that was asked for do not pass.
    """
    asked = options.windows
    assert asked != "off"
    chosen: list[ChosenWindows] = []
    figures: list[WindowFigures] = []
    if asked == "auto" and sum(sample.frames for sample in evidence.samples) < FEWEST_FRAMES:
        return chosen, figures
    for shape, earlier, frames, found, exact in _by_shape(model, evidence):
        if asked == "auto":
            choices = _choices(model, earlier, frames, found)
        else:  # a frame that is no larger than its window is refused when its video's turn comes
            choices = [windows for windows in [windows_of(model, asked, shape)] if windows is not None]
        for windows in choices:
            step = model.window_step(shape, windows, options.decoder)
            shift = _measured(step, earlier, frames, exact, model.options.fixed_precision, options)
            figures.append(shift)
            if shift.passed:
                chosen.append(ChosenWindows(shape, windows, shift.work))
                break
    if asked != "auto":
        _refuse(figures, options)
    return chosen, figures


def _refuse(figures: Sequence[WindowFigures], options: AnalyzeOptions) -> None:
    """Refuse windows that were asked for if they move points, or could be judged on frames of no shape."""
    moved = next((each for each in figures if each.judged and not each.passed), None)
    unjudged = None if any(each.judged for each in figures) else next(iter(figures), None)
    if moved is not None:
        raise PrecisionError(f"{moved}: choose --window auto or off, or allow more with {options.limit_option}")
    if unjudged is not None:
        raise PrecisionError(f"{unjudged}: choose --window auto or off")


def _measured(
    step: WindowStep,
    earlier: Values,
    frames: Batch,
    exact: Values,
    precision: FixedPrecision,
    options: AnalyzeOptions,
) -> WindowFigures:
    """What windows placed by the poses of earlier frames give, against fp32 on whole frames."""
    poses = []
    for place in range(len(frames)):
        step.resume(1, earlier[place : place + 1], gap=True)
        poses.append(step(replace(frames[place : place + 1], indices=np.array([1]))))
    windows = step.windows
    found = np.concatenate(poses)[:, :, 0]
    shift = compare_poses(precision, found, exact[:, :, 0], windows.cutoff, options.limit)
    return WindowFigures(
        **asdict(shift),
        width=windows.width,
        height=windows.height,
        scale=float(frames.geometry.scale[0, 0]),
        whole_frames=step.whole,
        work=_area(windows, frames.images.shape[1:]) * (1 + step.moved / len(frames)) + step.whole / len(frames),
        most_work=MOST_WORK if options.windows == "auto" else None,
    )


def _by_shape(model: PoseModel, evidence: Evidence) -> Iterator[tuple[Shape, Values, Batch, Values, Values]]:
    """For each shape of frames: poses of the earlier frames, the frames, their poses, and those of fp32."""
    exact = evidence.reference.values(model.with_precision("fp32"))
    found = evidence.values(model)
    shapes: dict[Shape, list[int]] = {}
    for number, sample in enumerate(evidence.samples):
        if sample.earlier is not None and len(sample.items):
            shapes.setdefault(sample.items.images.shape[1:], []).append(number)
    for shape, numbers in shapes.items():
        samples = [evidence.samples[number] for number in numbers]
        before = [evidence.values_of(model, sample.earlier) for sample in samples if sample.earlier is not None]
        frames = Batch.joined([sample.items for sample in samples])
        yield (
            shape,
            np.concatenate(before),
            frames,
            np.concatenate([found[number] for number in numbers]),
            np.concatenate([exact[number] for number in numbers]),
        )


def windows_of(model: PoseModel, side: int, size: Sequence[int]) -> Windows | None:
    """Windows whose sides are as close to one in px as the grid allows, for pictures of a size (height, width).

    ``None`` if that is all of them.
    """
    all_of_it = _whole_frame(model, size)
    width, height = (min(_sides(all_of_it, extent), key=lambda each: abs(each - side)) for extent in size[1::-1])
    found = replace(all_of_it, width=width, height=height)
    return None if found == all_of_it else found


def _choices(model: PoseModel, earlier: Values, frames: Batch, found: Values) -> list[Windows]:
    """Windows of the size that saves most, and larger ones, which show more around the animal, if they save enough."""
    size = frames.images.shape[1:3]
    all_of_it = _whole_frame(model, size)
    centers = all_of_it.centers(earlier)
    choices = [
        replace(all_of_it, width=width, height=height)
        for width, height in product(*(_sides(all_of_it, extent) for extent in size[::-1]))
    ]
    works = [_expected_work(each, centers, frames.geometry, found, size) for each in choices]
    tried: list[Windows] = []
    for number in np.argsort(works, kind="stable"):
        windows = choices[number]
        is_larger = not tried or _area(windows, size) >= LARGER * _area(tried[-1], size)
        if works[number] <= MOST_WORK and is_larger and len(tried) < ATTEMPTS:
            tried.append(windows)
    return tried


def _whole_frame(model: PoseModel, size: Sequence[int]) -> Windows:
    return Windows(size[1], size[0], model.description.network.coarsest, model_cutoff(model.folder))


def _sides(windows: Windows, extent: int) -> list[int]:
    """Sides of windows that leave whole cells of a frame's side out, and that side itself, px."""
    return [extent, *range(extent - windows.grid, SMALLEST_WINDOW - 1, -windows.grid)]


def _expected_work(
    windows: Windows, centers: Floats, geometry: BatchGeometry, found: Values, size: tuple[int, ...]
) -> float:
    """Share of the whole frames' work that windows would leave, by the poses that the whole frames gave."""

    def doubtful(corners: Places) -> Flags:
        return windows.doubtful(found, geometry.window(corners.astype(np.float64)), corners, size)

    corners, moved = (windows.corners(geometry.to_network(each), size) for each in (centers, windows.centers(found)))
    is_placed, is_moved = corners.min(axis=1) >= 0, (moved != corners).any(axis=1)
    again = is_placed & doubtful(corners) & is_moved
    whole = ~is_placed | (doubtful(corners) & (~is_moved | doubtful(moved)))
    return _area(windows, size) * (1 + float(again.mean())) + float(whole.mean())


def _area(windows: Windows, shape: Sequence[int]) -> float:
    return windows.width * windows.height / (shape[0] * shape[1])
