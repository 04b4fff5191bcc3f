"""The search for the fastest setting, with a real ffmpeg and a fake network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import clips

from posecli.cli import cli
from posecli.errors import UsageError
from posecli.inference import batching
from posecli.model.folder import ModelFolder
from posecli.studies.sweep.options import SweepObserver, SweepOptions
from posecli.studies.sweep.search import SearchOptions, search

pytestmark = pytest.mark.usefixtures("blank_figures")


class Teller(SweepObserver):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = clips.numbered_frames(110, 64, 96)
    return clips.encode(tmp_path_factory.mktemp("clip") / "clip.mp4", frames, fps="10")


@pytest.fixture(autouse=True)
def quick(fake_engine: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "TRIAL_SECONDS", 0.01)
    monkeypatch.setattr(batching, "TRIAL_CALLS", 1)


def options_for(clip: Path, model: ModelFolder, **changes: float) -> SearchOptions:
    sweep = SweepOptions(videos=(clip,), model=model.path, pcutoff=0.2, resamples=100, max_lost=1, **changes)  # type: ignore[arg-type]
    return SearchOptions(sweep, scales=(1.0, 0.5), crf=(20.0, 51.0))


@pytest.mark.slow
def test_a_setting_inside_and_its_compression_are_found(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    found = search(options_for(clip, dots_model, tolerance=30.0), tmp_path)
    assert found.setting.scale == 0.5
    assert f"--precision fp32 --batchsize {found.batch.batch_size}" in found.analysis
    assert "--scale 0.5" in found.analysis
    assert "-crf 51" in found.acquisition
    assert set(found.pipelines) == {"async", "parallel", "sync"}
    assert found.figure.read_bytes().startswith(b"\x89PNG")
    saved = json.loads((tmp_path / "recommendation.json").read_text())
    assert saved["setting"] == {"scale": 0.5, "precision": "fp32"}
    assert saved["frames"] == 110


@pytest.mark.slow
def test_nothing_inside_is_the_full_frame_in_fp32(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    found = search(options_for(clip, dots_model, tolerance=1e-6), tmp_path)
    assert (found.setting.scale, found.setting.precision) == (1.0, "fp32")
    assert "So the full frame in fp32 it is." in found.reasons
    assert found.analysis
    assert found.acquisition == ""


def test_thin_evidence_recommends_nothing(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    found = search(options_for(clip, dots_model, tolerance=30.0, frames=20), tmp_path)
    assert found.analysis == found.acquisition == ""
    assert not (tmp_path / "compression").exists()
    assert any("20 frames are too few" in reason for reason in found.reasons)


@pytest.mark.slow
def test_a_search_is_continued_on_the_frames_it_began_with(
    clip: Path, dots_model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posecli.studies.sweep.search.FEWEST_FRAMES", 80)
    monkeypatch.setattr("posecli.studies.sweep.search.frame_seconds", lambda *_: 1e6)
    teller = Teller()
    first = search(options_for(clip, dots_model, tolerance=30.0), tmp_path, teller)
    assert first.as_dict()["frames"] == 80
    assert any("repeat the same search with --sample 80" in line for line in teller.lines)
    monkeypatch.setattr("posecli.studies.sweep.search.frame_seconds", lambda *_: 1e-6)
    again = search(options_for(clip, dots_model, tolerance=30.0), tmp_path)
    assert again.as_dict()["rows"] == first.as_dict()["rows"]


def test_a_precision_that_cannot_run_is_refused_by_name(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    options = options_for(clip, dots_model)
    with pytest.raises(UsageError, match="the fake engine does not compute in int8: leave 'int8' out"):
        search(SearchOptions(options.sweep, precisions=("fp32", "int8")), tmp_path)
    with pytest.raises(UsageError, match="precision 'int4' is not known"):
        SearchOptions(options.sweep, precisions=("int4",))  # type: ignore[arg-type]


def test_command_line(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    arguments = ["recommend", str(clip), "-m", str(dots_model.path), "--scales", "1,0.5", "--crf", "none"]
    arguments += ["--pcutoff", "0.2", "--tolerance", "30px", "--max-lost", "1", "--resamples", "100"]
    done = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "posecli analyze VIDEO.mp4 --model" in done.stdout
    assert "frontier: " in done.stdout
    wrong = CliRunner().invoke(cli, [*arguments, "--budget", "0"])
    assert wrong.exit_code == 2
    assert "budget 0 is out of range" in wrong.stderr
