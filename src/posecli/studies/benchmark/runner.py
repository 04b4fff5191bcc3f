"""Goes through a design, one process per visit; rows are written as soon as a process has answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from posecli.errors import EngineError, UsageError
from posecli.options import FIXED_PRECISIONS
from posecli.studies.benchmark.design import (
    Factors,
    Obstacle,
    Trial,
    Visit,
    clip_frames,
    describe_design,
    make_plan,
    seconds_left,
    visits_of,
)
from posecli.studies.benchmark.kinds import KINDS, gathered
from posecli.studies.benchmark.material import make_clip
from posecli.studies.benchmark.options import BenchmarkObserver, SharedOptions
from posecli.studies.benchmark.study import (
    BENCHMARK,
    CLIPS_FOLDER,
    POSES_FOLDER,
    Benchmark,
    Condition,
    DataSet,
    open_study,
    plain_condition,
)
from posecli.studies.benchmark.worker import ask
from posecli.studies.common.folder import Row, StudyFolder, describe_bench
from posecli.support.files import make_folder
from posecli.support.hardware import usable_cores
from posecli.video.probe import content_fingerprint

#: Takes a job and the seconds to wait for it at most, and answers, as `ask` does.
Worker: TypeAlias = Callable[[dict[str, Any], float], dict[str, Any]]
#: A process that takes this many times as long as expected, and at least so many seconds, is stopped.
PATIENCE, LEAST_PATIENCE = 10.0, 600.0


def run_benchmark(
    options: SharedOptions,
    folder: Path,
    observer: BenchmarkObserver = BenchmarkObserver(),
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    worker: Worker | None = None,
) -> Benchmark:
    """Measure every condition of a design that is not measured yet.

    Parameters
    ----------
    options
        The factors.
    folder
        Where results go; a benchmark of the same options that is there is continued.
    observer
        Is told of progress.
    overwrite
        Start over where another benchmark is.
    dry_run
        Lay the design out and measure nothing.
    worker
        Measures a visit: takes a job and the seconds to wait at most, and answers; by default a process of its own.

    Raises
    ------
    OutputExistsError
        If another benchmark lies in the folder.
    EngineError
        If not even the baseline runs.
    """
    make_folder(folder)
    bench = _Bench(options, folder, observer, worker or ask)
    design = bench.design(overwrite=overwrite)
    if not dry_run:
        observer.planned(design)
        bench.follow(design)
    return open_study(folder)


@dataclass(frozen=True)
class _Bench:
    """One call of `run_benchmark`."""

    options: SharedOptions
    folder: Path
    observer: BenchmarkObserver
    worker: Worker

    def design(self, *, overwrite: bool) -> dict[str, Any]:
        """The design that lies in the folder, if it is the one asked for; else a new one."""
        data = gathered(self.options, self.folder / CLIPS_FOLDER, self.observer.say)
        machine = describe_bench()
        asked = _identity_fields(self.options, data, machine)
        found = StudyFolder(self.folder, BENCHMARK).begun(asked, overwrite=overwrite)
        if found is not None:
            self.observer.say(f"continuing the benchmark in '{self.folder}'")
            return found
        return self._new_design(data, machine, asked)

    def _new_design(self, data: tuple[DataSet, ...], machine: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        options = self.options
        cores = options.cores or tuple(sorted({1, usable_cores()}))
        if max(cores) > usable_cores():
            raise EngineError(
                f"cores {max(cores)} are not there: this process may use {usable_cores()}, give that or fewer with "
                "--cores"
            )
        settled = replace(options, cores=cores, precisions=options.precisions or FIXED_PRECISIONS)
        kind = KINDS[options.network]
        factors = kind.factors(data, settled)
        trial, obstacles = self._trial(factors)
        if options.precisions is None and not kind.shows_obstacles:
            # Those that any of the engines can run on the first data set's network.
            model = str(data[0].model)
            free = {item["precision"] for item in obstacles if item["reason"] is None and item["model"] == model}
            runnable = tuple(name for name in FIXED_PRECISIONS if name in free) or FIXED_PRECISIONS[:1]
            factors = replace(factors, options=replace(factors.options, precisions=runnable))
        conditions, blocked = self._split(factors.conditions(), data, obstacles)
        plan = make_plan(conditions, options, trial, blocked)
        if not plan.visits:
            raise UsageError(
                f"nothing is left to measure, since every run would take longer than {options.limit:g} s: choose "
                "smaller --sizes, or give --longest 0"
            )
        design = describe_design(options, factors, trial, plan, obstacles) | {"machine": machine}
        return StudyFolder(self.folder, BENCHMARK).write_design(asked, design)

    def _split(
        self, conditions: list[Condition], data: tuple[DataSet, ...], obstacles: list[Obstacle]
    ) -> tuple[list[Condition], list[tuple[Condition, str]]]:
        """What can run, and what cannot and why; of precisions that were asked for by name, all is tried."""
        if self.options.precisions:
            return conditions, []
        reasons = {(item["engine"], item["precision"], item["model"]): item["reason"] for item in obstacles}
        models = {item.name: str(item.model) for item in data}
        told = [(item, reasons.get((item.engine, item.precision, models[item.data]))) for item in conditions]
        free = [item for item, reason in told if reason is None]
        return free, [(item, reason) for item, reason in told if reason is not None]

    def _trial(self, factors: Factors) -> tuple[Trial, list[Obstacle]]:
        self.observer.say("measuring for a moment, to know how long the design will take")
        first = factors.data[0]
        condition, items = factors.trial()
        frames = condition.frames_of(items)
        clip = make_clip(first, condition.clip[1], frames, self.folder / CLIPS_FOLDER)
        models = sorted({str(item.model) for item in factors.data})
        candidates = [
            {"engine": engine, "precision": precision, "model": model}
            for engine, precision, model in product(self.options.engines, FIXED_PRECISIONS, models)
        ]
        job = self._job(condition, clip, first.model, frames, (0,)) | {"trial": True, "candidates": candidates}
        answer = self.worker(job, LEAST_PATIENCE)
        if "error" in answer:
            raise EngineError(
                f"not even a first trial runs ({answer['error']}): check --engines, --precisions, --model"
            )
        alone = answer["cpu_seconds"] / condition.cores  # what it would take with nothing else running
        slowdown = max(1.0, answer["seconds"] / alone) if alone > 0 else 1.0
        pixels = answer["items"] * condition.width * condition.height * condition.length
        return Trial(answer["start_seconds"], alone / pixels, condition.cores, slowdown), answer["obstacles"]

    def follow(self, design: dict[str, Any]) -> None:
        journal = StudyFolder(self.folder, BENCHMARK)
        done = {(row["key"], row["repeat"]) for row in journal.rows(repair=True)}
        visits = visits_of(design)
        left = [visit for visit in visits if not done.issuperset((visit.condition.key, n) for n in visit.repeats)]
        if not left:
            return
        data = {item.name: item for item in Benchmark(self.folder, design, ()).data}
        clips = {
            (name, width): make_clip(data[name], width, frames, self.folder / CLIPS_FOLDER)
            for (name, width), frames in clip_frames(visits).items()
        }
        start = time.perf_counter()
        for index, visit in enumerate(left):
            condition, number = visit.condition, len(visits) - len(left) + index + 1
            remaining = seconds_left(left[index:], left[:index], time.perf_counter() - start)
            job = self._job(condition, clips[condition.clip], data[condition.data].model, visit.frames, visit.repeats)
            answer = self.worker(job, max(LEAST_PATIENCE, PATIENCE * visit.seconds))
            rows = _rows_of(answer, visit, number)
            journal.append(rows)
            self.observer.visited(f"{number}/{len(visits)}", remaining, condition.words, rows)

    def _job(
        self, condition: Condition, clip: Path, model: Path, frames: int, repeats: tuple[int, ...]
    ) -> dict[str, Any]:
        poses = self.folder / POSES_FOLDER / f"{condition.key}.npy"
        paths = {"clip": clip, "model": model, "poses": poses}
        job = {"network": self.options.network, "condition": asdict(condition), "frames": frames, "repeats": repeats}
        return job | {name: str(path.absolute()) for name, path in paths.items()}


def _rows_of(answer: dict[str, Any], visit: Visit, number: int) -> list[Row]:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    head = plain_condition(visit.condition) | {"order": number, "when": when}
    if "rows" in answer:
        return [head | {"state": "done", "reason": ""} | row for row in answer["rows"]]
    failed = {"state": "failed", "reason": answer.get("error", "no answer")}
    return [head | failed | {"repeat": repeat} for repeat in visit.repeats]


def _identity_fields(options: SharedOptions, data: tuple[DataSet, ...], machine: dict[str, Any]) -> dict[str, Any]:
    """What two benchmarks must share for one to continue the other."""
    videos = {item.name: content_fingerprint(item.video) for item in data} if options.videos else "scenes"
    return options.as_dict() | {
        "videos": videos,
        "model": sorted({KINDS[options.network].bench.read_folder(item.model).identity for item in data}),
        "processor": machine["processor"],
        "usable_cores": machine["usable_cores"],
        "packages": machine["packages"],
    }
