"""Fuzzing of everything that reads files from outside, for a stated time; figures add up over runs.

``python benchmarks/fuzz.py --seconds 60`` gives each target so many seconds, prints what is found, keeps files that did
it in the folder ``--keep``, and adds executions, findings and time to ``results/fuzz.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.fuzz import TARGETS, Report, fuzz_apart  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "fuzz.json"


def main() -> None:
    """Fuzz, print, and add up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0, help="for each target")
    parser.add_argument("--target", action="append", choices=list(TARGETS))
    parser.add_argument("--seed", type=int, help="[one more than the last run's]")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    given = parser.parse_args()
    given.keep.mkdir(exist_ok=True)
    results: dict[str, Any] = {"runs": 0, "targets": {}}
    results |= json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    seed = results["runs"] if given.seed is None else given.seed
    for name in given.target or TARGETS:
        report = fuzz_apart(name, given.seconds, seed, given.keep)
        print(f"{name}: {report.executions} executions, {report.lines} lines, findings: {report.findings}", flush=True)
        add(results["targets"], report)
    results["runs"] += 1
    found = results["targets"].values()
    results["executions"] = sum(entry["executions"] for entry in found)
    results["hours"] = round(sum(entry["seconds"] for entry in found) / 3600, 3)
    results["findings"] = sum(len(entry["findings"]) for entry in found)
    results["fixed"] = sum(state == "fixed" for entry in found for state in entry["findings"].values())
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def add(targets: dict[str, Any], report: Report) -> None:
    """Add a report to what is known of its target."""
    known = targets.setdefault(report.target, {"executions": 0, "refused": 0, "seconds": 0.0, "findings": {}})
    content = asdict(report)
    for key in ("executions", "refused", "seconds"):
        known[key] = round(known[key] + content[key], 1)
    known["lines"] = max(known.get("lines", 0), report.lines)
    for finding in report.findings:
        known["findings"].setdefault(finding, "open")


if __name__ == "__main__":
    main()
