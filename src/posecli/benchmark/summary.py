"""Rows to medians, gains, accuracy and cost, and the sentences that say what came out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from posecli.benchmark.design import Condition, DataSet
from posecli.benchmark.study import POSES_FOLDER, Row, Study, condition_of
from posecli.cost import Estimate, Experiment, Price
from posecli.decode import Pose
from posecli.model.folder import read_model_folder
from posecli.options import MAX_SHIFT_PX
from posecli.precision import FEWEST_POINTS, GateFigures, compare, model_cutoff

#: Other programs that keep more than this many cores busy spoil a measurement.
QUIET_CORES = 0.2
#: Video of one hour, the unit of run time and cost.
ONE_HOUR = Experiment(animals=1, days=1, hours_per_day=1)


@dataclass(frozen=True)
class Cell:
    """One condition and all that was measured of it.

    Attributes
    ----------
    condition
        The factors' levels.
    rows
        One per repeat that was measured; none where it failed or was left out.
    state
        ``done``, ``failed`` or ``left out``.
    reason
        Why it is not done.
    shift
        How far its poses are from fp32's on the same frames, px of the video's own frame; ``None`` where that says
        nothing: for fp32 itself, for an untrained network, and where hardly a point was seen.
    """

    condition: Condition
    rows: tuple[Row, ...]
    state: str
    reason: str = ""
    shift: GateFigures | None = None

    def values(self, name: str) -> list[float]:
        """A column over the repeats."""
        return [row[name] for row in self.rows]

    def median(self, name: str = "fps") -> float:
        """Median of a column over the repeats."""
        return statistics.median(self.values(name))

    @property
    def fps(self) -> float:
        """Median frames per second in steady state."""
        return self.median("fps")


@dataclass(frozen=True)
class Winner:
    """The fastest setting for a video and width, and what the standard method does there."""

    cell: Cell
    standard: Cell | None

    @property
    def gain(self) -> float | None:
        """Speed relative to the standard method."""
        return None if self.standard is None else self.cell.fps / self.standard.fps


@dataclass(frozen=True)
class Summary:
    """A study as people read it.

    Attributes
    ----------
    study
        Design and rows.
    cells
        One per condition, in the order of the design's factors.
    price
        Of this machine, or of one like it.
    video_fps
        Frames per second of the recordings that run time and cost are stated for.
    """

    study: Study
    cells: tuple[Cell, ...]
    price: Price
    video_fps: float

    @cached_property
    def done(self) -> tuple[Cell, ...]:
        """Cells that were measured."""
        return tuple(cell for cell in self.cells if cell.state == "done")

    @property
    def data(self) -> tuple[DataSet, ...]:
        """The data sets."""
        return self.study.data

    @property
    def most_cores(self) -> int:
        """The most cores that were used."""
        return max(int(cores) for cores in self.study.design["factors"]["cores"])

    def select(self, cells: Iterable[Cell] | None = None, **levels: Any) -> list[Cell]:
        """Measured cells at these levels; a set stands for any of its values."""
        chosen = self.done if cells is None else cells
        return [cell for cell in chosen if all(_matches(cell.condition, *level) for level in levels.items())]

    def estimate(self, cell: Cell, fps: float | None = None) -> Estimate:
        """What an hour of video takes in a condition."""
        experiment = Experiment(ONE_HOUR.animals, ONE_HOUR.days, ONE_HOUR.hours_per_day, self.video_fps)
        return Estimate(experiment, fps or cell.fps, self.price.of(cell.condition.cores))

    def standard(self, data: str, width: int, cores: int) -> Cell | None:
        """The standard method: one frame at a time, one stage after the other, fp32."""
        found = self.select(
            data=data, width=width, cores=cores, decoder="standard", pipeline="sync", precision="fp32"
        ) or self.select(data=data, width=width, cores=cores, batch_size=1, pipeline="sync", precision="fp32")
        return found[0] if found else None

    def winners(self) -> list[Winner]:
        """The fastest usable setting for each video and width."""
        found = []
        for data in self.data:
            for width in sorted(self.study.design["factors"]["sizes"]):
                usable = [cell for cell in self.select(data=data.name, width=width) if self.is_usable(cell)]
                if usable:
                    best = max(usable, key=lambda cell: cell.fps)
                    found.append(Winner(best, self.standard(data.name, width, self.most_cores)))
        return found

    def is_usable(self, cell: Cell) -> bool:
        """Whether a laboratory could take this setting: its poses stay, as far as that could be measured."""
        if cell.condition.precision == "fp32":
            return True
        return cell.shift is not None and cell.shift.passed

    def background_cores(self) -> float:
        """Median of the cores that other programs kept busy."""
        values = [row["background_cores"] for cell in self.done for row in cell.rows]
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else 0.0

    @cached_property
    def decoder_differences(self) -> list[tuple[Cell, Cell, float]]:
        """Pairs that differ in nothing but decoder, double-loop against NumPy, and their largest difference in px."""
        pairs = []
        for cell in self.select(decoder="double-loop"):
            same = _levels(cell.condition) | {"decoder": "numpy"}
            for other in self.select(**same):
                poses = [load_poses(self.study.folder, item.condition) for item in (cell, other)]
                if poses[0] is not None and poses[1] is not None:
                    pairs.append((cell, other, float(np.abs(poses[0] - poses[1]).max())))
        return pairs

    def findings(self) -> list[str]:
        """What came out, in sentences."""
        return [
            *_load_findings(self),
            *_batch_findings(self),
            *_decoder_findings(self),
            *_pipeline_findings(self),
            *_core_findings(self),
            *_precision_findings(self),
        ]

    def analyze_line(self, cell: Cell) -> str:
        """The command that runs a condition on a user's video."""
        condition = cell.condition
        data = next(item for item in self.data if item.name == condition.data)
        options = self.study.design["options"]
        video = str(data.video) if options["videos"] else "VIDEO"
        model = options["model"] or (None if data.trained else "MODEL")  # without one, analyze takes posecli's own
        scale = condition.width / data.width
        parts = ["posecli", "analyze", _quoted(video), *(["--model", _quoted(model)] if model else [])]
        parts += [] if scale == 1 else ["--scale", f"{scale:.4g}"]
        parts += ["--batchsize", str(condition.batch_size), "--precision", condition.precision]
        parts += ["--pipeline", condition.pipeline, "--engine", condition.engine]
        parts += ["--threads", str(condition.cores)] if condition.cores < self.most_cores else []
        return " ".join(parts)


def summarize(study: Study, price: Price, video_fps: float = 30.0) -> Summary:
    """Put a study's rows together.

    Parameters
    ----------
    study
        Complete or not.
    price
        Of the machine.
    video_fps
        Frames per second of the recordings for which run time and cost are stated.
    """
    by_key: dict[str, list[Row]] = {}
    for row in study.rows:
        by_key.setdefault(row["key"], []).append(row)
    cells = [_cell(rows) for rows in by_key.values()]
    cutoffs = {data.name: model_cutoff(read_model_folder(data.model)) for data in study.data if data.trained}
    widths = {data.name: data.width for data in study.data}
    judged = [_judged(study.folder, cell, cells, cutoffs, widths) for cell in cells]
    return Summary(study, tuple(sorted(judged, key=_design_order(study))), price, video_fps)


def _cell(rows: list[Row]) -> Cell:
    done = tuple(sorted((row for row in rows if row["state"] == "done"), key=lambda row: int(row["repeat"])))
    if done:
        return Cell(condition_of(done[0]), done, "done")
    return Cell(condition_of(rows[0]), (), rows[0]["state"], rows[0]["reason"])


def _judged(folder: Path, cell: Cell, cells: list[Cell], cutoffs: dict[str, float], widths: dict[str, int]) -> Cell:
    """A cell with its shift against fp32, where that was measured and means something."""
    condition = cell.condition
    if cell.state != "done" or condition.precision == "fp32" or condition.data not in cutoffs:
        return cell
    found = load_poses(folder, condition)
    expected = _fp32_poses(folder, condition, cells)
    if found is None or expected is None:
        return cell
    frames = min(len(found), len(expected))
    enlarged = widths[condition.data] / condition.width
    scaled = [pose[:frames] * (enlarged, enlarged, 1.0) for pose in (found, expected)]
    shift = compare(condition.precision, scaled[0], scaled[1], cutoffs[condition.data], MAX_SHIFT_PX)
    if shift.points < FEWEST_POINTS:
        return cell
    return Cell(condition, cell.rows, cell.state, cell.reason, shift)


def _fp32_poses(folder: Path, condition: Condition, cells: list[Cell]) -> Pose | None:
    """The longest poses of the same frames in fp32."""
    same = [
        load_poses(folder, cell.condition)
        for cell in cells
        if cell.state == "done" and cell.condition.precision == "fp32" and cell.condition.clip == condition.clip
    ]
    return max((poses for poses in same if poses is not None), key=len, default=None)


def load_poses(folder: Path, condition: Condition) -> Pose | None:
    """Poses of a condition's first repeat, ``(N, K, 3)``; ``None`` where they are not there."""
    try:
        poses: Pose = np.load(folder / POSES_FOLDER / f"{condition.key}.npy", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return poses


def _design_order(study: Study) -> Callable[[Cell], tuple[Any, ...]]:
    factors = study.design["factors"]
    names = [data.name for data in study.data]

    def place(cell: Cell) -> tuple[Any, ...]:
        item = cell.condition
        return (
            names.index(item.data),
            item.width,
            factors["engines"].index(item.engine) if item.engine in factors["engines"] else len(factors["engines"]),
            factors["precisions"].index(item.precision),
            item.cores,
            factors["decoders"].index(item.decoder),
            item.batch_size,
            factors["pipelines"].index(item.pipeline),
        )

    return place


def _levels(condition: Condition) -> dict[str, Any]:
    return {name: getattr(condition, name) for name in Condition.__dataclass_fields__}


def _matches(condition: Condition, name: str, level: Any) -> bool:
    value = getattr(condition, name)
    return value in level if isinstance(level, (set, frozenset)) else bool(value == level)


def _quoted(text: str) -> str:
    import shlex

    return text if text.isupper() else shlex.quote(text)


def _load_findings(summary: Summary) -> Iterable[str]:
    busy = summary.background_cores()
    if busy > QUIET_CORES:
        yield (
            f"Other programs kept {busy:.1f} cores busy meanwhile: the speeds and gains below are not this machine's "
            "own, measure again when it is quiet."
        )


def _batch_findings(summary: Summary) -> Iterable[str]:
    for data in summary.data:
        gains = []
        for width in sorted({cell.condition.width for cell in summary.select(data=data.name)}):
            cells = summary.select(
                data=data.name,
                width=width,
                cores=summary.most_cores,
                decoder="numpy",
                pipeline="sync",
                precision="fp32",
            )
            standard = summary.standard(data.name, width, summary.most_cores)
            if standard is not None and len(cells) > 1:
                best = max(cells, key=lambda cell: cell.fps)
                gains.append(f"{best.fps / standard.fps:.2f}x at {width} px (batch {best.condition.batch_size})")
        if gains:
            yield f"Batches, {data.name}: the best batch size against the standard method gives {', '.join(gains)}."


def _decoder_findings(summary: Summary) -> Iterable[str]:
    loops = sorted(summary.select(decoder="double-loop", pipeline="sync"), key=lambda cell: cell.condition.batch_size)
    gains = [
        f"{fast.fps / slow.fps:.2f}x at batch {slow.condition.batch_size}"
        for slow in loops
        for fast in summary.select(**(_levels(slow.condition) | {"decoder": "numpy"}))
    ]
    if gains:
        share = max(cell.median("decode_seconds") / cell.median("seconds") for cell in loops)
        yield (
            f"NumPy against double-loop: {', '.join(gains)}. Decoding by double loop takes at most "
            f"{100 * share:.1f} % of the time here, and no more than that can be gained."
        )
    pairs = summary.decoder_differences
    if pairs:
        worst = max(difference for *_, difference in pairs)
        yield f"Poses of the NumPy and double-loop decoders differ by {worst:g} px at most."


def _pipeline_findings(summary: Summary) -> Iterable[str]:
    for plain in summary.select(pipeline="sync", precision="fp32", decoder="numpy"):
        for other in summary.select(**(_levels(plain.condition) | {"pipeline": "async"})):
            busy = plain.median("network_seconds") / plain.median("seconds")
            condition = plain.condition
            yield (
                f"Async against sync, {condition.data}, {condition.width} px, {_cores(condition.cores)}: "
                f"{other.fps / plain.fps:.2f}x; in sync the network takes {busy:.0%} of the time".replace("%", " %")
                + ", and no more than the rest can be gained."
            )


def _core_findings(summary: Summary) -> Iterable[str]:
    few, many = min(summary.study.design["factors"]["cores"]), summary.most_cores
    if few == many:
        return
    gains = []
    for data in summary.data:
        for cell in summary.select(data=data.name, cores=few, decoder="standard", pipeline="sync", precision="fp32"):
            fast = summary.select(**(_levels(cell.condition) | {"cores": many}))
            gains += [f"{fast[0].fps / cell.fps:.2f}x at {cell.condition.width} px ({data.name})"] if fast else []
    if gains:
        yield f"{_cores(many)} against {few}, standard method: {', '.join(gains)}."


def _precision_findings(summary: Summary) -> Iterable[str]:
    for cell in summary.done:
        condition = cell.condition
        if condition.precision == "fp32":
            continue
        for exact in summary.select(**(_levels(condition) | {"precision": "fp32"})):
            moved = "not judged" if cell.shift is None else f"99th percentile of the shift {cell.shift.p99_px:.2f} px"
            yield (
                f"{condition.precision} against fp32, {condition.data}, {condition.width} px, "
                f"{_cores(condition.cores)}, {condition.pipeline}: "
                f"{cell.fps / exact.fps:.2f}x; {moved}."
            )


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"
