"""Benchmarks of networks for behaviours: designs, measurements, the cost table and the report."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clips
from support.fake_clip_engine import FakeClipEngine, make_fake_clip_model, numbers_of
from support.studies import WORKER

from posecli import engine
from posecli.behaviour.chunks import ChunkPlan
from posecli.errors import ModelError, OutputExistsError
from posecli.model.clip import BEHAVIOURS, ClipDescription
from posecli.model.folder import ClipModelFolder, read_clip_folder, write_clip_folder
from posecli.model.int8 import has_int8
from posecli.options import InputSize, PipelineName
from posecli.precision.behaviours import FEWEST_CHUNKS
from posecli.studies.benchmark import behaviours
from posecli.studies.benchmark.behaviours import ClipSubject, given_or_full_size_model, network_words
from posecli.studies.benchmark.bench import Job
from posecli.studies.benchmark.benches import open_bench
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.cost_table import cost_table, plain_costs
from posecli.studies.benchmark.design import FEWEST_BATCHES, Trial, frames_of, make_plan
from posecli.studies.benchmark.factors import ClipFactors, conditions_of
from posecli.studies.benchmark.measure import measure
from posecli.studies.benchmark.options import ClipBenchmarkOptions
from posecli.studies.benchmark.report import findings, summarize, write_report
from posecli.studies.benchmark.runner import run_benchmark
from posecli.studies.benchmark.study import Benchmark, open_study
from posecli.studies.benchmark.subject import subject_of
from posecli.studies.benchmark.summary import BenchmarkSummary
from posecli.studies.benchmark.tables import columns_of, tidy_rows
from posecli.studies.benchmark.untrained import give_int8, random_clip_weights, untrained_clip_model
from posecli.studies.cost import Price
from posecli.support.textfile import csv_text

PRICE = Price("abacus", 0.5, unit="core")
OWN = InputSize(160, 120)
#: Chunks of 10 frames, each beginning 8 behind the one before.
CHUNK = Condition("dots", 160, 120, 1, "openvino", "fp32", 1, None, "sync", length=10, stride=8)
CAGE = DataSet("cage", Path("a.mp4"), 640, 480, Path("m"), trained=True)
NIGHT = DataSet("night", Path("b.mp4"), 640, 480, Path("m"), trained=True)
FACTORS = ClipFactors(
    data=(CAGE, NIGHT),
    sizes=(InputSize(224, 224), InputSize(640, 480)),
    lengths=(64, 16),
    strides=(64, 16),
    cores=(1, 2),
    engines=("openvino",),
    precisions=("fp32", "bf16", "int8"),
    batch_sizes=(1, 4),
    pipelines=("sync", "parallel", "async"),
)


@pytest.fixture
def model(tmp_path: Path) -> ClipModelFolder:
    return make_fake_clip_model(tmp_path / "numbers-model")


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in engine.ENGINE_CLASSES:
        monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.fake_clip_engine:FakeClipEngine")
    monkeypatch.setattr(FakeClipEngine, "calls", [])


@pytest.fixture
def job(dots_clip: Path, model: ClipModelFolder, tmp_path: Path, fake_engine: None) -> Job:
    return Job("i3d", CHUNK, dots_clip, model.path, 42, (0, 1), tmp_path / "poses" / "dots.npy")


@pytest.fixture
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


class TestDesign:
    def test_figures_hold_what_the_paper_shows(self) -> None:
        found = conditions_of(FACTORS, "figures")
        assert len(set(found)) == len(found)
        first = [item for item in found if (item.data, item.width, item.stride, item.length) == ("cage", 224, 64, 64)]
        assert {(item.cores, item.pipeline) for item in first} >= {
            (cores, pipeline) for cores in (1, 2) for pipeline in FACTORS.pipelines
        }
        for data in ("cage", "night"):
            for width in (224, 640):
                shown = {(c.pipeline, c.precision) for c in found if (c.data, c.width) == (data, width)}
                assert shown >= {("sync", "fp32"), ("async", "fp32"), ("async", "bf16"), ("async", "int8")}
        assert {(item.length, item.stride) for item in found} == {(64, 64), (64, 16), (16, 64), (16, 16)}
        assert {item.batch_size for item in first} == {1, 4}

    def test_full_design_holds_every_combination_once(self) -> None:
        found = conditions_of(FACTORS, "full")
        assert set(conditions_of(FACTORS, "figures")) < set(found)
        assert len(found) == len({item.key for item in found}) == 2 * 2 * 2 * 2 * 2 * 3 * 2 * 3

    @given(length=st.integers(9, 80), stride=st.integers(1, 100), step=st.integers(1, 3), frames=st.integers(1, 400))
    def test_chunks_of_a_run_are_those_that_are_read(self, length: int, stride: int, step: int, frames: int) -> None:
        condition = replace(CHUNK, length=length, stride=stride, frame_step=step)
        starts = ChunkPlan(length, stride, step).starts(frames)
        assert abs(condition.items_in(frames) - len(starts)) <= (1 if stride > length * step else 0)
        for items in (1, 2, 7):
            assert condition.items_in(condition.frames_of(items)) == items

    def test_runs_are_whole_batches_of_chunks(self) -> None:
        trial = Trial(start_seconds=3.0, seconds_per_pixel=1e-6, cores=2)
        for batch in (1, 4):
            condition = replace(CHUNK, batch_size=batch, length=64, stride=64, cores=2, width=224, height=224)
            frames = frames_of(condition, ClipBenchmarkOptions(), trial)
            chunks, left = divmod(frames, 64)
            assert left == 0
            assert chunks % batch == 0
            assert chunks >= max(FEWEST_BATCHES * batch, FEWEST_CHUNKS)
        assert frames_of(CHUNK, ClipBenchmarkOptions(frames=3), trial) == 10, "a chunk at least"

    def test_a_larger_network_input_takes_longer(self) -> None:
        trial = Trial(start_seconds=3.0, seconds_per_pixel=1e-7, cores=2)
        small, large = (FACTORS.condition(CAGE, size) for size in FACTORS.sizes)
        assert trial.item_seconds(large) > 5 * trial.item_seconds(small)

    def test_what_is_blocked_stands_in_the_plan_with_its_reason(self) -> None:
        trial = Trial(start_seconds=3.0, seconds_per_pixel=1e-9, cores=2)
        plan = make_plan([CHUNK], ClipBenchmarkOptions(), trial, [(replace(CHUNK, precision="int8"), "no beads")])
        assert [item.condition for item in plan.visits[:1]] == [CHUNK]
        assert [(item.precision, reason) for item, reason in plan.left_out] == [("int8", "no beads")]


class TestMeasurement:
    def test_a_row_per_repeat_with_everything_in_it(self, job: Job) -> None:
        rows = measure(job)
        assert [row["repeat"] for row in rows] == [0, 1]
        for row in rows:
            assert row["frames"] == 42
            assert row["items"] == 5
            assert [frames for frames, _ in row["curve"]] == [10, 18, 26, 34, 42]
            assert all(row[name] > 0 for name in ("fps", "loop_fps", "network_fps", "read_fps", "cpu_seconds"))
            assert row["gmac_per_item"] * 1e9 == sum(
                ClipDescription(tuple("abcd"), "I3D_a").network.multiplications((10, 120, 160)).values()
            )

    def test_every_chunk_is_seen(self, job: Job) -> None:
        measure(job)
        assert numbers_of(np.load(job.poses)) == [[start, start + 1, start + 9] for start in (0, 8, 16, 24, 32)]

    def test_pipelines_give_equal_probabilities_and_read_on_threads_of_their_own(self, job: Job) -> None:
        threads: dict[str, set[str]] = {}
        names: tuple[PipelineName, ...] = ("sync", "parallel", "async")
        for name in names:
            condition = replace(job.condition, pipeline=name, batch_size=2)
            poses = job.poses.with_name(f"{name}.npy")
            (row,) = measure(replace(job, condition=condition, repeats=(0,), poses=poses))
            threads[name] = {thread for stage, thread, *_ in row["spans"] if stage in ("read", "prepare")}
        found = [np.load(job.poses.with_name(f"{name}.npy")) for name in names]
        assert np.array_equal(found[0], found[1])
        assert np.array_equal(found[0], found[2])
        assert threads["sync"] == {"MainThread"}
        assert any(thread.startswith("posecli-prepare") for thread in threads["parallel"])
        assert threads["async"] == {"posecli-read"}

    def test_frames_are_brought_to_the_network_s_size(self, job: Job) -> None:
        condition = replace(job.condition, width=80, height=60)
        bench = open_bench(replace(job, condition=condition))
        assert bench.shape == (10, 60, 80, 3)
        assert bench.run_network() == 2
        assert set(FakeClipEngine.calls) == {(1, 10, 60, 80, 3)}

    def test_loading_alone_ends_in_time_and_asks_no_network(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = open_bench(job)
        assert bench.read_fps() > 0
        monkeypatch.setattr(type(bench), "read_seconds", 0.0)
        assert bench.read_fps() == 0.0, "not even a frame in no time"
        assert FakeClipEngine.calls == []


class TestStudy:
    def test_every_repeat_and_what_cannot_run(self, options: ClipBenchmarkOptions, tmp_path: Path) -> None:
        study = run_benchmark(options, tmp_path / "out", worker=WORKER)
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
        first = run_benchmark(options, tmp_path / "out", worker=WORKER)
        assert run_benchmark(options, tmp_path / "out", worker=WORKER).rows == first.rows
        with pytest.raises(OutputExistsError, match="strides was 10, not 5"):
            run_benchmark(replace(options, strides=(5,)), tmp_path / "out", worker=WORKER)

    def test_labelled_videos_are_taken_where_none_are_given(
        self, options: ClipBenchmarkOptions, dots_clip: Path, tmp_path: Path
    ) -> None:
        labels = write_labels(tmp_path, dots_clip)
        study = run_benchmark(replace(options, videos=(), labels=labels), tmp_path / "out", worker=WORKER, dry_run=True)
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
            run_benchmark(replace(options, model=pose.path), tmp_path / "out", worker=WORKER)


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


@pytest.fixture
def study(options: ClipBenchmarkOptions, dots_clip: Path, tmp_path: Path) -> Benchmark:
    """A complete study with made-up speeds: in bf16 one of five labels is another, and wrong."""
    asked = replace(options, labels=write_labels(tmp_path, dots_clip), cores=None)
    made = run_benchmark(asked, tmp_path / "out", worker=WORKER)
    (tmp_path / "out" / "poses").mkdir(exist_ok=True)
    for row in made.rows:
        labels, certainty = ([0, 0, 0, 1, 1], 0.9) if row["precision"] == "fp32" else ([0, 0, 2, 1, 1], 0.8)
        np.save(tmp_path / "out" / "poses" / f"{row['key']}.npy", probabilities_of(labels, certainty))
    return open_study(tmp_path / "out")


@pytest.fixture
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
        rows = list(csv.DictReader(io.StringIO(csv_text(columns_of(subject_of("i3d")), tidy_rows(summary)))))
        assert "decoder" not in rows[0]
        for row in rows:
            if row["state"] == "done":
                assert (row["chunks"], row["gmac_per_chunk"], row["stride"]) == ("5", "2.0", "10")
                assert float(row["gmac_per_second"]) == pytest.approx(2 * float(row["fps"]) / 10)
                assert float(row["network_gmac_per_second"]) == pytest.approx(2 * float(row["network_fps"]) / 10)
                assert float(row["balanced_accuracy"]) > 0.8
            assert bool(row["change_largest"]) == (row["precision"] == "bf16")

    def test_a_precision_that_changes_much_does_not_win(self, summary: BenchmarkSummary) -> None:
        (winner,) = summary.winners()
        assert winner.cell.condition.precision == "fp32"
        assert winner.standard is not None
        assert winner.standard.condition.pipeline == "sync"

    def test_command_to_use(self, summary: BenchmarkSummary, study: Benchmark) -> None:
        (cell,) = summary.select(precision="bf16")
        options = study.design["options"]
        assert (
            subject_of("i3d")
            .command(summary, cell)
            .startswith(
                f"posecli classify {options['videos'][0]} --model {options['model']} --input-size 160x120 --length 10 "
                "--stride 10 --batchsize 1 --precision bf16 --pipeline async"
            )
        )

    def test_everything_is_written(self, summary: BenchmarkSummary) -> None:
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


def test_untrained_network_is_made_once(private_cache: Path) -> None:
    model = untrained_clip_model(seed=3, width=0.25)
    assert model.path.is_relative_to(private_cache)
    assert model.description.classes == BEHAVIOURS
    written = (model.path / "weights.safetensors").stat().st_mtime_ns
    assert untrained_clip_model(seed=3, width=0.25).identity == model.identity
    assert (model.path / "weights.safetensors").stat().st_mtime_ns == written
    assert untrained_clip_model(seed=4, width=0.25).identity != model.identity


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
    (data,) = ClipSubject().gather(options, tmp_path, told.append)
    assert (data.name, data.width, data.height, data.trained) == ("home-cage", 640, 480, False)
    assert asked == [5]
    assert has_int8(read_clip_folder(data.model))
    assert told[-1].startswith("no network of the published size is at hand")


@pytest.mark.slow
def test_a_narrow_network_on_a_real_engine(tmp_path: Path) -> None:
    description = ClipDescription(BEHAVIOURS, "I3D_random_0", width=0.25, length=9, stride=9)
    folder = write_clip_folder(tmp_path / "model", description, random_clip_weights(description, seed=1))
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
    study = run_benchmark(options, tmp_path / "out")
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
