"""A student whose teacher is asked where it is unsure: how many frames that takes, and what is left of the shift.

    python benchmarks/students.py TEACHER VIDEO STUDENT --first 1800 --last 2329
    python benchmarks/teacher.py TEACHER VIDEO STUDENT --first 1800 --last 2329 --keep FOLDER

Of frames that neither the student nor its rules have seen. Each rule of the student's record is judged on all of them,
whatever the parity gate would say of their sample; with --run 'posecli analyze' is run without a bound, and with some.
What any rule could do at best is found from the shifts themselves, the worst frames first. Shifts are those from the
teacher in fp32 on whole frames. Tables of each network alone that are in FOLDER already (exact, teacher, student) are
not made again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, markdown_table, run_posecli, write_results
from students import exact_copy
from windows import ANY_SHIFT, points_in

from posecli.inference.teacher import DoubtRule, rules_of
from posecli.model.folder import read_model_folder
from posecli.model.student import StudentShift, read_student

Points = np.ndarray[Any, Any]
#: Bounds that are asked for, px.
BOUNDS = (4.0, 3.0, 2.5, 2.0)
#: Those for which the command is run; without one, too.
RUNS = (None, 4.0, 3.0)
WHOLE = ["--window", "off", "--max-shift", ANY_SHIFT]


def main() -> None:
    """Measure, and write ``results/teacher.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path, help="model folder with an int8 version")
    parser.add_argument("video", type=Path)
    parser.add_argument("student", type=Path, help="model folder of the student, with its rules")
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--last", type=int, required=True)
    parser.add_argument("--run", action="store_true", help="run the command, too")
    parser.add_argument("--keep", type=Path, required=True, help="folder for tables of each network alone")
    arguments = parser.parse_args()
    facts, record = machine(), read_student(read_model_folder(arguments.student))
    assert record is not None
    rules = rules_of(record.doubt)
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        clip = exact_copy(arguments.video, where / "unseen.mp4", arguments.first, arguments.last)
        for name, model, flags in (
            ("exact", arguments.teacher, ["--precision", "fp32"]),
            ("teacher", arguments.teacher, ["--precision", "int8"]),
            ("student", arguments.student, ["--teacher", "off"]),
        ):
            if not [*(arguments.keep / name).glob("*.h5")]:
                run_posecli(clip, model, arguments.keep / name, [*flags, *WHOLE])
        student, teacher, exact = (points_in(arguments.keep / name) for name in ("student", "teacher", "exact"))
        assert len(student) == len(exact) == arguments.last - arguments.first + 1
        judged = [by_rule(rule, student, teacher, exact, record.cutoff) for rule in (None, *rules)]
        best = [at_best(bound, student, exact, record.cutoff) for bound in BOUNDS]
        runs = [one_run(bound, clip, arguments, where, record.cutoff) for bound in (RUNS if arguments.run else ())]
    content = {"machine": facts, "frames": len(exact), "rules": judged, "at_best": best, "runs": runs}
    write_results("teacher", content, report(facts, len(exact), judged, best, runs))


def by_rule(rule: DoubtRule | None, student: Points, teacher: Points, exact: Points, cutoff: float) -> dict[str, Any]:
    """What a rule leaves of the shift, and of how many frames it asks the teacher; ``None`` asks of none."""
    if rule is None:
        return {"bound px": "none", "asked of what was held out": "", "asked": "", **left(student, exact, cutoff)}
    asked = rule.doubtful(student[:, :, None], np.arange(len(student)))
    found = np.where(asked[:, None, None], teacher, student)
    return {
        "bound px": f"{rule.px:g}",
        "asked of what was held out": f"{100 * rule.asked:.1f} %",
        "asked": f"{100 * asked.mean():.1f} %",
        **left(found, exact, cutoff),
    }


def at_best(bound: float, student: Points, exact: Points, cutoff: float) -> dict[str, Any]:
    """The least share of frames that must be asked about, by whoever knows the shifts."""
    sure = exact[..., 2] >= cutoff
    shift = np.where(sure, np.linalg.norm((student - exact)[..., :2], axis=-1), 0.0)
    worst_first = np.argsort(-shift.max(axis=1))
    count = 0
    while np.quantile(shift[sure], 0.99) > bound:
        shift[worst_first[count]] = 0
        count += 1
    return {"bound px": f"{bound:g}", "asked at best": f"{100 * count / len(shift):.1f} %"}


def one_run(
    bound: float | None, clip: Path, arguments: argparse.Namespace, where: Path, cutoff: float
) -> dict[str, Any]:
    """One run of the command, or why the gate refuses it."""
    folder = where / f"within-{bound}"
    flags = ["--teacher", arguments.teacher, "--window", "off", *(() if bound is None else ("--within", bound))]
    found: dict[str, Any] = {"--within": "not given" if bound is None else f"{bound:g} px"}
    try:
        run = run_posecli(clip, arguments.student, folder, flags)
    except RuntimeError as error:
        print(error)
        nothing = dict.fromkeys(("asked", "median px", "p99 px", "largest px"), "")
        return found | {"gate": "refuses"} | nothing
    (path,) = folder.glob("*.json")
    counts = json.loads(path.read_text()).get("teacher", {})
    share = 100 * counts.get("teacher_frames", 0) / run.frames
    shift = left(points_in(folder), points_in(arguments.keep / "exact"), cutoff)
    return found | {"gate": "passes", "asked": f"{share:.1f} %", **shift}


def left(found: Points, exact: Points, cutoff: float) -> dict[str, float]:
    """What is left of the shift."""
    shift = StudentShift.between(found, exact, cutoff)
    return {"median px": shift.median_px, "p99 px": shift.p99_px, "largest px": shift.largest_px}


def report(
    facts: dict[str, Any],
    frames: int,
    judged: list[dict[str, Any]],
    best: list[dict[str, Any]],
    runs: list[dict[str, Any]],
) -> str:
    """The result for people."""
    return (
        f"# A student and its teacher\n\n{facts['processor']}, {facts['cores']} cores, {facts['date']}, OpenVINO "
        f"{facts['packages']['openvino']}. Of {frames} frames that neither the student nor its rules have seen; shifts "
        "are those from the teacher in fp32 on whole frames.\n\nEach rule of the student's record, the teacher in "
        f"int8:\n\n{markdown_table(judged)}\n\nThe least that would have to be asked, by whoever knows the shifts:\n\n"
        f"{markdown_table(best)}" + (f"\n\nRuns of the command:\n\n{markdown_table(runs)}" if runs else "")
    )


if __name__ == "__main__":
    main()
