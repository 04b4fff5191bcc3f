"""What a sweep leaves behind: tidy CSV, JSON, figures, and one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from posecli.studies.common import webpage
from posecli.studies.common.report import StudyReport, csv_text, draw_charts, write_results
from posecli.studies.sweep.charts import drawings
from posecli.studies.sweep.measures import MEDIAN
from posecli.studies.sweep.recommendation import Recommendation, recommend
from posecli.studies.sweep.resampling import CONFIDENCE, ConfidenceInterval
from posecli.studies.sweep.summary import SweepSummary
from posecli.studies.sweep.versions import Version
from posecli.support.figures import Chart

RESULTS_FORMAT = "posecli-sweep-results"


def write_report(summary: SweepSummary) -> StudyReport:
    """Write everything into the sweep's folder.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    folder = summary.study.folder
    recommendation = recommend(summary)
    report = StudyReport(folder, draw_charts(drawings(summary), summary, folder))
    rows = list(summary.rows())
    page = html_page(summary, recommendation, report.charts)
    write_results(report, csv_text(list(rows[0]), rows), results(summary, recommendation), page)
    return report


def results(summary: SweepSummary, recommendation: Recommendation) -> dict[str, Any]:
    """The whole study as plain values."""
    options = summary.study.options
    return {
        "format": RESULTS_FORMAT,
        "format_version": 1,
        **{name: value for name, value in summary.study.design.items() if not name.startswith("format")},
        "tolerance_px": options.tolerance,
        "max_lost": options.max_lost,
        "pcutoff": summary.study.cutoff,
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
        "findings": findings(summary),
        "versions": list(summary.study.rows.values()),
        "rows": list(summary.rows()),
    }


def findings(summary: SweepSummary) -> list[str]:
    """What came out, a sentence each."""
    found = [_left_out(summary, version) for version in summary.study.versions if version not in summary.study.usable]
    encoded = [version for version in summary.compared if version.encode is not None]
    if encoded:
        found += [_thousandfold(summary, encoded), _given_file(summary), _colour(summary, encoded)]
    found += _against_truth(summary)
    found.append(_untrained(summary))
    if summary.compared:
        found.append(_filter_effect(summary))
    return [sentence for sentence in found if sentence]


def _left_out(summary: SweepSummary, version: Version) -> str:
    return f"{version.label} is left out: {summary.totals(version)['problem']}."


def _thousandfold(summary: SweepSummary, versions: Sequence[Version]) -> str:
    """The question of Mathis & Warren (2018)."""
    factors = {version.name: summary.totals(version)["raw_compression"] for version in versions}
    smaller = [version for version in versions if factors[version.name] >= 1000]
    if not smaller:
        return ""
    first = min(smaller, key=lambda version: factors[version.name])
    mean = summary.measure(first).mean
    return (
        f"{first.label} is {factors[first.name]:,.0f} times smaller than raw pixels, and off by a mean of "
        f"{mean.value:.2f} px "
        f"({_range(mean)}) over all body parts."
    )


def _given_file(summary: SweepSummary) -> str:
    given = summary.totals(summary.reference)
    if all(source.rendered for source in summary.study.sources) or given["raw_compression"] < 20:
        return ""
    return (
        f"The given video is itself compressed, {given['raw_compression']:,.0f} times ({given['bit_rate'] / 1e3:.0f} "
        "kbit/s): distances are from what the network finds in it, and its own losses are in all of them."
    )


def _colour(summary: SweepSummary, versions: Sequence[Version]) -> str:
    """A lossless version is one of what its pixel format holds."""
    given = {source.info.pixel_format for source in summary.study.sources}
    made = {
        str(version.encode.pixel_format) for version in versions if version.encode is not None and version.is_lossless
    }
    if not made or given == made:
        return ""
    return (
        f"The given video is {', '.join(sorted(given))} and the lossless version {', '.join(sorted(made))}: they "
        "differ in colour."
    )


def _against_truth(summary: SweepSummary) -> list[str]:
    own = summary.measure(summary.reference)
    if not own.truth_points:
        return []
    worst = summary.compared[-1:] and summary.compared[-1]
    lines = f"The original is off the truth by a mean of {own.truth_mean.value:.2f} px ({_range(own.truth_mean)})"
    if worst:
        mean = summary.measure(worst).truth_mean
        lines += f", {worst.label} by {mean.value:.2f} px ({_range(mean)})"
    return [f"{lines}; {own.truth_points} points are known."]


def _untrained(summary: SweepSummary) -> str:
    """Scales that the network never saw are named."""
    trained = summary.trained_scales
    if trained is None:
        return ""
    low, high = trained
    outside = [version.label for version in summary.study.usable if not low - 1e-9 <= version.scale <= high + 1e-9]
    return (
        f"The network was trained on scales {low:.2g} to {high:.2g}: {', '.join(outside)} it never saw."
        if outside
        else ""
    )


def _filter_effect(summary: SweepSummary) -> str:
    """Where jitter is worst."""
    worst = max(summary.compared, key=lambda version: summary.measure(version).jitter.value)
    raw, smooth = summary.measure(worst), summary.measure(worst, filtering=MEDIAN)
    return (
        f"A median filter of {summary.study.options.window} frames takes the jitter of {worst.label} from "
        f"{raw.jitter.value:.2f} to {smooth.jitter.value:.2f} px per frame beyond the original's, and its mean error "
        f"from {raw.mean.value:.2f} to {smooth.mean.value:.2f} px."
    )


def _range(interval: ConfidenceInterval) -> str:
    return f"{interval.low:.2f} to {interval.high:.2f}"


def version_table(summary: SweepSummary) -> list[list[str]]:
    """For people: a header, and a row for each version."""
    encoded = any(version.encode is not None for version in summary.study.versions)
    head = ["version", *(["size", "kbit/s", "x raw"] if encoded else ["network input"])]
    head += [
        "mean px",
        "95 %",
        "p99 px",
        "worst part",
        "lost",
        "jitter",
        "filtered px",
        *(["truth px"] if summary.has_truth else []),
    ]
    head += ["read fps", "fps"]
    return [head, *(_version_row(summary, version, encoded=encoded) for version in summary.study.versions)]


def _version_row(summary: SweepSummary, version: Version, *, encoded: bool) -> list[str]:
    values = summary.totals(version)
    row = [version.label]
    if encoded:
        row += [
            f"{values['bytes'] / 1e6:.2f} MB",
            f"{values['bit_rate'] / 1e3:.0f}",
            f"{values['raw_compression']:,.0f}",
        ]
    else:
        row.append(f"{values['network_width']}x{values['network_height']}")
    if version not in summary.study.usable:
        return [*row, "left out", *[""] * (8 + summary.has_truth)]  # why is among the findings
    item = summary.measure(version)
    worst = summary.worst(version)
    row += [
        f"{item.mean.value:.2f}",
        _range(item.mean),
        f"{item.p99.value:.1f}",
        f"{worst.bodypart} {worst.mean.value:.2f}",
        f"{100 * item.lost.value:.1f} %",
        f"{item.jitter.value:+.2f}",
        f"{summary.measure(version, filtering=MEDIAN).mean.value:.2f}",
    ]
    if summary.has_truth:
        row.append(f"{item.truth_mean.value:.2f}")
    read = values["read_fps"]
    return [*row, "-" if read is None else f"{read:.0f}", f"{values['analysis_fps']:.1f}"]


def html_page(summary: SweepSummary, recommendation: Recommendation, charts: Sequence[Chart]) -> str:
    """One page that holds recommendation, figures and tables; it loads nothing."""
    kind = summary.study.design["determined_by"]["kind"]
    commands = [line for line in (recommendation.acquisition, recommendation.analysis) if line]
    names = ", ".join(source.name for source in summary.study.sources)
    parts = [
        webpage.heading(f"posecli {kind}: {names}"),
        webpage.paragraph(_head(summary)),
        webpage.section(
            "Recommendation",
            *map(webpage.paragraph, recommendation.reasons),
            *([webpage.verbatim("\n".join(commands))] if commands else []),
        ),
        webpage.section("What came out", webpage.bullets(findings(summary))),
        # PNG: frames of a video are many times as large in SVG.
        webpage.section("Figures", *(webpage.figure(chart.png, chart.caption) for chart in charts)),
        webpage.section("Every version", webpage.table(version_table(summary))),
        webpage.section("How it was measured", *map(webpage.paragraph, _method(summary))),
    ]
    return webpage.page(f"posecli {kind}", parts)


def _head(summary: SweepSummary) -> str:
    design = summary.study.design
    machine = design["machine"]
    return (
        f"posecli {design['posecli']}, {design['written']}; model {design['model']['scorer']}, {design['precision']}; "
        f"ffmpeg {design['ffmpeg']}; {machine['platform']}, {machine['cores']} cores."
    )


def _sampled(summary: SweepSummary) -> Iterator[str]:
    sources = summary.study.sources
    looked_at, frames = sum(source.looked_at for source in sources), sum(source.frames for source in sources)
    stretches = sum(len(source.stretches) for source in sources)
    if summary.sampled:
        yield (
            f"The network looked at {looked_at:,} of {frames:,} frames, in {stretches} stretches from all over; sizes, "
            "bit rates and whether frames belong together are of all."
        )


def _method(summary: SweepSummary) -> list[str]:
    options, resampling = summary.study.options, summary.resampling
    blocks = ", ".join(str(block) for block in resampling.blocks)
    sentences = [*_sampled(summary)]
    sentences += [
        "Every version went through the same network with the same settings. A point counts where the original's "
        "likelihood "
        f"is {summary.study.cutoff:g} or more ({100 * summary.seen.mean():.0f} % of all points). Distances are "
        "Euclidean, in px of the full frame.",
        f"Intervals are of {100 * CONFIDENCE:.0f} %, from a circular block bootstrap: {len(resampling.counts)} "
        "resamples, seed "
        f"{options.seed}, blocks of {blocks} frames (one second where the video is long enough), {resampling.n_blocks} "
        "blocks in all.",
        f"The median filter has a window of {options.window} frames, and runs over the original too before they are "
        "compared. Jitter is the mean step from frame to frame less the original's.",
        f"Recommended is what stays inside {options.tolerance:g} px in every body part's upper bound and loses at most "
        f"{100 * options.max_lost:g} % of the points of each.",
    ]
    if any(version.encode is not None for version in summary.study.versions):
        sentences.append(
            "ffmpeg encoded straight from the video's own colour values with every frame at its own time; count, times "
            "and pictures were compared frame by frame before anything was believed. Raw pixels are three bytes each."
        )
        sentences += [f"{version.name}: {version.note}." for version in summary.study.versions if version.note]
    trained = summary.trained_scales
    if trained is not None:
        sentences.append(f"The network was trained on scales {trained[0]:.2g} to {trained[1]:.2g}.")
    return sentences
