"""Scripts in ``benchmarks/`` that use what is inside posecli: they must follow it."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import numpy as np
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


def test_windows_are_told_from_whole_frames_by_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = import_module("hard_scenes")
    truth = np.random.default_rng(0).uniform(50, 400, (30, 4, 3))
    truth[..., 2] = 1
    truth[:5, 0] = np.nan, np.nan, 0  # not to be seen: nothing is an error there
    settings = {"network_width": 320, "network_height": 240, "windows": {"width": 160, "height": 120}}
    manifest = {"settings": settings, "parity_gate": []}
    whole = script.Found(np.where(np.isnan(truth), 7, truth), manifest)
    found = whole.poses + (3, 4, 0)
    found[9, 1] += (30, 0, -0.9)
    windows = script.Found(found, manifest | {"windows": {"frames": 30, "moved_windows": 6, "whole_frames": 12}})
    row = script.row("jumps", "auto", truth, windows, whole)
    assert (row["whole p99"], row["windows median"], row["shift median"]) == (0, 5, 5)
    assert (row["sure points"], row["of these lost"], row["over 20 px away"]) == (115, 1, 1)
    assert (row["as a whole %"], row["work %"]) == (40, 70), "a quarter of the frame, a fifth of them twice"
