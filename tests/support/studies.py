"""Benchmarks that were never run: whole folders with made-up speeds, for summaries, figures and reports."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from posecli.options import FixedPrecision
from posecli.studies.benchmark.design import PoseFactors, Trial, describe_design, make_plan, visits_of
from posecli.studies.benchmark.options import BenchmarkOptions
from posecli.studies.benchmark.study import BENCHMARK, POSES_FOLDER, Benchmark, DataSet, open_study, plain_condition
from posecli.studies.common.folder import StudyFolder, describe_bench
from support.benchmark_worker import row

FAKE_ENGINE_WORKER = (sys.executable, str(Path(__file__).with_name("benchmark_worker_fake_engine.py")))

#: How far each precision moves points in a made-up study, px of the clip.
SHIFTS: dict[str, float] = {"fp32": 0.0, "bf16": 0.1, "int8": 5.0}
MACHINE = {"processor": "Abacus 9 <&>", "features": ["beads"], "usable_cores": 2, "memory_gib": 4.0}


def write_study(
    folder: Path,
    model: Path,
    options: BenchmarkOptions = BenchmarkOptions(sizes=(80, 160)),
    precisions: tuple[FixedPrecision, ...] = ("fp32", "bf16", "int8"),
    cores: tuple[int, ...] = (1, 2),
) -> Benchmark:
    """A complete benchmark: a data set of 160x120 px that a trained network looks at, and one for an untrained one."""
    data = (
        DataSet("dots", folder / "dots.mp4", 160, 120, model, trained=True),
        DataSet("blind", folder / "blind.mp4", 160, 160, model, trained=False),
    )
    factors = PoseFactors(data, replace(options, cores=cores, precisions=precisions))
    trial = Trial(1.0, 1e-7, max(cores))
    plan = make_plan(factors.conditions(), options, trial)
    reason = "this abacus has no such beads: take another"
    obstacles = [{"engine": "openvino", "precision": "fp16", "model": str(model), "reason": reason}]
    (folder / POSES_FOLDER).mkdir(parents=True)
    design = describe_design(options, factors, trial, plan, obstacles)
    study_folder = StudyFolder(folder, BENCHMARK)
    study_folder.write_design({}, design | {"machine": describe_bench() | MACHINE})
    for number, visit in enumerate(visits_of(design), start=1):
        condition = visit.condition
        head = plain_condition(condition) | {"order": number, "when": "today", "state": "done", "reason": ""}
        rows = [head | row(asdict(condition), visit.frames, repeat) for repeat in visit.repeats]
        study_folder.append(rows)
        pose = np.full((visit.frames, 3, 3), 0.9)
        pose[..., :2] = np.arange(visit.frames)[:, None, None] % 40 + 20 + SHIFTS[condition.precision]
        np.save(folder / POSES_FOLDER / f"{condition.key}.npy", pose)
    return open_study(folder)
