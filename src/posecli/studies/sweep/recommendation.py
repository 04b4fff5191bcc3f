"""Which version to use, where the evidence carries it; and why none, where it does not.

A version is *inside* where the upper confidence bound of the mean error of every body part is at most the tolerance,
and no more points are lost than allowed. Within a codec a version is only taken if all of better quality are inside
too: errors do not shrink as quality falls, and a version that seems to say so is inside by chance.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from posecli.options import AnalyzeOptions
from posecli.studies.sweep.measures import FEWEST_BLOCKS, MEDIAN, RAW
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version

#: Points of every body part, at least, that the network is sure of in the original.
FEWEST_POINTS = 100
#: Share of all points, at least, that the network is sure of in the original.
LEAST_SEEN = 0.5


@dataclass(frozen=True)
class Recommendation:
    """Which version to use, or why none, and the commands that make and analyse it."""

    version: Version | None
    reasons: tuple[str, ...]  # sentences: what speaks for it, or why there is none
    acquisition: str = ""  # the ffmpeg line, where something is encoded
    analysis: str = ""  # the posecli line
    thin: bool = False  # there is none because too little was seen to tell

    @property
    def commands(self) -> list[str]:
        return [line for line in (self.acquisition, self.analysis) if line]


def recommend(sweep: Sweep) -> Recommendation:
    """Recommend the smallest file, or the fastest scale, that is inside the tolerance."""
    doubts = list(_doubts(sweep))
    if doubts:
        return Recommendation(None, ("No version is recommended: the evidence is thin.", *doubts), thin=True)
    inside = versions_inside(sweep)
    if not inside:
        return Recommendation(None, _why_none(sweep))
    if sweep.encoded:
        best = min(inside, key=lambda version: sweep.totals(version)["bytes"])
    else:
        best = max(inside, key=lambda version: sweep.totals(version)["analysis_fps"])
    acquisition = ""
    if best.encode is not None:
        command = ["ffmpeg", "-i", "RECORDING", "-an", "-fps_mode", "passthrough", *best.encode.arguments()]
        acquisition = f"{shlex.join(command)} VIDEO.mp4"
    return Recommendation(best, tuple(_sentences(sweep, best, inside)), acquisition, analysis_line(sweep, best))


def _doubts(sweep: Sweep) -> Iterator[str]:
    """Reasons why no recommendation could be trusted."""
    frames = sum(sweep.resampling.lengths)
    if sweep.resampling.n_blocks < FEWEST_BLOCKS or frames < FEWEST_POINTS:
        yield f"{frames} frames are too few: give at least {FEWEST_BLOCKS} s of video and {FEWEST_POINTS} frames."
    share = float(sweep.seen.mean())
    if share < LEAST_SEEN:
        yield (
            f"In the original itself the network is sure (likelihood {sweep.cutoff:g} or more) of only "
            f"{100 * share:.0f} % of the points: give a network that knows these animals."
        )
    for name, points in zip(sweep.bodyparts, sweep.seen.sum(axis=0), strict=True):
        if points < FEWEST_POINTS:
            yield f"It is sure of '{name}' in only {points} frames, and {FEWEST_POINTS} are needed."


def versions_inside(sweep: Sweep, filtering: str = RAW) -> list[Version]:
    """Versions that can be recommended: of each codec, from the best quality to the first outside."""
    options = sweep.options

    def is_inside(version: Version) -> bool:
        parts = [sweep.measure(version, name, filtering) for name in sweep.bodyparts]
        return all(part.mean.high <= options.tolerance and part.lost.value <= options.max_lost for part in parts)

    chosen: list[Version] = []
    for family in sweep.codecs.values():
        best_first = sorted(family, key=lambda item: -item.scale if item.crf is None else item.crf)
        chosen += takewhile(is_inside, best_first)
    return chosen


def _sentences(sweep: Sweep, best: Version, inside: list[Version]) -> Iterator[str]:
    options, p99 = sweep.options, f" p99 {sweep.worst(best).p99.value:.1f} px;"
    what = "smallest file" if sweep.encoded else "fastest scale"
    yield f"The {what} inside {options.tolerance:g} px is {best.label}: its {_error_sentence(sweep, best, p99)}"
    yield _room_saved(sweep, best) if sweep.encoded else _time_saved(sweep, best)
    more = [version.label for version in versions_inside(sweep, MEDIAN) if version not in inside]
    if more:
        yield f"Behind a median filter of {options.window} frames these would be inside too: {', '.join(more)}."


def _room_saved(sweep: Sweep, best: Version) -> str:
    values, hours = sweep.totals(best), sweep.options.hours_per_year
    per_hour, given = values["bytes_per_hour"], sweep.totals(sweep.reference)["bytes_per_hour"]
    factor = values["given_compression"]
    against_given = f"{_times(factor)} less than" if factor >= 1 else f"{1 / factor:.1f} times"
    return (
        f"It takes {per_hour / 1e6:.0f} MB per hour of video: {_times(values['raw_compression'])} less than raw "
        f"pixels, {against_given} the given file; {hours:g} hours a year take {_disk(per_hour * hours)} instead of "
        f"{_disk(given * hours)}."
    )


def _disk(size: float) -> str:
    """Bytes in the units that disks are sold by.

    >>> _disk(4.02e10), _disk(1.41e13)
    ('40.2 GB', '14.1 TB')
    """
    return f"{size / 1e9:.3g} GB" if size < 999.5e9 else f"{size / 1e12:.3g} TB"


def _times(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _time_saved(sweep: Sweep, best: Version) -> str:
    fast, slow = (sweep.totals(version)["analysis_fps"] for version in (best, sweep.reference))
    hours = sweep.options.hours_per_year
    frames = hours * 3600 * sweep.videos[0].info.frame_rate
    # Both speeds are then below those of a run over every frame.
    between = ", with what lies between the sampled stretches read too" if sweep.sampled else ""
    return (
        f"It runs at {fast:.1f} instead of {slow:.1f} frames/s here{between}: {hours:g} hours of video a year take "
        f"{frames / fast / 3600:.0f} instead of {frames / slow / 3600:.0f} hours."
    )


def _why_none(sweep: Sweep) -> tuple[str, ...]:
    head = f"No version is inside {sweep.options.tolerance:g} px."
    if not sweep.compared:
        return (head, "None could be compared with the original.")
    closest = min(sweep.compared, key=lambda version: sweep.worst(version).mean.high)
    return head, f"Closest is {closest.label}, whose {_error_sentence(sweep, closest)}"


def _error_sentence(sweep: Sweep, version: Version, p99: str = "") -> str:
    worst = sweep.worst(version)
    return (
        f"worst body part, {worst.bodypart}, is off by a mean of {worst.mean.value:.2f} px, at most "
        f"{worst.mean.high:.2f} px with 95 % confidence;{p99} {100 * sweep.measure(version).lost.value:.1f} % of the "
        "points are lost."
    )


def analysis_line(sweep: Sweep, version: Version) -> str:
    """The posecli command that analyses it as the sweep did."""
    how = {
        "--precision": version.precision or sweep.design["precision"],
        "--batchsize": sweep.options.batch_size,
    }
    return command_line(sweep.options.model, sweep.options.analysis, how, version.scale * sweep.options.analysis.scale)


def command_line(model: Path | None, analysis: AnalyzeOptions, how: Mapping[str, object], scale: float) -> str:
    """The posecli command that analyses a video with a model in some way, and at a scale."""
    given = {
        "--model": model and model.as_posix(),
        **how,
        "--engine": analysis.engine.engine if analysis.engine.engine != "openvino" else "",
        "--scale": f"{scale:g}" if scale != 1 else "",
        "--crop": analysis.crop,
        "--boxes": analysis.boxes and analysis.boxes.as_posix(),
    }
    flags = [word for option, value in given.items() if value for word in (option, str(value))]
    return shlex.join(["posecli", "analyze", "VIDEO.mp4", *flags])
