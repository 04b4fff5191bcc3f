"""A benchmark's report as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from posecli.studies.benchmark.machine import machine_line
from posecli.studies.benchmark.summary import Summary, Winner
from posecli.studies.benchmark.tables import condition_table, speed, winner_table
from posecli.support import webpage
from posecli.support.figures import Chart


def html_page(summary: Summary, charts: Sequence[Chart]) -> str:
    """One page that holds tables, figures and the commands to use; it loads nothing."""
    design = summary.study.design
    machine = design["machine"]
    parts = [
        webpage.heading("posecli benchmark"),
        webpage.paragraph(f"{machine_line(machine)}; posecli {design['posecli']}, {design['written']}."),
        *([] if summary.study.is_complete else [webpage.paragraph("Not complete: the same command continues it.")]),
        webpage.section(
            "Settings that won",
            webpage.table(winner_table(summary)),
            *(_command(summary, winner) for winner in summary.winners()),
        ),
        *(
            webpage.section(title, webpage.table(rows), *map(webpage.paragraph, sentences))
            for title, rows, sentences in summary.subject.tables(summary)
        ),
        webpage.section("What came out", webpage.bullets(summary.findings())),
        webpage.section("Figures", *(webpage.figure(chart.svg, chart.caption) for chart in charts)),
        webpage.section("Every condition", webpage.table(condition_table(summary))),
        webpage.section(
            "How it was measured",
            *map(webpage.paragraph, _method(summary)),
            webpage.verbatim(json.dumps(machine, indent=1, ensure_ascii=False)),
        ),
    ]
    return webpage.page("posecli benchmark", parts)


def _command(summary: Summary, winner: Winner) -> str:
    item = winner.cell.condition
    head = f"{item.data} at {item.view_words}, {speed(winner.cell.fps)} frames/s:"
    return webpage.paragraph(head) + webpage.verbatim(summary.analyze_line(winner.cell))


def _method(summary: Summary) -> list[str]:
    design = summary.study.design
    options, together = design["options"], design["repeats_per_process"]
    shared = "each in a process of its own" if together == 1 else f"{together} of them in one process after the other"
    sentences = [
        f"{options['repeats']} repeats of each condition, {shared}; conditions in pseudorandom order, seed "
        f"{options['seed']}. A process is bound to the cores that its condition allows, and the network has as many "
        "threads.",
        "A repeat is the network alone over one batch, then loading alone through the same pipeline, then the whole "
        "loop: read, network, decode, write. Compilation and one batch of warm-up come before. Frames per second are "
        "those of the video, in the steady state: after the first batch, and at least a tenth of the frames.",
        f"Run time and cost are for video of {summary.video_fps:g} frames/s; price: {summary.price} "
        f"({summary.price.what or 'own'}; {summary.price.source}), times the cores used where it is per core.",
        *summary.subject.method(summary),
    ]
    return sentences + [f"Not measured: {reason}." for reason in _obstacles(summary)]


def _obstacles(summary: Summary) -> list[str]:
    first = str(summary.data[0].model)
    return [
        f"{item['engine']} {item['precision']}, because {item['reason'].partition(':')[0]}"
        for item in summary.study.design["obstacles"]
        if item["model"] == first
    ]
