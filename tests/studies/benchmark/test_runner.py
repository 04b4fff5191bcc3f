"""Going through a design with a worker that answers at once, or fails as it is told to; and processes that work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.benchmark_worker import answer
from support.studies import FAKE_ENGINE_WORKER
from support.top_down import dots_folder

from posecli.errors import EngineError, OutputError, OutputExistsError, UsageError, VideoError
from posecli.model.folder import ClipModelFolder, ModelFolder
from posecli.studies.benchmark.material import untrained_clip_model, untrained_model
from posecli.studies.benchmark.options import BenchmarkObserver, BenchmarkOptions
from posecli.studies.benchmark.runner import run_benchmark
from posecli.studies.benchmark.study import BENCHMARK, Benchmark, open_study
from posecli.studies.benchmark.worker import ask
from posecli.studies.common.folder import DESIGN_FILE
from posecli.support.hardware import usable_cores


@pytest.fixture
def options(dots_clip: Path, dots_model: ModelFolder) -> BenchmarkOptions:
    return BenchmarkOptions(
        sizes=(80,),
        batch_sizes=(1, 8),
        decoders=("numpy",),
        pipelines=("sync", "async"),
        precisions=("fp32",),
        cores=(1,),
        repeats=2,
        frames=16,
        videos=(dots_clip,),
        model=dots_model.path,
    )


def run(options: BenchmarkOptions, folder: Path, **more: Any) -> Benchmark:
    return run_benchmark(options, folder, worker=answer, **more)


def states(study: Benchmark) -> dict[str, str]:
    return {row["key"].partition("-b")[2]: row["state"] for row in study.rows}


def test_every_repeat_of_every_condition(options: BenchmarkOptions, tmp_path: Path) -> None:
    study = run(options, tmp_path)
    assert study.is_complete
    assert states(study) == dict.fromkeys(["1-numpy-sync", "8-numpy-sync", "8-numpy-async"], "done")
    assert sorted((row["key"], row["repeat"]) for row in study.rows) == sorted(
        (key, repeat) for key in {row["key"] for row in study.rows} for repeat in (0, 1)
    )
    assert study.design["machine"]["usable_cores"] == usable_cores()
    assert study.design["options"]["seed"] == 2018
    assert (tmp_path / "clips" / "dots-w80-16.mp4").is_file()


def test_observer_is_told_in_order(options: BenchmarkOptions, tmp_path: Path) -> None:
    told: list[str] = []

    class Listener(BenchmarkObserver):
        def planned(self, design: dict[str, Any]) -> None:
            told.append(f"planned {len(design['visits'])}")

        def visited(self, number: str, seconds_left: float, condition: str, rows: Sequence[dict[str, Any]]) -> None:
            assert seconds_left > 0
            assert rows[0]["key"].startswith("dots-w80")
            told.append(f"{number} {rows[0]['state']}")

    run_benchmark(replace(options, repeats=1), tmp_path, Listener(), worker=answer)
    assert told == ["planned 3", "1/3 done", "2/3 done", "3/3 done"]


def test_what_fails_is_a_row_and_the_rest_goes_on(
    options: BenchmarkOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_FAULTS", json.dumps({"8-async": "error"}))
    study = run(options, tmp_path)
    assert study.is_complete
    assert states(study) == {"1-numpy-sync": "done", "8-numpy-sync": "done", "8-numpy-async": "failed"}
    reasons = {row["reason"] for row in study.rows if row["state"] == "failed"}
    assert reasons == {"the abacus is broken: mend it"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo it fell over >&2; exit 1", "the process ended with code 1 and no answer: it fell over"),
        ("kill -9 $$", "killed by the system, as when there is not enough memory"),
        ("echo not JSON", "the process ended with code 0 and no answer"),
        ("echo []", "the process answered '[]'"),
        ("exec sleep 60", "stopped after 0 s, many times as long as expected"),
    ],
)
def test_processes_that_do_not_answer_are_told(script: str, reason: str) -> None:
    patience = 0.3 if "sleep" in script else 60.0
    assert ask({"repeats": [0]}, patience, ("sh", "-c", script)) == {"error": reason}


def test_a_process_is_given_the_job(tmp_path: Path) -> None:
    assert ask({"repeats": [0]}, 60.0, ("cat",)) == {"repeats": [0]}


def test_baseline_that_does_not_run_ends_it(
    options: BenchmarkOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_FAULTS", json.dumps({"dots": "error"}))
    with pytest.raises(EngineError, match=r"not even a first trial runs \(the abacus is broken"):
        run(options, tmp_path)
    assert not (tmp_path / DESIGN_FILE).exists()


class TestContinuing:
    def test_measures_only_what_is_missing(self, options: BenchmarkOptions, tmp_path: Path) -> None:
        first = run(options, tmp_path)
        rows = (tmp_path / BENCHMARK.rows_file).read_bytes().splitlines(keepends=True)
        (tmp_path / BENCHMARK.rows_file).write_bytes(b"".join(rows[:3]))
        assert not open_study(tmp_path).is_complete
        again = run(options, tmp_path)
        assert again.is_complete
        assert again.rows[:3] == first.rows[:3]
        assert [row["key"] for row in again.rows] == [row["key"] for row in first.rows]
        assert again.design == first.design

    def test_torn_line_costs_one_visit(self, options: BenchmarkOptions, tmp_path: Path) -> None:
        run(options, tmp_path)
        content = (tmp_path / BENCHMARK.rows_file).read_bytes()
        (tmp_path / BENCHMARK.rows_file).write_bytes(content[:-20])
        study = run(options, tmp_path)
        assert study.is_complete
        lines = (tmp_path / BENCHMARK.rows_file).read_text().splitlines()
        assert len([json.loads(line) for line in lines]) == 6

    def test_visit_of_several_repeats_is_measured_again_as_a_whole(
        self, options: BenchmarkOptions, tmp_path: Path
    ) -> None:
        together = replace(options, per_process=2)
        run(together, tmp_path)
        rows = (tmp_path / BENCHMARK.rows_file).read_bytes().splitlines(keepends=True)
        (tmp_path / BENCHMARK.rows_file).write_bytes(b"".join(rows[:-1]))
        study = run(together, tmp_path)
        assert study.is_complete
        assert len(study.rows) == 6
        assert len(rows) < len((tmp_path / BENCHMARK.rows_file).read_bytes().splitlines())

    def test_complete_one_is_left_as_it_is(self, options: BenchmarkOptions, tmp_path: Path) -> None:
        run(options, tmp_path)
        before = (tmp_path / BENCHMARK.rows_file).read_bytes()
        run(options, tmp_path)
        assert (tmp_path / BENCHMARK.rows_file).read_bytes() == before

    def test_another_design_is_refused_by_what_differs(self, options: BenchmarkOptions, tmp_path: Path) -> None:
        run(options, tmp_path)
        with pytest.raises(OutputExistsError, match="repeats was 2, not 3, seed was 2018, not 1"):
            run(replace(options, repeats=3, seed=1), tmp_path)

    def test_overwrite_begins_anew(self, options: BenchmarkOptions, tmp_path: Path) -> None:
        run(options, tmp_path)
        study = run(replace(options, repeats=1), tmp_path, overwrite=True)
        assert {row["repeat"] for row in study.rows} == {0}


def test_dry_run_measures_nothing(options: BenchmarkOptions, tmp_path: Path) -> None:
    study = run(options, tmp_path, dry_run=True)
    assert not study.rows
    assert not study.is_complete
    assert study.design["estimated_seconds"] > 0


def test_precisions_are_those_that_run(options: BenchmarkOptions, tmp_path: Path) -> None:
    study = run(replace(options, precisions=None), tmp_path, dry_run=True)
    assert study.design["factors"]["precisions"] == ["fp32", "bf16"]
    assert {item["precision"] for item in study.design["obstacles"]} == {"fp16", "int8"}


def test_precisions_asked_for_by_name_are_tried(options: BenchmarkOptions, tmp_path: Path) -> None:
    study = run(replace(options, precisions=("fp32", "int8")), tmp_path, dry_run=True)
    assert "int8" in {visit["condition"]["precision"] for visit in study.design["visits"]}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"cores": (1, 999)}, EngineError, "cores 999 are not there"),
        ({"videos": (Path("nowhere.mp4"),)}, VideoError, "nowhere.mp4"),
        ({"frames": None, "longest": 1e-9}, UsageError, "nothing is left to measure"),
    ],
)
def test_what_cannot_be_done_is_refused(
    options: BenchmarkOptions, tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(replace(options, **changes), tmp_path)


def test_two_videos_of_one_name_are_refused(options: BenchmarkOptions, dots_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not have distinct names"):
        run(replace(options, videos=(dots_clip, dots_clip)), tmp_path)


def test_folder_that_cannot_be_made(options: BenchmarkOptions, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        run(options, tmp_path / "file" / "below")


def test_no_benchmark_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds no benchmark: run 'posecli benchmark --out-dir"):
        open_study(tmp_path)


@pytest.mark.parametrize(
    "make",
    [pytest.param(partial(untrained_model, 2), marks=pytest.mark.slow), partial(untrained_clip_model, width=0.25)],
)
def test_untrained_network_is_made_once(
    make: Callable[..., ModelFolder | ClipModelFolder], private_cache: Path
) -> None:
    model = make(seed=3)
    assert model.path.is_relative_to(private_cache)
    written = (model.path / "weights.safetensors").stat().st_mtime_ns
    assert make(seed=3).identity == model.identity
    assert (model.path / "weights.safetensors").stat().st_mtime_ns == written
    assert make(seed=4).identity != model.identity


@pytest.mark.slow
def test_real_workers_bind_cores_and_measure(options: BenchmarkOptions, tmp_path: Path) -> None:
    worker = partial(ask, command=FAKE_ENGINE_WORKER)
    study = run_benchmark(replace(options, repeats=1), tmp_path, worker=worker)
    assert study.is_complete
    for row in study.rows:
        assert row["state"] == "done", row["reason"]
        assert row["frames"] == 16
        assert row["cores_bound"]
        assert row["network_threads"] == 1
        assert (tmp_path / "poses" / f"{row['key']}.npy").is_file()


def test_a_network_that_needs_boxes_is_refused(options: BenchmarkOptions, tmp_path: Path) -> None:
    needy = replace(options, model=dots_folder(tmp_path / "model").path)
    with pytest.raises(UsageError, match=r"has no detector, and a benchmark knows no boxes: .* scale-sweep"):
        run(needy, tmp_path / "out")
