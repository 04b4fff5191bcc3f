"""Goes through a design, one process per visit, and can be killed and continued.

Rows are written as soon as a process has answered: a kill costs one visit at most. The same command continues; another
one is refused.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posecli.benchmark.design import Condition, DataSet, Factors, Plan, Trial, Visit, conditions_of, make_plan
from posecli.benchmark.machine import describe_bench
from posecli.benchmark.material import gather_data, make_clip
from posecli.benchmark.observer import BenchmarkObserver
from posecli.benchmark.options import BenchmarkOptions
from posecli.benchmark.study import (
    CLIPS_FOLDER,
    DESIGN_FILE,
    POSES_FOLDER,
    ROWS_FILE,
    Obstacle,
    Row,
    Study,
    append_rows,
    describe_design,
    open_study,
    plain_condition,
    read_design,
    read_rows,
    visits_of,
    write_json,
)
from posecli.errors import EngineError, OutputError, OutputExistsError, UsageError
from posecli.hardware import usable_cores
from posecli.model.folder import read_model_folder
from posecli.options import FIXED_PRECISIONS, FixedPrecision
from posecli.video.probe import content_fingerprint

WORKER: tuple[str, ...] = (sys.executable, "-m", "posecli.benchmark.worker")
#: A process that takes this many times as long as expected, and at least so many seconds, is stopped.
PATIENCE, LEAST_PATIENCE = 10.0, 600.0
#: Frame width and batch size of the trial.
TRIAL_WIDTH, TRIAL_BATCH = 160, 8


def run_benchmark(
    options: BenchmarkOptions,
    folder: Path,
    observer: BenchmarkObserver = BenchmarkObserver(),
    *,
    overwrite: bool = False,
    dry_run: bool = False,
    worker: Sequence[str] | None = None,
) -> Study:
    """Measure every condition of a design that is not measured yet.

    Parameters
    ----------
    options
        The factors.
    folder
        Where results go; a benchmark of the same options that lies there is continued.
    observer
        Is told of progress.
    overwrite
        Begin anew where another benchmark lies.
    dry_run
        Lay the design out and measure nothing.
    worker
        Command of the process that measures a visit; posecli's own by default.

    Raises
    ------
    OutputExistsError
        If another benchmark lies in the folder.
    EngineError
        If not even the baseline runs.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder '{folder}' cannot be made ({error.strerror or error}): choose another with --out-dir"
        ) from error
    bench = _Bench(options, folder, observer, worker or WORKER)
    design = bench.design(overwrite=overwrite)
    if not dry_run:
        observer.planned(Study(folder, design, ()))
        bench.follow(design)
    return open_study(folder)


class _Bench:
    """One call of `run_benchmark`."""

    def __init__(
        self, options: BenchmarkOptions, folder: Path, observer: BenchmarkObserver, worker: Sequence[str]
    ) -> None:
        self.options = options
        self.folder = folder
        self.observer = observer
        self.worker = worker

    def design(self, *, overwrite: bool) -> dict[str, Any]:
        """The design that lies in the folder, if it is the one asked for; else a new one."""
        if overwrite:
            _clear(self.folder)
        data = gather_data(self.options, self.folder / CLIPS_FOLDER, self.observer.say)
        machine = describe_bench()
        asked = _what_determines(self.options, data, machine)
        found = read_design(self.folder)
        if found is not None:
            _refuse_another(found, asked, self.folder)
            self.observer.say(f"continuing the benchmark in '{self.folder}'")
            return found
        return self._new_design(data, machine, asked)

    def _new_design(self, data: tuple[DataSet, ...], machine: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        options = self.options
        cores = options.cores or tuple(sorted({1, usable_cores()}))
        _refuse_cores(cores)
        trial, obstacles = self._trial(data, max(cores))
        factors = Factors(
            data,
            options.sizes,
            cores,
            options.engines,
            options.precisions or _runnable(data[0], obstacles),
            options.batch_sizes,
            options.decoders,
            options.pipelines,
        )
        conditions = self._without_obstacles(conditions_of(factors, options.design), data, obstacles)
        plan = make_plan(conditions, options, trial)
        if not plan.visits:
            raise UsageError(
                f"nothing is left to measure, since every run would take longer than {options.limit:g} s: choose "
                "smaller --sizes, or give --longest 0"
            )
        design = describe_design(options, factors, trial, plan, obstacles)
        design |= {"determined_by": asked, "machine": machine}
        write_json(self.folder / DESIGN_FILE, design)
        return design

    def _without_obstacles(
        self, conditions: list[Condition], data: tuple[DataSet, ...], obstacles: list[Obstacle]
    ) -> list[Condition]:
        """Only what can run, where the precisions were not asked for by name."""
        if self.options.precisions:
            return conditions
        blocked = {(item.engine, item.precision, item.model) for item in obstacles if item.reason is not None}
        models = {item.name: str(item.model) for item in data}
        return [item for item in conditions if (item.engine, item.precision, models[item.data]) not in blocked]

    def _trial(self, data: tuple[DataSet, ...], cores: int) -> tuple[Trial, list[Obstacle]]:
        """A short run of the baseline."""
        self.observer.say("measuring for a moment, to know how long the design will take")
        width = min(self.options.sizes, key=lambda size: abs(size - TRIAL_WIDTH))
        precisions = self.options.precisions or FIXED_PRECISIONS
        precision: FixedPrecision = "fp32" if "fp32" in precisions else precisions[0]
        first = data[0]
        condition = Condition(
            first.name,
            width,
            first.height_at(width),
            cores,
            self.options.engines[0],
            precision,
            TRIAL_BATCH,
            "numpy",
            "sync",
        )
        clip = make_clip(first, width, TRIAL_BATCH * 4, self.folder / CLIPS_FOLDER)
        job = self._job(condition, clip, first.model, TRIAL_BATCH * 4, (0,)) | {
            "trial": True,
            "candidates": [
                (engine, name, model)
                for engine in self.options.engines
                for name in FIXED_PRECISIONS
                for model in sorted({str(item.model) for item in data})
            ],
        }
        answer = _ask(self.worker, job, LEAST_PATIENCE)
        if "error" in answer:
            raise EngineError(
                f"not even a first trial runs ({answer['error']}): check --engines, --precisions, --model"
            )
        return _trial_of(answer, condition), [Obstacle(*item) for item in answer["obstacles"]]

    def follow(self, design: dict[str, Any]) -> None:
        """Measure what is not measured yet."""
        rows_file = self.folder / ROWS_FILE
        done = {(row["key"], row["repeat"]) for row in read_rows(rows_file, repair=True)}
        visits = visits_of(design)
        left = [visit for visit in visits if not done.issuperset((visit.condition.key, n) for n in visit.repeats)]
        if not left:
            return
        clips = self._clips(design)
        models = {item["name"]: Path(item["model"]) for item in design["data"]}
        pace = _Pace(left)
        for number, visit in enumerate(left, start=len(visits) - len(left) + 1):
            self.observer.visit_started(number, len(visits), visit, pace.seconds_left)
            condition = visit.condition
            job = self._job(condition, clips[condition.clip], models[condition.data], visit.frames, visit.repeats)
            answer = _ask(self.worker, job, max(LEAST_PATIENCE, PATIENCE * visit.seconds))
            rows = _rows_of(answer, visit, number)
            append_rows(rows_file, rows)
            pace.done(visit)
            self.observer.visit_done(rows)

    def _clips(self, design: dict[str, Any]) -> dict[tuple[str, int], Path]:
        plan = Plan(visits_of(design), ())
        data = {item.name: item for item in Study(self.folder, design, ()).data}
        return {
            (name, width): make_clip(data[name], width, frames, self.folder / CLIPS_FOLDER)
            for (name, width), frames in plan.frames_of_clips().items()
        }

    def _job(
        self, condition: Condition, clip: Path, model: Path, frames: int, repeats: tuple[int, ...]
    ) -> dict[str, Any]:
        poses = self.folder / POSES_FOLDER / f"{condition.key}.npy"
        return {
            "condition": asdict(condition),
            "clip": str(clip.absolute()),
            "model": str(model.absolute()),
            "frames": frames,
            "repeats": list(repeats),
            "poses": str(poses.absolute()),
        }


def _trial_of(answer: dict[str, Any], condition: Condition) -> Trial:
    pixels = answer["frames"] * condition.width * condition.height
    alone = answer["cpu_seconds"] / condition.cores  # what it would take with nothing else running
    slowdown = max(1.0, answer["seconds"] / alone) if alone > 0 else 1.0
    return Trial(answer["start_seconds"], alone / pixels, condition.cores, slowdown)


class _Pace:
    """How long it will take, from how long it took against the guess."""

    def __init__(self, visits: Sequence[Visit]) -> None:
        self._left = sum(visit.seconds for visit in visits)
        self._guessed = 0.0
        self._start = time.perf_counter()

    @property
    def seconds_left(self) -> float:
        """Guess of the time that is left."""
        # The first visits say little: the guess before them counts as much as a minute of measurement.
        taken = time.perf_counter() - self._start
        return self._left * (taken + 60) / (self._guessed + 60)

    def done(self, visit: Visit) -> None:
        """A visit is over."""
        self._left -= visit.seconds
        self._guessed += visit.seconds


def _refuse_cores(cores: Sequence[int]) -> None:
    if max(cores) > usable_cores():
        raise EngineError(
            f"cores {max(cores)} are not there: this process may use {usable_cores()}, give that or fewer with --cores"
        )


def _runnable(first: DataSet, obstacles: list[Obstacle]) -> tuple[FixedPrecision, ...]:
    """The precisions that any of the engines can run on the first data set's network."""
    free = {item.precision for item in obstacles if item.reason is None and item.model == str(first.model)}
    return tuple(name for name in FIXED_PRECISIONS if name in free)


def _ask(worker: Sequence[str], job: dict[str, Any], patience: float) -> dict[str, Any]:
    """A worker's answer; ``{"error": ...}`` where it died or took too long."""
    with subprocess.Popen(  # noqa: S603  # our own worker
        list(worker), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate(json.dumps(job), timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return {"error": f"stopped after {patience:.0f} s, many times as long as expected"}
        except BaseException:
            process.kill()
            raise
    try:
        answer = json.loads(output.strip().splitlines()[-1])
        return answer if isinstance(answer, dict) else {"error": f"the process answered '{answer}'"}
    except (IndexError, ValueError):
        return {"error": _how_it_died(process.returncode, errors)}


def _how_it_died(code: int, errors: str) -> str:
    words = errors.strip().splitlines()
    last = f": {words[-1]}" if words else ""
    if code == -9:
        return f"killed by the system, as when memory does not suffice{last}"
    return f"the process ended with {'signal' if code < 0 else 'code'} {abs(code)} and no answer{last}"


def _rows_of(answer: dict[str, Any], visit: Visit, number: int) -> list[Row]:
    head = plain_condition(visit.condition) | {
        "order": number,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if "rows" in answer:
        return [head | {"state": "done", "reason": ""} | row for row in answer["rows"]]
    failed = {"state": "failed", "reason": answer.get("error", "no answer")}
    return [head | failed | {"repeat": repeat} for repeat in visit.repeats]


def _what_determines(options: BenchmarkOptions, data: tuple[DataSet, ...], machine: dict[str, Any]) -> dict[str, Any]:
    """What two benchmarks must share for one to continue the other."""
    videos = {item.name: content_fingerprint(item.video) for item in data} if options.videos else "scenes"
    return options.as_dict() | {
        "videos": videos,
        "model": sorted({read_model_folder(item.model).identity for item in data}),
        "processor": machine["processor"],
        "usable_cores": machine["usable_cores"],
        "packages": machine["packages"],
    }


def _refuse_another(found: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    old = found.get("determined_by", {})
    changes = [name for name in asked if old.get(name) != asked[name]]
    if not changes:
        return
    shown = ", ".join(_difference(name, old.get(name), asked[name]) for name in changes)
    raise OutputExistsError(
        f"'{folder}' holds another benchmark ({shown}): choose another folder with --out-dir, or pass --overwrite"
    )


def _difference(name: str, old: Any, new: Any) -> str:
    if isinstance(old, dict) or isinstance(new, dict) or len(str(old)) + len(str(new)) > 80:
        return f"other {name}"
    return f"{name} was {_shown(old)}, not {_shown(new)}"


def _shown(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _clear(folder: Path) -> None:
    for name in (DESIGN_FILE, ROWS_FILE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / POSES_FOLDER, ignore_errors=True)
