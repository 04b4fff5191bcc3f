"""Which windows pay on a user's own videos, and how far they move points: the parity gate's other half.

Each sampled frame comes with one a group earlier, the farthest from which a run may have to say where the animal is.
The size is chosen by arithmetic on poses, pixels counted for work, so that all machines choose the same; what the
windows then give is compared with fp32 on the whole frame, as a faster precision is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import product

import numpy as np

from posecli.engine import Shape
from posecli.errors import PrecisionError
from posecli.inference.predictor import PoseModel
from posecli.inference.sources import Still, shrunk
from posecli.inference.step import Values
from posecli.inference.windows import Flags, Places, Windows
from posecli.options import SMALLEST_WINDOW, AnalyzeOptions
from posecli.precision.gate import WORK, Evidence, GateFigures, Sample, compare_poses, model_cutoff
from posecli.video.batch import Batch
from posecli.video.geometry import BatchGeometry, Floats

#: Windows that leave more of the whole frames' work than this are not worth their risk.
MOST_WORK = 0.75
#: Sizes that are tried at most, each so much larger than the one before.
ATTEMPTS, LARGER = 3, 1.3
#: Widths that are considered at most, and heights.
MOST_SIDES = 48
#: The animal may be sought in pictures so many times smaller, if no side of theirs is shorter, px.
COARSE, SHORTEST_COARSE = (8, 4), 56
#: Or as what differs from a still camera's background, in pictures so many times smaller.
STILL = 8
#: Finding out whether that serves takes time: so much more must be to be gained, as a share of the work.
LEAST_GAIN = 0.05
#: Body parts of an animal may be so many times further apart than they were seen in the sample, where each of them was
#: seen beside another one in so many frames.
FARTHER, FEWEST_SIGHTINGS = 1.25, 4


@dataclass(frozen=True)
class WindowFigures(GateFigures):
    """How far windows move points against fp32 on the whole frame, and what they save."""

    width: int  # of a window, px of the network's picture
    height: int
    scale: float  # of that picture
    whole_frames: int  # of those that were tried, the ones that had to be looked at as a whole
    work: float  # as a share of the work on whole frames
    most_work: float | None  # that they may leave; any where the size was asked for
    placed: str = ""  # how windows were, where not by tracking

    @property
    def setting(self) -> str:
        return f"{self.precision} at scale {self.scale:.3g}, windows of {self.width}x{self.height} px{self.placed}"

    @property
    def frame_work(self) -> float:
        return self.scale**2 * WORK[self.precision] * self.work

    @property
    def passed(self) -> bool:
        return super().passed and (self.most_work is None or self.work <= self.most_work)

    def __str__(self) -> str:
        at_scale = "" if self.scale == 1 else f" at scale {self.scale:.3g}"
        what = f"windows of {self.width}x{self.height} px{self.placed}{at_scale}"
        if not self.judged:
            return f"{what}, {super().__str__()}"
        share = 100 * self.whole_frames / max(self.frames, 1)
        return f"{what} in {super().__str__()}; {share:.0f} % of frames as a whole, {100 * self.work:.0f} % of the work"


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
    for seen in _by_shape(model, evidence):
        if asked == "auto":
            choices = _choices(model, seen)
        else:  # a frame that is no larger than its window is refused when its video's turn comes
            named = windows_of(model, asked, seen.shape)
            choices = [] if named is None else [replace(named, reach=_reach(seen, named.cutoff))]
        for windows in choices:
            shift = _measured(model, seen, windows, options)
            figures.append(shift)
            if shift.passed:
                chosen.append(ChosenWindows(seen.shape, windows, shift.work))
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


@dataclass(frozen=True)
class _Moments:
    """Sampled frames of one shape, and what whole frames say of them; each list has an item for each video."""

    shape: Shape
    samples: list[Sample]
    before: list[Values]  # poses of frames that come a group before them
    poses: list[Values]
    exact_poses: list[Values]  # the same in fp32

    @cached_property
    def geometry(self) -> BatchGeometry:
        return Batch.joined([sample.items for sample in self.samples]).geometry

    @cached_property
    def earlier(self) -> Values:
        return np.concatenate(self.before)

    @cached_property
    def found(self) -> Values:
        return np.concatenate(self.poses)

    @cached_property
    def exact(self) -> Values:
        return np.concatenate(self.exact_poses)


def _by_shape(model: PoseModel, evidence: Evidence) -> Iterator[_Moments]:
    """What was sampled, by the shape of frames."""
    exact = evidence.reference.values(model.with_precision("fp32"))
    found = evidence.values(model)
    shapes: dict[Shape, list[int]] = {}
    for number, sample in enumerate(evidence.samples):
        if sample.earlier is not None and len(sample.items):
            shapes.setdefault(sample.items.images.shape[1:], []).append(number)
    for shape, numbers in shapes.items():
        samples = [evidence.samples[number] for number in numbers]
        before = [evidence.values_of(model, sample.earlier) for sample in samples if sample.earlier is not None]
        of_these = ([values[number] for number in numbers] for values in (found, exact))
        yield _Moments(shape, samples, before, *of_these)


def _measured(model: PoseModel, seen: _Moments, windows: Windows, options: AnalyzeOptions) -> WindowFigures:
    """What windows placed by the poses of earlier frames give, against fp32 on whole frames."""
    poses, moved, whole = [], 0, 0
    for sample, before in zip(seen.samples, seen.before, strict=True):
        step = model.window_step(seen.shape, windows, options.decoder, partial(background_of, sample))
        for place in range(len(before)):
            step.resume(1, before[place : place + 1], gap=True)
            poses.append(step(replace(sample.items[place : place + 1], indices=np.array([1]))))
        moved, whole = moved + step.moved, whole + step.whole
    found = np.concatenate(poses)[:, :, 0]
    shift = compare_poses(model.options.fixed_precision, found, seen.exact[:, :, 0], windows.cutoff, options.limit)
    return WindowFigures(
        **asdict(shift),
        width=windows.width,
        height=windows.height,
        scale=float(seen.geometry.scale[0, 0]),
        whole_frames=whole,
        placed=windows.placed,
        work=_work(windows, seen.shape, moved / len(found), whole / len(found)),
        most_work=MOST_WORK if options.windows == "auto" else None,
    )


def background_of(sample: Sample, times_smaller: int) -> Still:
    """A video's background as its sample has it."""
    batches = (batch for batch in (sample.items, sample.earlier) if batch is not None)
    return Still.of_pictures(np.concatenate([shrunk(batch.images, times_smaller) for batch in batches]), times_smaller)


def windows_of(model: PoseModel, side: int, size: Sequence[int]) -> Windows | None:
    """Windows whose sides are as close to one in px as the grid allows, for pictures of a size (height, width).

    ``None`` if that is all of them.
    """
    all_of_it = _whole_frame(model, size)
    width, height = (min(_sides(all_of_it, extent), key=lambda each: abs(each - side)) for extent in size[1::-1])
    found = replace(all_of_it, width=width, height=height)
    return None if found == all_of_it else found


def _choices(model: PoseModel, seen: _Moments) -> list[Windows]:
    """Windows of the size that saves most, and larger ones, which show more around the animal, if they save enough."""
    size = seen.shape[:2]
    all_of_it = _whole_frame(model, size)
    all_of_it = replace(all_of_it, reach=_reach(seen, all_of_it.cutoff))
    works = _expected(all_of_it, all_of_it.centers(seen.earlier), seen)
    # What a source would gain that is always right.
    gain = min(works.values()) - min(_expected(all_of_it, all_of_it.centers(seen.found), seen).values())
    for coarse in COARSE:
        if min(size) >= SHORTEST_COARSE * coarse and gain > coarse**-2 + LEAST_GAIN:
            works |= _expected_elsewhere(model, replace(all_of_it, coarse=coarse), seen)
    if gain > LEAST_GAIN:
        works |= _expected_elsewhere(model, replace(all_of_it, still=STILL), seen)
    tried: list[Windows] = []
    for windows in sorted(works, key=works.__getitem__):
        is_larger = not tried or _area(windows, size) >= LARGER * _area(tried[-1], size)
        if works[windows] <= MOST_WORK and is_larger and len(tried) < ATTEMPTS:
            tried.append(windows)
    return tried


def _expected_elsewhere(model: PoseModel, all_of_it: Windows, seen: _Moments) -> dict[Windows, float]:
    """Work that windows of every size would leave, placed by a source that looks at each frame."""
    centers = [
        model.source(seen.shape, all_of_it, background=partial(background_of, sample)).centers(sample.items, before)
        for sample, before in zip(seen.samples, seen.before, strict=True)
    ]
    return _expected(all_of_it, np.concatenate(centers), seen)


def _expected(all_of_it: Windows, centers: Floats, seen: _Moments) -> dict[Windows, float]:
    """Work that windows of every size would leave, about centers ``(B, 2)``."""
    size = seen.shape[:2]
    sides = (_sides(all_of_it, extent) for extent in size[::-1])
    some = (each[:: math.ceil(len(each) / MOST_SIDES)] for each in sides)
    choices = [replace(all_of_it, width=width, height=height) for width, height in product(*some)]
    return {each: _expected_work(each, centers, seen.geometry, seen.found, size) for each in choices}


def _reach(seen: _Moments, cutoff: float) -> int:
    """Px of the network's picture that body parts of an animal are apart at most, by whole frames; 0: unknown."""
    best = seen.found[:, :, 0]
    is_sure = best[..., 2] >= cutoff
    together = is_sure[:, :, None] & is_sure[:, None]
    beside_another = (together & ~np.eye(is_sure.shape[1], dtype=bool)).any(axis=2)
    if beside_another.sum(axis=0).min() < FEWEST_SIGHTINGS:
        return 0
    places = seen.geometry.to_network(best[..., :2])
    apart = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1)
    return math.ceil(FARTHER * float(apart[together].max()))


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

    corners = windows.corners(geometry.to_network(centers), size)
    # The window shows what lies in it, and is moved to that.
    within = geometry.to_network(found[:, :, 0, :2]) - corners[:, None]
    is_outside: Flags = np.asarray(((within < 0) | (within > (windows.width, windows.height))).any(axis=-1))
    shown = np.where(is_outside[..., None, None], (np.nan, np.nan, 0.0), found)
    moved = windows.corners(geometry.to_network(windows.centers(shown)), size)
    is_placed, is_doubtful = corners.min(axis=1) >= 0, doubtful(corners)
    again = is_placed & is_doubtful & (moved >= 0).all(axis=1) & (moved != corners).any(axis=1)
    whole = ~is_placed | (is_doubtful & ~(again & ~doubtful(moved)))
    return _work(windows, size, float(again.mean()), float(whole.mean()))


def _work(windows: Windows, size: Sequence[int], again: float, whole: float) -> float:
    """Work in that on whole frames, by the shares of frames that are looked at in a second window, and as a whole."""
    sought = windows.coarse**-2 if windows.coarse else 0.0
    return sought + _area(windows, size) * (1 + again) + whole


def _area(windows: Windows, shape: Sequence[int]) -> float:
    return windows.width * windows.height / (shape[0] * shape[1])
