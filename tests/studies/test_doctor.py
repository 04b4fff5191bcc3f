"""The doctor looks at everything, and goes on where something is broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from posecli.cli import cli
from posecli.studies import doctor

QUICK = {"OpenCV": "words = 'works'", "tensorflow engine": "words = 'works'"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "IMPORTS", QUICK)


@pytest.mark.usefixtures("quick")
def test_everything_is_looked_at() -> None:
    report = doctor.examine()
    names = {check.name for check in report.checks}
    assert {"versions", "processor", "threads", "memory", "encoders", "cache folder", "current folder", *QUICK} == names
    assert {check.status for check in report.checks} <= {"ok", "note"}
    assert report.exit_code == 0


@pytest.mark.parametrize(
    "program",
    ["import os; os.abort()", "raise ImportError('libGL.so.1: no such file')", "import time; time.sleep(60)", "x ="],
)
def test_broken_library_is_one_line(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "IMPORTS", {"OpenCV": program, "tensorflow engine": program})
    monkeypatch.setattr(doctor, "PATIENCE", 0.3 if "sleep" in program else 10.0)
    checks = {check.name: check for check in doctor.examine().checks}
    assert (checks["OpenCV"].status, checks["tensorflow engine"].status) == ("fail", "note")
    assert "libgl1" in checks["OpenCV"].advice
    assert checks["OpenCV"].found
    assert "\n" not in checks["OpenCV"].found
    assert checks["versions"].status == "ok"


@pytest.mark.usefixtures("quick")
def test_check_that_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_memory", lambda: 1 / 0)
    report = doctor.examine()
    memory = next(check for check in report.checks if check.name == "memory")
    assert (memory.status, memory.found, report.exit_code) == ("fail", "division by zero", 6)


@pytest.mark.usefixtures("quick")
def test_little_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "free_memory", lambda: 1 << 20)
    monkeypatch.setattr(doctor, "LITTLE_DISK", 1 << 60)
    monkeypatch.setattr(doctor, "SLOW_DISK", 1 << 60)
    monkeypatch.chdir(tmp_path)
    notes = {check.name: check.advice for check in doctor.examine().checks if check.status == "note"}
    assert "smaller --batchsize" in notes["memory"]
    assert "free some space" in notes["current folder"]
    assert "a slow disk" in notes["current folder"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_command() -> None:
    done = CliRunner().invoke(cli, ["doctor", "--json"])
    content = json.loads(done.stdout)
    assert (done.exit_code, content["exit_code"]) == (0, 0)
    assert set(content["checks"][0]) == {"name", "status", "found", "advice"}
    assert "posecli" in CliRunner().invoke(cli, ["doctor"]).output


@pytest.mark.slow
def test_programs_that_try_the_libraries_run_here() -> None:
    assert sys.executable
    libraries = [check for check in doctor.examine().checks if check.name in doctor.IMPORTS]
    assert [check.status for check in libraries] == ["ok"] * len(doctor.IMPORTS), libraries
