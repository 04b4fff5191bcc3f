"""Medians, gains, accuracy and advice, from made-up speeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_dots_model
from support.studies import write_study

from posecli.model.folder import ModelFolder
from posecli.studies.benchmark.kinds import command_line
from posecli.studies.benchmark.options import BenchmarkOptions
from posecli.studies.benchmark.report import findings, summarize
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.summary import BenchmarkSummary
from posecli.studies.cost import Price


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    folder = tmp_path_factory.mktemp("study")
    return write_study(folder / "study", make_dots_model(folder / "model").path)


@pytest.fixture(scope="module")
def summary(study: Benchmark) -> BenchmarkSummary:
    return summarize(study, Price("abacus", 0.5, unit="core"))


def test_medians_over_repeats(summary: BenchmarkSummary) -> None:
    (cell,) = summary.select(data="dots", width=80, cores=2, batch_size=8, decoder="numpy", pipeline="sync")
    assert len(cell.rows) == 3
    assert cell.fps == cell.values("fps")[1] == sorted(cell.values("fps"))[1]


def test_a_set_of_levels_stands_for_any_of_them(summary: BenchmarkSummary) -> None:
    both = summary.select(decoder={"numpy", "double-loop"})
    assert {cell.condition.decoder for cell in both} == {"numpy", "double-loop"}
    assert len(both) + len(summary.select(decoder="standard")) == len(summary.done)


def test_shift_is_judged_where_a_trained_network_looks(summary: BenchmarkSummary) -> None:
    for cell in summary.done:
        judged = cell.condition.precision != "fp32" and cell.condition.data == "dots"
        assert (cell.change is not None) == judged
    (narrow,) = summary.select(data="dots", width=80, precision="bf16", pipeline="async")
    (wide,) = summary.select(data="dots", width=160, precision="bf16", pipeline="async")
    assert wide.change is not None
    assert narrow.change is not None
    assert wide.change.median_px == pytest.approx(0.1 * 2**0.5)
    assert narrow.change.median_px == pytest.approx(2 * 0.1 * 2**0.5), "in px of the video's own frame"


def test_shift_is_not_judged_where_hardly_a_point_is_seen(tmp_path: Path, dots_model: ModelFolder) -> None:
    study = write_study(tmp_path / "study", dots_model.path, BenchmarkOptions(sizes=(80,)))
    for path in (study.folder / "poses").glob("dots-*.npy"):
        np.save(path, np.load(path) * (1, 1, 0.1))
    assert all(cell.change is None for cell in summarize(study, Price("abacus", 0.5)).cells)


def test_settings_that_move_points_do_not_win(summary: BenchmarkSummary) -> None:
    int8 = summary.select(precision="int8", data="dots")
    assert int8
    assert not any(summary.is_usable(cell) for cell in int8)
    assert all(winner.cell.condition.precision != "int8" for winner in summary.winners())


def test_unjudged_precisions_do_not_win(tmp_path: Path, dots_model: ModelFolder) -> None:
    study = write_study(tmp_path / "blind", dots_model.path, precisions=("fp32", "bf16"))
    design = study.design | {"data": [item | {"trained": False} for item in study.design["data"]]}
    summary = summarize(Benchmark(study.folder, design, study.rows), Price("abacus", 0.5))
    assert {winner.cell.condition.precision for winner in summary.winners()} == {"fp32"}


def test_winners_beat_everything_usable(summary: BenchmarkSummary) -> None:
    winners = summary.winners()
    assert [(w.cell.condition.data, w.cell.condition.width) for w in winners] == [
        ("dots", 80),
        ("dots", 160),
        ("blind", 80),
        ("blind", 160),
    ]
    for winner in winners:
        item = winner.cell.condition
        rivals = [c for c in summary.select(data=item.data, width=item.width) if summary.is_usable(c)]
        assert winner.cell.fps == max(cell.fps for cell in rivals)
        assert winner.standard is not None
        assert winner.standard.condition.decoder == "standard"
        assert winner.gain == winner.cell.fps / winner.standard.fps


def test_cost_of_an_hour_of_video(summary: BenchmarkSummary) -> None:
    (cell,) = summary.select(data="dots", width=80, cores=2, batch_size=8, decoder="numpy", pipeline="sync")
    estimate = summary.estimate(cell)
    assert estimate.hours_per_video_hour == pytest.approx(30 / cell.fps)
    assert estimate.cost_per_video_hour == pytest.approx(2 * 0.5 * 30 / cell.fps)


def test_decoders_are_compared_pose_by_pose(summary: BenchmarkSummary) -> None:
    assert len(summary.decoder_differences) == 3
    assert {difference for *_, difference in summary.decoder_differences} == {0.0}


def test_findings_tell_every_comparison(summary: BenchmarkSummary) -> None:
    text = "\n".join(findings(summary))
    for words in (
        "Batches, dots: the best batch size against the standard method gives 1.98x at 80 px (batch 64)",
        "NumPy against double-loop: 1.00x at batch 1, 1.00x at batch 8, 1.00x at batch 64.",
        "Poses of the NumPy and double-loop decoders differ by 0 px at most.",
        "Async against sync, dots, 80 px, 2 cores: 1.00x; in sync the network takes 95 % of the time",
        "2 cores against 1, standard method: 2.00x at 80 px (dots)",
        "int8 against fp32, dots, 80 px, 2 cores, async: 1.00x; 99th percentile of the shift 14.14 px.",
    ):
        assert words in text
    assert "Other programs" not in text


def test_busy_machine_is_told(study: Benchmark) -> None:
    rows = tuple(row | {"background_cores": 1.5} for row in study.rows)
    summary = summarize(Benchmark(study.folder, study.design, rows), Price("abacus", 0.5))
    assert findings(summary)[0].startswith("Other programs kept 1.5 cores busy meanwhile")


def test_command_to_use(summary: BenchmarkSummary, study: Benchmark) -> None:
    (cell,) = summary.select(data="dots", width=80, cores=2, batch_size=8, decoder="numpy", pipeline="sync")
    assert command_line(summary, cell) == (
        "posecli analyze VIDEO --scale 0.5 --batchsize 8 --precision fp32 --pipeline sync --engine openvino"
    )
    options = study.design["options"] | {"videos": ["my dots.mp4"], "model": "a model"}
    own = summarize(Benchmark(study.folder, study.design | {"options": options}, study.rows), Price("abacus", 0.5))
    (cell,) = own.select(data="dots", width=160, cores=2, batch_size=8, decoder="numpy", pipeline="sync")
    command = command_line(own, cell)
    assert command.startswith(f"posecli analyze {study.folder}/dots.mp4 --model 'a model' --batchsize 8")


def test_failed_and_left_out_conditions_stay_visible(study: Benchmark) -> None:
    key = study.rows[0]["key"]
    rows = [row for row in study.rows if row["key"] != key]
    rows.append(study.rows[0] | {"state": "failed", "reason": "no memory"})
    summary = summarize(Benchmark(study.folder, study.design, tuple(rows)), Price("abacus", 0.5))
    (cell,) = [cell for cell in summary.cells if cell.state == "failed"]
    assert (cell.condition.key, cell.reason) == (key, "no memory")
    assert cell not in summary.done


def test_study_with_nothing_measured_has_nothing_to_say(study: Benchmark) -> None:
    summary = summarize(Benchmark(study.folder, study.design, ()), Price("abacus", 0.5))
    assert findings(summary) == []
    assert summary.winners() == []
