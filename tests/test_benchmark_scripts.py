"""Scripts in ``benchmarks/`` that repeat what the engines do, step by step: they must follow the engines."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import pytest
from support import clips, networks, projects

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.parametrize("setting", ["openvino fp32", "tensorflow fp32"])
def test_startup_comes_as_far_as_the_first_pose(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    startup = import_module("startup")
    video = clips.encode(tmp_path / "clip.mp4", clips.numbered_frames(8, 48, 64))
    with networks.tiny_resnet() as name:
        model = projects.new_model_folder(tmp_path, name).path
        given = Namespace(started=time.perf_counter(), video=video, model=model, settings=[setting], scale=0.5)
        startup.run_phases(given)
    phases = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(phases) == [*startup.PHASES, "parity gate"]
    assert all(seconds >= 0 for seconds in phases.values())
