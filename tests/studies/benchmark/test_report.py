"""Figures, tables, trace and page, from made-up speeds."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from support.studies import write_study

from posecli.model.folder import ModelFolder
from posecli.studies.benchmark.kinds import POSES, command_line
from posecli.studies.benchmark.options import BenchmarkOptions
from posecli.studies.benchmark.report import (
    columns_of,
    html_page,
    results,
    summarize,
    tidy_rows,
    winner_table,
    write_report,
)
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.summary import BenchmarkSummary
from posecli.studies.benchmark.timeline import spans_of, threads_of, timeline_cells, trace_events
from posecli.studies.common import folder as common_report
from posecli.studies.common.folder import StudyReport, describe_bench, draw_charts, machine_line
from posecli.studies.cost import Price
from posecli.support.figures import Chart

PRICE = Price("abacus", 0.5, unit="core")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    from conftest import make_dots_model

    return make_dots_model(tmp_path_factory.mktemp("model") / "dots-model")


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory, model: ModelFolder) -> BenchmarkSummary:
    return summarize(write_study(tmp_path_factory.mktemp("study"), model.path), PRICE)


@pytest.fixture(scope="module")
def report(summary: BenchmarkSummary) -> StudyReport:
    """With figures that are made, but not drawn into their files, which would take most of the time."""

    def save(_figure: Figure, stem: Path) -> tuple[Path, Path]:
        stem.parent.mkdir(exist_ok=True)
        paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
        for path in paths:
            path.write_text("<svg/>")
        return paths

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common_report, "save_figure", save)
        return write_report(summary)


@pytest.fixture(scope="module")
def empty(summary: BenchmarkSummary) -> BenchmarkSummary:
    return summarize(Benchmark(summary.study.folder, summary.study.design, ()), PRICE)


def test_all_figures_are_in_the_report(report: StudyReport) -> None:
    assert [chart.name[0] for chart in report.charts] == list("1234567")
    assert all(chart.caption.endswith(".") for chart in report.charts)


@pytest.mark.slow
def test_figures_are_drawn_as_png_and_svg(summary: BenchmarkSummary, tmp_path: Path) -> None:
    for chart in draw(summary, tmp_path):
        picture = cv2.imread(str(chart.png))
        assert picture is not None
        assert 700 < picture.shape[1] < 1400, "fits a screen"
        assert np.mean(picture < 250) > 0.01, "is not blank"
        assert chart.svg.read_text().lstrip().startswith("<?xml")


def draw(summary: BenchmarkSummary, folder: Path) -> tuple[Chart, ...]:
    return draw_charts(POSES.drawings, summary, folder)


def test_nothing_measured_draws_nothing(empty: BenchmarkSummary, tmp_path: Path) -> None:
    assert draw(empty, tmp_path) == ()


def test_one_condition_is_no_figure_of_batches_or_cores(tmp_path: Path, model: ModelFolder) -> None:
    options = BenchmarkOptions(sizes=(80,), batch_sizes=(1,), decoders=("numpy",), pipelines=("sync",))
    study = write_study(tmp_path / "study", model.path, options, precisions=("fp32",), cores=(1,))
    summary = summarize(study, PRICE)
    names = [name for name, (figure_of, _) in POSES.drawings.items() if figure_of(summary) is not None]
    assert names == ["1-speed-against-width", "4-timelines", "7-ramp-up"]


def test_csv_has_a_row_per_repeat(summary: BenchmarkSummary, report: StudyReport) -> None:
    text = (report.folder / "results.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == columns_of(POSES)
    assert len(rows) == len(summary.study.rows)
    first = next(row for row in rows if row["precision"] == "bf16")
    assert float(first["cost_per_video_hour"]) == pytest.approx(
        0.5 * int(first["cores"]) * float(first["hours_per_video_hour"])
    )
    assert float(first["shift_p99_px"]) > 0


def test_csv_keeps_what_was_not_measured(summary: BenchmarkSummary) -> None:
    left_out = summary.study.rows[0] | {"state": "left out", "reason": "too long", "repeat": None}
    study = Benchmark(summary.study.folder, summary.study.design, (left_out,))
    (row,) = tidy_rows(summarize(study, PRICE))
    assert (row["state"], row["reason"], row["cost_per_video_hour"]) == ("left out", "too long", None)


def test_json_holds_everything(summary: BenchmarkSummary, report: StudyReport) -> None:
    content = json.loads((report.folder / "results.json").read_text())
    assert content == json.loads(json.dumps(results(summary)))
    assert content["complete"]
    assert len(content["conditions"]) == len(summary.cells)
    assert len(content["rows"]) == len(summary.study.rows)
    assert all(row["curve"] for row in content["rows"])
    assert content["findings"]
    keys = {item["key"] for item in content["conditions"]}
    assert all(
        winner["key"] in keys and winner["command"].startswith("posecli analyze") for winner in content["winners"]
    )


def test_page_needs_nothing_else(summary: BenchmarkSummary, report: StudyReport) -> None:
    page = report.page.read_text()
    assert page.startswith("<!doctype html>")
    assert len(re.findall(r"src='data:image/svg\+xml;base64,", page)) == len(report.charts)
    assert not re.search(r"(src|href)\s*=\s*['\"]?(http|//|file)", page)
    assert "<script" not in page
    assert "Abacus 9 &lt;&amp;&gt;" in page
    assert "Abacus 9 <&>" not in page
    for winner in summary.winners():
        assert command_line(summary, winner.cell) in page
    assert "An untrained network of random weights looks at blind" in page
    assert "Not measured: openvino fp16, because this abacus has no such beads." in page
    assert "Not complete" not in page


def test_page_of_an_unfinished_study_says_so(empty: BenchmarkSummary) -> None:
    assert "Not complete" in html_page(empty, ())


def test_terminal_table(summary: BenchmarkSummary) -> None:
    header, *rows = winner_table(summary)
    assert len(rows) == 4
    assert all(len(row) == len(header) for row in rows)
    assert rows[0][:2] == ["dots", "80"]


def test_trace_is_what_trace_viewers_read(summary: BenchmarkSummary, report: StudyReport) -> None:
    cells = timeline_cells(summary)
    assert [cell.condition.pipeline for cell in cells] == ["sync", "parallel", "async"]
    trace = json.loads((report.folder / "timelines.json").read_text())
    assert trace == json.loads(json.dumps(trace_events(cells)))
    events = trace["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X"}
    spans = [event for event in events if event["ph"] == "X"]
    assert len(spans) == sum(len(spans_of(cell)) for cell in cells)
    assert all(event["dur"] >= 0 and {"name", "pid", "tid", "ts"} <= set(event) for event in spans)
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in spans} == named


def test_threads_stand_in_the_order_in_which_a_frame_meets_them() -> None:
    spans = [
        ("network", "MainThread", 0.0, 1.0),
        ("decode", "posecli-finish", 1.0, 1.1),
        ("read", "posecli-read", 0.0, 0.1),
        ("read", "MainThread", 0.0, 0.1),
    ]
    assert threads_of(spans) == ["posecli-read", "MainThread", "posecli-finish"]


def test_machine_in_one_line() -> None:
    bench = describe_bench()
    assert bench["processor"]
    assert bench["packages"]["numpy"] == np.__version__
    assert f"{bench['usable_cores']} cores" in machine_line(bench)
