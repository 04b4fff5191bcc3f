"""Which version to use, where the evidence carries it; and why none, where it does not.

A version is *inside* where the upper confidence bound of the mean error of every body part is at most the tolerance,
and no more points are lost than allowed. Within a codec a version is only taken if all of better quality are inside
too: errors do not shrink as quality falls, and a version that seems to say so owes it to chance.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posecli.options import AnalyzeOptions
from posecli.studies.sweep.measures import MEDIAN, RAW
from posecli.studies.sweep.resampling import FEWEST_BLOCKS
from posecli.studies.sweep.summary import SweepSummary
from posecli.studies.sweep.versions import Version

#: Points of every body part, at least, that the network is sure of in the original.
FEWEST_POINTS = 100
#: Share of all points, at least, that the network is sure of in the original.
LEAST_SEEN = 0.5


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    Attributes
    ----------
    version
        The one; ``None`` where there is none.
    reasons
        A sentence each: what speaks for it, or why there is none.
    acquisition
        The ffmpeg line, where something is encoded.
    analysis
        The posecli line.
    """

    version: Version | None
    reasons: tuple[str, ...]
    acquisition: str = ""
    analysis: str = ""


def recommend(summary: SweepSummary) -> Recommendation:
    """The smallest file, or the fastest scale, that is inside."""
    doubts = evidence_lacks(summary)
    if doubts:
        return Recommendation(None, ("No version is recommended: the evidence is thin.", *doubts))
    inside = versions_inside(summary)
    if not inside:
        return Recommendation(None, _why_none(summary))
    encoded = any(version.encode is not None for version in summary.compared)
    best = _smallest(summary, inside) if encoded else _fastest(summary, inside)
    return Recommendation(
        best,
        tuple(_sentences(summary, best, encoded=encoded)),
        acquisition_line(best) if encoded else "",
        analysis_line(summary, best),
    )


def evidence_lacks(summary: SweepSummary) -> list[str]:
    """Why no recommendation could be trusted; empty where one can."""
    doubts = []
    blocks = summary.resampling.n_blocks
    if blocks < FEWEST_BLOCKS or sum(summary.resampling.lengths) < FEWEST_POINTS:
        frames = sum(summary.resampling.lengths)
        doubts.append(
            f"{frames} frames are too few: give at least {FEWEST_BLOCKS} s of video and {FEWEST_POINTS} frames."
        )
    share = float(summary.seen.mean())
    if share < LEAST_SEEN:
        doubts.append(
            f"In the original itself the network is sure (likelihood {summary.study.cutoff:g} or more) of only "
            f"{100 * share:.0f} % of the points: give a network that knows these animals."
        )
    for name, points in zip(summary.bodyparts, summary.seen.sum(axis=0), strict=True):
        if points < FEWEST_POINTS:
            doubts.append(f"It is sure of '{name}' in only {points} frames, and {FEWEST_POINTS} are needed.")
    return doubts


def versions_inside(summary: SweepSummary, filtering: str = RAW) -> list[Version]:
    """The versions that can be recommended."""
    chosen: list[Version] = []
    for family in _families(summary.compared):
        for version in family:
            if not _is_inside(summary, version, filtering):
                break
            chosen.append(version)
    return chosen


def _families(versions: Sequence[Version]) -> list[list[Version]]:
    """Versions of one codec, best quality first; scales in one precision, largest first."""
    families: dict[tuple[str | None, str | None], list[Version]] = {}
    for version in versions:
        families.setdefault((version.codec, version.precision), []).append(version)
    return [
        sorted(family, key=lambda version: -version.scale if version.crf is None else version.crf)
        for family in families.values()
    ]


def _is_inside(summary: SweepSummary, version: Version, filtering: str) -> bool:
    options = summary.study.options
    parts = [summary.measure(version, name, filtering) for name in summary.bodyparts]
    bounds = np.array([part.mean.high for part in parts])
    lost = np.array([part.lost.value for part in parts])
    return bool(np.all(bounds <= options.tolerance) and np.all(lost <= options.max_lost))


def _smallest(summary: SweepSummary, versions: Sequence[Version]) -> Version:
    return min(versions, key=lambda version: summary.totals(version)["bytes"])


def _fastest(summary: SweepSummary, versions: Sequence[Version]) -> Version:
    return max(versions, key=lambda version: summary.totals(version)["analysis_fps"])


def _sentences(summary: SweepSummary, best: Version, *, encoded: bool) -> list[str]:
    options = summary.study.options
    worst, values = summary.worst(best), summary.totals(best)
    what = "smallest file" if encoded else "fastest setting" if best.precision else "fastest scale"
    lines = [
        f"The {what} inside {options.tolerance:g} px is {best.label}: its worst body part, {worst.bodypart}, is off by "
        f"a mean of {worst.mean.value:.2f} px, at most {worst.mean.high:.2f} px with 95 % confidence; p99 "
        f"{worst.p99.value:.1f} px; {100 * summary.measure(best).lost.value:.1f} % of the points are lost."
    ]
    if encoded:
        per_hour = values["bytes_per_hour"]
        given = summary.totals(summary.reference)["bytes_per_hour"]
        lines.append(
            f"It takes {per_hour / 1e6:.0f} MB per hour of video: {_times(values['raw_compression'])} less than raw "
            f"pixels, {_against_given(values['given_compression'])}; {options.hours_per_year:g} hours a year take "
            f"{_disk(per_hour * options.hours_per_year)} instead of {_disk(given * options.hours_per_year)}."
        )
    else:
        lines.append(_time_saved(summary, best))
    more = [version for version in versions_inside(summary, MEDIAN) if version not in versions_inside(summary)]
    if more:
        names = ", ".join(version.label for version in more)
        lines.append(f"Behind a median filter of {options.window} frames these would be inside too: {names}.")
    return lines


def _disk(size: float) -> str:
    """Bytes of many videos, as people buy disks.

    >>> _disk(4.02e10), _disk(1.41e13)
    ('40.2 GB', '14.1 TB')
    """
    return f"{size / 1e9:.3g} GB" if size < 999.5e9 else f"{size / 1e12:.3g} TB"


def _times(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _against_given(factor: float) -> str:
    return f"{_times(factor)} less than the given file" if factor >= 1 else f"{1 / factor:.1f} times the given file"


def _time_saved(summary: SweepSummary, best: Version) -> str:
    fast, slow = (summary.totals(version)["analysis_fps"] for version in (best, summary.reference))
    sources = summary.study.sources
    frames = summary.study.options.hours_per_year * 3600 * sources[0].info.frame_rate
    # Both speeds are then below those of a run over every frame.
    between = ", with what lies between the sampled stretches read too" if summary.sampled else ""
    return (
        f"It runs at {fast:.1f} instead of {slow:.1f} frames/s here{between}: "
        f"{summary.study.options.hours_per_year:g} hours of video a year take {frames / fast / 3600:.0f} instead of "
        f"{frames / slow / 3600:.0f} hours."
    )


def _why_none(summary: SweepSummary) -> tuple[str, ...]:
    options = summary.study.options
    head = f"No version is inside {options.tolerance:g} px."
    if not summary.compared:
        return (head, "None could be compared with the original.")
    closest = min(summary.compared, key=lambda version: summary.worst(version).mean.high)
    worst = summary.worst(closest)
    return (
        head,
        f"Closest is {closest.label}, whose worst body part, {worst.bodypart}, is off by a mean of "
        f"{worst.mean.value:.2f} px, "
        f"at most {worst.mean.high:.2f} px with 95 % confidence; {100 * summary.measure(closest).lost.value:.1f} % of "
        "the points are lost.",
    )


def acquisition_line(version: Version) -> str:
    """The ffmpeg command that encodes a recording so."""
    assert version.encode is not None
    command = ["ffmpeg", "-i", "RECORDING", "-an", "-fps_mode", "passthrough", *version.encode.arguments()]
    return f"{shlex.join(command)} VIDEO.mp4"


def analysis_line(summary: SweepSummary, version: Version, batch_size: int | None = None, pipeline: str = "") -> str:
    """The posecli command that analyses it as the sweep did, or with another batch size and pipeline."""
    options, analysis = summary.study.options, summary.study.options.analysis
    precision = version.precision or summary.study.design["precision"]
    command = ["posecli", "analyze", "VIDEO.mp4"]
    if options.model is not None:
        command += ["--model", _shown(options.model)]
    command += ["--precision", precision, "--batchsize", str(batch_size or options.batch_size)]
    if pipeline and pipeline != AnalyzeOptions().pipeline:
        command += ["--pipeline", pipeline]
    if analysis.engine.engine != "openvino":
        command += ["--engine", analysis.engine.engine]
    scale = version.scale * analysis.scale
    if scale != 1:
        command += ["--scale", f"{scale:g}"]
    if analysis.crop is not None:
        command += ["--crop", str(analysis.crop)]
    return shlex.join(command)


def _shown(path: Path) -> str:
    return path.as_posix()
