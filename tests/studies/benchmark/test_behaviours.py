"""Benchmarks of networks for behaviours: their networks and videos, the cost table and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clips
from support.benchmark_worker import answer
from support.fake_clip_engine import make_fake_clip_model

from posecli.errors import ModelError, OutputExistsError
from posecli.model.description import BEHAVIOURS, ClipDescription
from posecli.model.folder import ClipModelFolder, has_int8, read_clip_folder, write_folder
from posecli.options import InputSize
from posecli.studies.benchmark import behaviours, worker
from posecli.studies.benchmark.behaviours import cost_table, given_or_full_size_model, network_words, plain_costs
from posecli.studies.benchmark.kinds import command_line, gathered
from posecli.studies.benchmark.material import give_int8, random_weights, untrained_clip_model
from posecli.studies.benchmark.options import ClipBenchmarkOptions
from posecli.studies.benchmark.report import findings, summarize, tidy_rows, write_report
from posecli.studies.benchmark.runner import run_benchmark
from posecli.studies.benchmark.study import Benchmark, open_study
from posecli.studies.benchmark.summary import BenchmarkSummary
from posecli.studies.cost import Price

PRICE = Price("abacus", 0.5, unit="core")
OWN = InputSize(160, 120)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClipModelFolder:
    return make_fake_clip_model(tmp_path_factory.mktemp("model") / "numbers-model")


@pytest.fixture(scope="module")
def options(dots_clip: Path, model: ClipModelFolder) -> ClipBenchmarkOptions:
    return ClipBenchmarkOptions(
        sizes=(OWN,),
        lengths=(10,),
        strides=(10,),
        cores=(1,),
        repeats=2,
        frames=50,
        videos=(dots_clip,),
        model=model.path,
    )


class TestStudy:
    def test_every_repeat_and_what_cannot_run(self, options: ClipBenchmarkOptions, tmp_path: Path) -> None:
        study = run_benchmark(options, tmp_path / "out", worker=answer)
        assert study.is_complete
        assert study.network == "i3d"
        states = {(row["pipeline"], row["precision"]): row["state"] for row in study.rows}
        assert states == {
            ("sync", "fp32"): "done",
            ("parallel", "fp32"): "done",
            ("async", "fp32"): "done",
            ("async", "bf16"): "done",
            ("async", "fp16"): "left out",
            ("async", "int8"): "left out",
        }
        reasons = {row["reason"] for row in study.rows if row["state"] == "left out"}
        assert reasons == {"this abacus has no such beads"}
        assert [path.name for path in (tmp_path / "out" / "clips").glob("*-50.mp4")] == ["dots-own-50.mp4"]

    def test_is_continued_by_the_same_command_only(self, options: ClipBenchmarkOptions, tmp_path: Path) -> None:
        first = run_benchmark(options, tmp_path / "out", worker=answer)
        assert run_benchmark(options, tmp_path / "out", worker=answer).rows == first.rows
        with pytest.raises(OutputExistsError, match="strides was 10, not 5"):
            run_benchmark(replace(options, strides=(5,)), tmp_path / "out", worker=answer)

    def test_labelled_videos_are_taken_where_none_are_given(
        self, options: ClipBenchmarkOptions, dots_clip: Path, tmp_path: Path
    ) -> None:
        labels = write_labels(tmp_path, dots_clip)
        study = run_benchmark(replace(options, videos=(), labels=labels), tmp_path / "out", worker=answer, dry_run=True)
        assert [data.name for data in study.data] == ["dots"]

    def test_only_a_network_of_the_published_size_stands_for_it(
        self, options: ClipBenchmarkOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = make_fake_clip_model(tmp_path / "own").path
        monkeypatch.setattr(behaviours, "builtin_behaviours_path", lambda: folder)
        plain = replace(options, model=None)
        found = given_or_full_size_model(plain)
        assert found is not None
        assert found.path == folder
        with (folder / "model.yaml").open("a") as stream:
            stream.write("width: 0.25\n")
        assert given_or_full_size_model(plain) is None
        assert given_or_full_size_model(options) is not None

    def test_pose_network_is_refused(self, options: ClipBenchmarkOptions, tmp_path: Path) -> None:
        from conftest import make_dots_model

        pose = make_dots_model(tmp_path / "pose")
        with pytest.raises(ModelError, match="is a pose network, not one for behaviours"):
            run_benchmark(replace(options, model=pose.path), tmp_path / "out", worker=answer)


def write_labels(folder: Path, video: Path) -> Path:
    """Of fifty frames: thirty of the first class, and twenty of the second, of which the last is not labelled."""
    labels = folder / "labels.csv"
    labels.write_text(f"video,start,end,label\n{video},0,30,none\n{video},30,49,first\n")
    return labels


def probabilities_of(labels: list[int], certainty: float) -> Any:
    """Probabilities of four classes."""
    found = np.full((len(labels), 4), (1 - certainty) / 3)
    found[np.arange(len(labels)), labels] = certainty
    return found


@pytest.fixture(scope="module")
def study(options: ClipBenchmarkOptions, dots_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A complete study with made-up speeds: in bf16 one of five labels is another, and wrong."""
    tmp_path = tmp_path_factory.mktemp("study")
    asked = replace(options, labels=write_labels(tmp_path, dots_clip), cores=None)
    made = run_benchmark(asked, tmp_path / "out", worker=answer)
    (tmp_path / "out" / "poses").mkdir(exist_ok=True)
    for row in made.rows:
        labels, certainty = ([0, 0, 0, 1, 1], 0.9) if row["precision"] == "fp32" else ([0, 0, 2, 1, 1], 0.8)
        np.save(tmp_path / "out" / "poses" / f"{row['key']}.npy", probabilities_of(labels, certainty))
    return open_study(tmp_path / "out")


@pytest.fixture(scope="module")
def summary(study: Benchmark) -> BenchmarkSummary:
    return summarize(study, PRICE)


class TestReport:
    def test_change_and_accuracy_stand_beside_each_precision(self, summary: BenchmarkSummary) -> None:
        for cell in summary.done:
            assert cell.accuracy is not None
            assert (cell.accuracy.frames, cell.accuracy.classes) == (49, 2)
            if cell.condition.precision == "fp32":
                assert cell.change is None
                assert cell.accuracy.balanced == 1.0
            else:
                assert cell.change is not None
                assert (cell.change.chunks, cell.change.changed_labels) == (5, 1)
                assert cell.change.median_change == pytest.approx(0.1)
                assert cell.change.largest_change == pytest.approx(0.9 - 0.2 / 3)
                assert cell.accuracy.balanced == pytest.approx((20 / 30 + 1) / 2)

    def test_cost_table_is_the_papers(self, summary: BenchmarkSummary) -> None:
        rows = plain_costs(summary)
        told = [(row["pipeline"], row["precision"], row["state"]) for row in rows]
        assert told == [
            ("sync", "fp32", "done"),
            ("async", "fp32", "done"),
            ("async", "bf16", "done"),
            ("async", "fp16", "left out"),
            ("async", "int8", "left out"),
        ]
        for row in rows[:3]:
            assert row["stride"] == row["length"] == 10
            assert row["cost"] == pytest.approx(2880 * row["cost_per_video_hour"])
        assert rows[0]["gain_over_sync"] == 1.0
        assert [round(row["paper_gain_over_sync"], 2) for row in rows] == [1.0, 1.55, 1.63, 1.63, 2.02]
        assert rows[2]["changed_labels_share"] == 0.2
        table, sentences = cost_table(summary)
        assert all(len(row) == len(table[0]) for row in table)
        assert "left out: this abacus has no such beads" in table[-1]
        assert any("49 of 2 classes" in sentence for sentence in sentences)

    def test_csv_has_work_and_change(self, summary: BenchmarkSummary) -> None:
        rows = tidy_rows(summary)
        assert "decoder" not in rows[0]
        for row in rows:
            if row["state"] == "done":
                assert (row["chunks"], row["gmac_per_chunk"], row["stride"]) == (5, 2.0, 10)
                assert row["gmac_per_second"] == pytest.approx(2 * row["fps"] / 10)
                assert row["network_gmac_per_second"] == pytest.approx(2 * row["network_fps"] / 10)
                assert row["balanced_accuracy"] > 0.8
            assert (row["change_largest"] is not None) == (row["precision"] == "bf16")

    def test_a_precision_that_changes_much_does_not_win(self, summary: BenchmarkSummary) -> None:
        (winner,) = summary.winners()
        assert winner.cell.condition.precision == "fp32"
        assert winner.standard is not None
        assert winner.standard.condition.pipeline == "sync"

    def test_command_to_use(self, summary: BenchmarkSummary, study: Benchmark) -> None:
        (cell,) = summary.select(precision="bf16")
        options = study.design["options"]
        assert command_line(summary, cell).startswith(
            f"posecli classify {options['videos'][0]} --model {options['model']} --input-size 160x120 --length 10 "
            "--stride 10 --batchsize 1 --precision bf16 --pipeline async"
        )

    def test_everything_is_written(self, summary: BenchmarkSummary, blank_figures: None) -> None:
        report = write_report(summary)
        cores = len(summary.study.design["factors"]["cores"])
        names = ["1-timelines", "2-run-time-against-cores", "3-speed-against-precision", "4-run-time-and-cost"]
        assert [chart.name for chart in report.charts] == [
            name for name in (*names, "5-ramp-up") if cores > 1 or not name.startswith("2")
        ]
        content = json.loads((report.folder / "results.json").read_text())
        assert content["network"] == "i3d"
        assert len(content["costs"]) == 5
        page = report.page.read_text()
        assert "What it costs" in page
        assert "USD for 2,880 h" in page
        assert network_words(summary) in page
        assert "balanced accuracy -16.7 points" in page

    def test_untrained_network_is_told_and_its_precisions_do_not_win(self, study: Benchmark) -> None:
        design = study.design | {"data": [item | {"trained": False} for item in study.design["data"]]}
        blind = summarize(Benchmark(study.folder, design, study.rows), PRICE)
        assert all(cell.accuracy is None for cell in blind.cells)
        assert {winner.cell.condition.precision for winner in blind.winners()} == {"fp32"}
        assert "untrained: its speed is that of a trained one" in network_words(blind)
        assert any("its accuracy cannot be told" in sentence for sentence in findings(blind))
        assert any("untrained" in sentence for sentence in cost_table(blind)[1])


@pytest.mark.slow
def test_without_video_and_network_the_home_cage_and_an_untrained_one_are_taken(
    private_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def narrow(seed: int) -> ClipModelFolder:
        asked.append(seed)
        return untrained_clip_model(seed, width=0.25)

    def absent() -> Path:
        raise ModelError("none")

    monkeypatch.setattr(behaviours, "builtin_behaviours_path", absent)
    monkeypatch.setattr(behaviours, "untrained_clip_model", narrow)
    monkeypatch.setattr(behaviours, "SCENE_FRAMES", 12)
    told: list[str] = []
    options = ClipBenchmarkOptions(sizes=(InputSize(32, 32),), lengths=(9,), strides=(9,), seed=5)
    (data,) = gathered(options, tmp_path, told.append)
    assert (data.name, data.width, data.height, data.trained) == ("home-cage", 640, 480, False)
    assert asked == [5]
    assert has_int8(read_clip_folder(data.model))
    assert told[-1].startswith("posecli has no trained network of the published size")


@pytest.mark.slow
def test_a_narrow_network_on_a_real_engine(tmp_path: Path) -> None:
    description = ClipDescription(BEHAVIOURS, "I3D_random_0", width=0.25, length=9, stride=9)
    folder = write_folder(tmp_path / "model", description, random_weights(description, seed=1))
    video = clips.encode(tmp_path / "dots.mp4", clips.textured(clips.numbered_frames(45)))
    give_int8(folder, video, InputSize(48, 32), 9)
    options = ClipBenchmarkOptions(
        sizes=(InputSize(48, 32),),
        lengths=(9,),
        strides=(9,),
        precisions=("fp32", "int8"),
        pipelines=("sync", "async"),
        cores=(1,),
        repeats=1,
        frames=45,
        videos=(video,),
        model=folder.path,
    )
    study = run_benchmark(options, tmp_path / "out", worker=lambda job, _patience: worker.answer(job, pinned=False))
    summary = summarize(study, PRICE)
    assert {cell.state for cell in summary.cells} == {"done"}, [cell.reason for cell in summary.cells]
    (eight_bits,) = summary.select(precision="int8")
    assert eight_bits.change is not None
    assert eight_bits.change.chunks == 5
    assert 0 < eight_bits.change.largest_change < 0.5
    sync, overlapped = (
        np.load(study.folder / "poses" / f"{cell.condition.key}.npy") for cell in summary.select(precision="fp32")
    )
    assert np.array_equal(sync, overlapped)
    assert write_report(summary).page.is_file()
