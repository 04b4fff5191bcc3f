"""What a sweep leaves behind: tidy CSV, JSON, figures, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from posecli.studies.common import webpage
from posecli.studies.common.folder import StudyReport, draw_charts, write_results
from posecli.studies.sweep.charts import drawings
from posecli.studies.sweep.measures import CONFIDENCE, MEDIAN
from posecli.studies.sweep.recommendation import Recommendation, recommend
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version
from posecli.support.figures import Chart
from posecli.support.textfile import csv_text

RESULTS_FORMAT = "posecli-sweep-results"


def write_report(sweep: Sweep) -> StudyReport:
    """Write everything into the sweep's folder."""
    folder = sweep.folder
    recommendation = recommend(sweep)
    report = StudyReport(folder, draw_charts(drawings(sweep), sweep, folder))
    content = results(sweep, recommendation)
    table = csv_text(list(content["rows"][0]), content["rows"])
    write_results(report, table, content, _html_page(sweep, recommendation, report.charts))
    return report


def results(sweep: Sweep, recommendation: Recommendation) -> dict[str, Any]:
    """The whole study as plain values."""
    options = sweep.options
    return {
        "format": RESULTS_FORMAT,
        "format_version": 1,
        **{name: value for name, value in sweep.design.items() if not name.startswith("format")},
        "tolerance_px": options.tolerance,
        "max_lost": options.max_lost,
        "pcutoff": sweep.cutoff,
        "window": options.window,
        "bootstrap": {
            "confidence": CONFIDENCE,
            "resamples": len(sweep.resampling.counts),
            "block_frames": list(sweep.resampling.blocks),
            "blocks": sweep.resampling.n_blocks,
            "seed": options.seed,
        },
        "recommendation": {
            "version": recommendation.version and recommendation.version.name,
            "reasons": list(recommendation.reasons),
            "acquisition": recommendation.acquisition,
            "analysis": recommendation.analysis,
        },
        "findings": list(findings(sweep)),
        "versions": list(sweep.rows.values()),
        "rows": list(sweep.tidy_rows()),
    }


def findings(sweep: Sweep) -> Iterator[str]:
    """The findings, one sentence each."""
    problems = {version.label: sweep.totals(version)["problem"] for version in sweep.versions}
    yield from (f"{label} is left out: {problem}." for label, problem in problems.items() if problem is not None)
    if sweep.encoded and sweep.compared:
        yield from _thousandfold(sweep)
        yield from _given_file(sweep)
        yield from _color(sweep)
    yield from _against_truth(sweep)
    yield from _untrained(sweep)
    if sweep.compared:
        yield _filter_effect(sweep)


def _thousandfold(sweep: Sweep) -> Iterator[str]:
    """How far a thousandfold compression moves poses, as Mathis & Warren (2018) asked."""
    factors = [(sweep.totals(version)["raw_compression"], version) for version in sweep.compared]
    factor, first = min((pair for pair in factors if pair[0] >= 1000), key=itemgetter(0), default=(0, None))
    if first is not None:
        mean = sweep.measure(first).mean
        yield (
            f"{first.label} is {factor:,.0f} times smaller than raw pixels, and off by a mean of "
            f"{mean.value:.2f} px ({mean.range}) over all body parts."
        )


def _given_file(sweep: Sweep) -> Iterator[str]:
    given = sweep.totals(sweep.reference)
    if given["raw_compression"] >= 20 and not all(video.rendered for video in sweep.videos):
        yield (
            f"The given video is itself compressed, {given['raw_compression']:,.0f} times "
            f"({given['bit_rate'] / 1e3:.0f} kbit/s): distances are from what the network finds in it, and its own "
            "losses are in all of them."
        )


def _color(sweep: Sweep) -> Iterator[str]:
    """Lossless versions keep no more color than their pixel format does."""
    given = {video.info.pixel_format for video in sweep.videos}
    made = {version.encode.pixel_format for version in sweep.compared if version.encode and version.is_lossless}
    if made and given != made:
        yield (
            f"The given video is {', '.join(sorted(given))} and the lossless version {', '.join(sorted(made))}: they "
            "differ in colour."
        )


def _against_truth(sweep: Sweep) -> Iterator[str]:
    own = sweep.measure(sweep.reference)
    if not own.truth_points:
        return
    worst = ""
    if sweep.compared:
        mean = sweep.measure(sweep.compared[-1]).truth_mean
        worst = f", {sweep.compared[-1].label} by {mean.value:.2f} px ({mean.range})"
    yield (
        f"The original is off the truth by a mean of {own.truth_mean.value:.2f} px ({own.truth_mean.range}){worst}; "
        f"{own.truth_points} points are known."
    )


def _untrained(sweep: Sweep) -> Iterator[str]:
    """Name the scales that the network was not trained on."""
    if sweep.trained_scales is None:
        return
    low, high = sweep.trained_scales
    outside = [version.label for version in sweep.usable if not low - 1e-9 <= version.scale <= high + 1e-9]
    if outside:
        yield f"The network was trained on scales {low:.2g} to {high:.2g}: {', '.join(outside)} it never saw."


def _filter_effect(sweep: Sweep) -> str:
    """What the median filter does for the version with the most jitter."""
    worst = max(sweep.compared, key=lambda version: sweep.measure(version).jitter.value)
    raw, smooth = sweep.measure(worst), sweep.measure(worst, filtering=MEDIAN)
    return (
        f"A median filter of {sweep.options.window} frames takes the jitter of {worst.label} from "
        f"{raw.jitter.value:.2f} to {smooth.jitter.value:.2f} px per frame beyond the original's, and its mean error "
        f"from {raw.mean.value:.2f} to {smooth.mean.value:.2f} px."
    )


def version_table(sweep: Sweep) -> list[list[str]]:
    """A table to read: a header, and a row for each version."""
    rows = [_version_row(sweep, version) for version in sweep.versions]
    head = list(rows[0])  # of the reference, which is never left out
    return [head, *([row.get(name, "") for name in head] for row in rows)]


def _version_row(sweep: Sweep, version: Version) -> dict[str, str]:
    values = sweep.totals(version)
    row = {"version": version.label}
    if sweep.encoded:
        row |= {"size": f"{values['bytes'] / 1e6:.2f} MB", "kbit/s": f"{values['bit_rate'] / 1e3:.0f}"}
        row["x raw"] = f"{values['raw_compression']:,.0f}"
    else:
        row["network input"] = f"{values['network_width']}x{values['network_height']}"
    if version not in sweep.usable:
        return row | {"mean px": "left out"}  # why is among the findings
    item, worst, read = sweep.measure(version), sweep.worst(version), values["read_fps"]
    row |= {
        "mean px": f"{item.mean.value:.2f}",
        "95 %": item.mean.range,
        "p99 px": f"{item.p99.value:.1f}",
        "worst part": f"{worst.bodypart} {worst.mean.value:.2f}",
        "lost": f"{100 * item.lost.value:.1f} %",
        "jitter": f"{item.jitter.value:+.2f}",
        "filtered px": f"{sweep.measure(version, filtering=MEDIAN).mean.value:.2f}",
    }
    if sweep.has_truth:
        row["truth px"] = f"{item.truth_mean.value:.2f}"
    return row | {"read fps": "-" if read is None else f"{read:.0f}", "fps": f"{values['analysis_fps']:.1f}"}


def _html_page(sweep: Sweep, recommendation: Recommendation, charts: Sequence[Chart]) -> str:
    """One self-contained page with recommendation, figures and tables."""
    design = sweep.design
    title = f"posecli {design['determined_by']['kind']}"
    machine = design["machine"]
    parts = [
        webpage.heading(f"{title}: {', '.join(video.name for video in sweep.videos)}"),
        webpage.paragraph(
            f"posecli {design['posecli']}, {design['written']}; model {design['model']['scorer']}, "
            f"{design['precision']}; ffmpeg {design['ffmpeg']}; {machine['platform']}, {machine['cores']} cores."
        ),
        webpage.section(
            "Recommendation",
            *map(webpage.paragraph, recommendation.reasons),
            *([webpage.verbatim("\n".join(recommendation.commands))] if recommendation.commands else []),
        ),
        webpage.section("What came out", webpage.bullets(findings(sweep))),
        # PNG: frames of a video are many times as large in SVG.
        webpage.section("Figures", *(webpage.figure(chart.png, chart.caption) for chart in charts)),
        webpage.section("Every version", webpage.table(version_table(sweep))),
        webpage.section("How it was measured", *map(webpage.paragraph, _method(sweep))),
    ]
    return webpage.page(title, parts)


def _method(sweep: Sweep) -> Iterator[str]:
    options, resampling, videos = sweep.options, sweep.resampling, sweep.videos
    if sweep.sampled:
        looked_at, frames = sum(video.looked_at for video in videos), sum(video.frames for video in videos)
        yield (
            f"The network looked at {looked_at:,} of {frames:,} frames, in "
            f"{sum(len(video.stretches) for video in videos)} stretches from all over; sizes, bit rates and whether "
            "frames belong together are of all."
        )
    yield (
        "Every version went through the same network with the same settings. A point counts where the original's "
        f"likelihood is {sweep.cutoff:g} or more ({100 * sweep.seen.mean():.0f} % of all points). Distances "
        "are Euclidean, in px of the full frame."
    )
    yield (
        f"Intervals are of {100 * CONFIDENCE:.0f} %, from a circular block bootstrap: {len(resampling.counts)} "
        f"resamples, seed {options.seed}, blocks of {', '.join(map(str, resampling.blocks))} frames (one second where "
        f"the video is long enough), {resampling.n_blocks} blocks in all."
    )
    yield (
        f"The median filter has a window of {options.window} frames, and runs over the original too before they are "
        "compared. Jitter is the mean step from frame to frame less the original's."
    )
    yield (
        f"Recommended is what stays inside {options.tolerance:g} px in every body part's upper bound and loses at most "
        f"{100 * options.max_lost:g} % of the points of each."
    )
    if sweep.encoded:
        yield (
            "ffmpeg encoded straight from the video's own colour values with every frame at its own time; count, times "
            "and pictures were compared frame by frame before anything was believed. Raw pixels are three bytes each."
        )
    yield from (f"{version.name}: {version.note}." for version in sweep.versions if version.note)
    if sweep.trained_scales is not None:
        low, high = sweep.trained_scales
        yield f"The network was trained on scales {low:.2g} to {high:.2g}."
