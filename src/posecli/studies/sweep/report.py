"""What a sweep leaves behind: tidy CSV, JSON, figures, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from posecli.studies.common import webpage
from posecli.studies.common.report import StudyReport, draw_charts, write_results
from posecli.studies.sweep.charts import drawings
from posecli.studies.sweep.measures import MEDIAN
from posecli.studies.sweep.recommendation import Recommendation, recommend
from posecli.studies.sweep.resampling import CONFIDENCE
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version
from posecli.support.figures import Chart
from posecli.support.textfile import csv_text

RESULTS_FORMAT = "posecli-sweep-results"


def write_report(summary: Sweep) -> StudyReport:
    """Write everything into the sweep's folder.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    folder = summary.folder
    recommendation = recommend(summary)
    report = StudyReport(folder, draw_charts(drawings(summary), summary, folder))
    content = results(summary, recommendation)
    page = html_page(summary, recommendation, report.charts)
    write_results(report, csv_text(list(content["rows"][0]), content["rows"]), content, page)
    return report


def results(summary: Sweep, recommendation: Recommendation) -> dict[str, Any]:
    """The whole study as plain values."""
    options = summary.options
    return {
        "format": RESULTS_FORMAT,
        "format_version": 1,
        **{name: value for name, value in summary.design.items() if not name.startswith("format")},
        "tolerance_px": options.tolerance,
        "max_lost": options.max_lost,
        "pcutoff": summary.cutoff,
        "window": options.window,
        "bootstrap": {
            "confidence": CONFIDENCE,
            "resamples": len(summary.resampling.counts),
            "block_frames": list(summary.resampling.blocks),
            "blocks": summary.resampling.n_blocks,
            "seed": options.seed,
        },
        "recommendation": {
            "version": recommendation.version and recommendation.version.name,
            "reasons": list(recommendation.reasons),
            "acquisition": recommendation.acquisition,
            "analysis": recommendation.analysis,
        },
        "findings": list(findings(summary)),
        "versions": list(summary.rows.values()),
        "rows": list(summary.tidy_rows()),
    }


def findings(summary: Sweep) -> Iterator[str]:
    """The findings, one sentence each."""
    for version in summary.versions:
        if version not in summary.usable:
            yield f"{version.label} is left out: {summary.totals(version)['problem']}."
    if summary.encoded and summary.compared:
        yield from _thousandfold(summary)
        yield from _given_file(summary)
        yield from _color(summary)
    yield from _against_truth(summary)
    yield from _untrained(summary)
    if summary.compared:
        yield _filter_effect(summary)


def _thousandfold(summary: Sweep) -> Iterator[str]:
    """How far a thousandfold compression moves poses, as Mathis & Warren (2018) asked."""
    factors = {version: summary.totals(version)["raw_compression"] for version in summary.compared}
    smaller = [version for version, factor in factors.items() if factor >= 1000]
    if smaller:
        first = min(smaller, key=factors.__getitem__)
        mean = summary.measure(first).mean
        yield (
            f"{first.label} is {factors[first]:,.0f} times smaller than raw pixels, and off by a mean of "
            f"{mean.value:.2f} px ({mean.range}) over all body parts."
        )


def _given_file(summary: Sweep) -> Iterator[str]:
    given = summary.totals(summary.reference)
    if given["raw_compression"] >= 20 and not all(video.rendered for video in summary.videos):
        yield (
            f"The given video is itself compressed, {given['raw_compression']:,.0f} times "
            f"({given['bit_rate'] / 1e3:.0f} kbit/s): distances are from what the network finds in it, and its own "
            "losses are in all of them."
        )


def _color(summary: Sweep) -> Iterator[str]:
    """Lossless versions keep no more color than their pixel format does."""
    given = {video.info.pixel_format for video in summary.videos}
    made = {version.encode.pixel_format for version in summary.compared if version.encode and version.is_lossless}
    if made and given != made:
        yield (
            f"The given video is {', '.join(sorted(given))} and the lossless version {', '.join(sorted(made))}: they "
            "differ in colour."
        )


def _against_truth(summary: Sweep) -> Iterator[str]:
    own = summary.measure(summary.reference)
    if not own.truth_points:
        return
    worst = ""
    if summary.compared:
        mean = summary.measure(summary.compared[-1]).truth_mean
        worst = f", {summary.compared[-1].label} by {mean.value:.2f} px ({mean.range})"
    yield (
        f"The original is off the truth by a mean of {own.truth_mean.value:.2f} px ({own.truth_mean.range}){worst}; "
        f"{own.truth_points} points are known."
    )


def _untrained(summary: Sweep) -> Iterator[str]:
    """Name the scales that the network was not trained on."""
    if summary.trained_scales is None:
        return
    low, high = summary.trained_scales
    outside = [version.label for version in summary.usable if not low - 1e-9 <= version.scale <= high + 1e-9]
    if outside:
        yield f"The network was trained on scales {low:.2g} to {high:.2g}: {', '.join(outside)} it never saw."


def _filter_effect(summary: Sweep) -> str:
    """What the median filter does for the version with the most jitter."""
    worst = max(summary.compared, key=lambda version: summary.measure(version).jitter.value)
    raw, smooth = summary.measure(worst), summary.measure(worst, filtering=MEDIAN)
    return (
        f"A median filter of {summary.options.window} frames takes the jitter of {worst.label} from "
        f"{raw.jitter.value:.2f} to {smooth.jitter.value:.2f} px per frame beyond the original's, and its mean error "
        f"from {raw.mean.value:.2f} to {smooth.mean.value:.2f} px."
    )


def version_table(summary: Sweep) -> list[list[str]]:
    """A table to read: a header, and a row for each version."""
    head = ["version", *(["size", "kbit/s", "x raw"] if summary.encoded else ["network input"])]
    head += ["mean px", "95 %", "p99 px", "worst part", "lost", "jitter", "filtered px"]
    head += [*(["truth px"] if summary.has_truth else []), "read fps", "fps"]
    return [head, *(_version_row(summary, version, len(head)) for version in summary.versions)]


def _version_row(summary: Sweep, version: Version, columns: int) -> list[str]:
    values = summary.totals(version)
    row = [version.label]
    if summary.encoded:
        row += [f"{values['bytes'] / 1e6:.2f} MB", f"{values['bit_rate'] / 1e3:.0f}"]
        row.append(f"{values['raw_compression']:,.0f}")
    else:
        row.append(f"{values['network_width']}x{values['network_height']}")
    if version not in summary.usable:
        row.append("left out")  # why is among the findings
        return row + [""] * (columns - len(row))
    item, worst = summary.measure(version), summary.worst(version)
    row += [
        f"{item.mean.value:.2f}",
        item.mean.range,
        f"{item.p99.value:.1f}",
        f"{worst.bodypart} {worst.mean.value:.2f}",
        f"{100 * item.lost.value:.1f} %",
        f"{item.jitter.value:+.2f}",
        f"{summary.measure(version, filtering=MEDIAN).mean.value:.2f}",
        *([f"{item.truth_mean.value:.2f}"] if summary.has_truth else []),
    ]
    read = values["read_fps"]
    return [*row, "-" if read is None else f"{read:.0f}", f"{values['analysis_fps']:.1f}"]


def html_page(summary: Sweep, recommendation: Recommendation, charts: Sequence[Chart]) -> str:
    """One self-contained page with recommendation, figures and tables."""
    design = summary.design
    title = f"posecli {design['determined_by']['kind']}"
    machine = design["machine"]
    parts = [
        webpage.heading(f"{title}: {', '.join(video.name for video in summary.videos)}"),
        webpage.paragraph(
            f"posecli {design['posecli']}, {design['written']}; model {design['model']['scorer']}, "
            f"{design['precision']}; ffmpeg {design['ffmpeg']}; {machine['platform']}, {machine['cores']} cores."
        ),
        webpage.section(
            "Recommendation",
            *map(webpage.paragraph, recommendation.reasons),
            *([webpage.verbatim("\n".join(recommendation.commands))] if recommendation.commands else []),
        ),
        webpage.section("What came out", webpage.bullets(findings(summary))),
        # PNG: frames of a video are many times as large in SVG.
        webpage.section("Figures", *(webpage.figure(chart.png, chart.caption) for chart in charts)),
        webpage.section("Every version", webpage.table(version_table(summary))),
        webpage.section("How it was measured", *map(webpage.paragraph, _method(summary))),
    ]
    return webpage.page(title, parts)


def _method(summary: Sweep) -> Iterator[str]:
    options, resampling, videos = summary.options, summary.resampling, summary.videos
    if summary.sampled:
        looked_at, frames = sum(video.looked_at for video in videos), sum(video.frames for video in videos)
        yield (
            f"The network looked at {looked_at:,} of {frames:,} frames, in "
            f"{sum(len(video.stretches) for video in videos)} stretches from all over; sizes, bit rates and whether "
            "frames belong together are of all."
        )
    yield (
        "Every version went through the same network with the same settings. A point counts where the original's "
        f"likelihood is {summary.cutoff:g} or more ({100 * summary.seen.mean():.0f} % of all points). Distances "
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
    if summary.encoded:
        yield (
            "ffmpeg encoded straight from the video's own colour values with every frame at its own time; count, times "
            "and pictures were compared frame by frame before anything was believed. Raw pixels are three bytes each."
        )
    yield from (f"{version.name}: {version.note}." for version in summary.versions if version.note)
    if summary.trained_scales is not None:
        low, high = summary.trained_scales
        yield f"The network was trained on scales {low:.2g} to {high:.2g}."
