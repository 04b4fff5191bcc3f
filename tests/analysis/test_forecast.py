"""What a dry run tells of the plan, before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from analysis.test_resume import interrupt
from support import clips
from support.fake_engine import FakeEngine

from posecli.analysis.executors import RunObserver
from posecli.analysis.executors.here import here
from posecli.analysis.plan import Forecast, RunPlan, from_plain, plain
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, EngineOptions

pytestmark = pytest.mark.usefixtures("fake_engine")


class Listener(RunObserver):
    heard: Forecast | None = None

    def foretold(self, forecast: Forecast) -> None:
        self.heard = forecast


def foretold(videos: Sequence[Path], model: ModelFolder, options: AnalyzeOptions) -> Forecast:
    listener = Listener()
    here(RunPlan.of(videos, model, options), "foretell", listener)
    assert listener.heard is not None
    assert from_plain(Forecast, plain(listener.heard)) == listener.heard
    return listener.heard


@pytest.fixture
def options(tmp_path: Path) -> AnalyzeOptions:
    return AnalyzeOptions(out_dir=tmp_path / "poses")


def test_what_is_left_of_all_videos(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    other = clips.encode(tmp_path / "other.mp4", clips.numbered_frames(5))
    interrupt(dots_clip, dots_model, options, 24)
    FakeEngine.calls.clear()
    found = foretold([dots_clip, other], dots_model, options)
    assert found.items == 26 + 5
    assert (found.precision, found.scale, found.window) == ("fp32", "1", "none")
    assert found.first == ()
    assert [each.what for each in found.expected] == ["fp32, whole frames"]
    assert FakeEngine.calls == [(1, 120, 160, 3)], "one pass, on no frame of a video"
    begun = foretold([dots_clip], dots_model, options)
    assert (begun.items, begun.precision) == (26, "as it was begun")


def test_nothing_is_left(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path) -> None:
    listener = Listener()
    here(RunPlan.of([tmp_path / "missing.mp4"], dots_model, options), "foretell", listener)
    assert listener.heard is None
    here(RunPlan.of([dots_clip], dots_model, options), "decide", listener)
    assert listener.heard is None, "deciding alone runs no network"


@pytest.mark.usefixtures("short_videos_pay")
def test_what_would_be_tried(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "obstacle", staticmethod(lambda _folder, name: "no" if name == "int8" else None))
    found = foretold([dots_clip], dots_model, replace(options, within=1.0))
    assert found.precision == "bf16, as the parity gate allows, else fp32"
    assert found.scale == "1, 3/4, 1/2, 3/8 or 1/4, as the limit allows"
    assert [each.what for each in found.expected] == [
        "bf16 at scale 1/4, windows",
        "bf16, windows",
        "bf16, whole frames",
        "fp32, whole frames",
    ]
    seconds = [each.seconds for each in found.expected]
    assert seconds == sorted(seconds)
    assert seconds[0] > sum(each.seconds for each in found.first) > 0
    named = replace(options, engine=EngineOptions(precision="bf16"), window=96, scale=0.9)
    found = foretold([dots_clip], dots_model, named)
    assert (found.precision, found.scale) == ("bf16, which must pass the parity gate", "0.9")
    assert found.window == "96 px a side, which must pass the parity gate"
    assert [each.what for each in found.expected] == ["bf16, windows", "bf16, whole frames"]
