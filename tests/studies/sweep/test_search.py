"""The search for the fastest setting, with a real ffmpeg and a fake network."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from inference.test_windows import drawn, walk
from precision.test_within import FRAMES, NarrowEngine
from support import clips

from posecli import engine
from posecli.analysis import analyze
from posecli.cli import cli
from posecli.errors import UsageError
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions
from posecli.studies.sweep.charts import draw_settings
from posecli.studies.sweep.search import Found, SearchOptions, search

pytestmark = pytest.mark.usefixtures("blank_figures")


class SureEngine(NarrowEngine):
    """Sure of dots too that are smaller than a cell."""

    def __call__(self, images: Any) -> Any:
        found = super().__call__(images)
        return replace(found, scoremap=(3 * found.scoremap).clip(max=1))


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, short_videos_pay: None) -> None:
    monkeypatch.setitem(engine.ENGINE_CLASSES, "openvino", f"{__name__}:SureEngine")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("clip") / "walk.mp4", drawn(walk(FRAMES)).images)


def found_in(clip: Path, model: ModelFolder, folder: Path, crf: tuple[float, ...] = (), **changes: Any) -> Found:
    analysis = AnalyzeOptions(**changes)
    return search(SearchOptions((clip,), analysis, model.path, sample=FRAMES, crf=crf), folder)


def recommended(clip: Path, model: ModelFolder, folder: Path, *flags: object) -> Result:
    arguments = ["recommend", clip, "-m", model.path, "-o", folder, "--sample", FRAMES, "--crf", "none", *flags]
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_it_is_what_a_run_finds(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    found = found_in(clip, dots_model, tmp_path / "search", within=20.0, scale=0.5)
    options = AnalyzeOptions(within=20.0, scale=0.5, out_dir=tmp_path / "poses")
    (result,) = analyze(clip, dots_model.path, options).results
    settings = result.plan["settings"]
    assert found.setting.model.options.precision == settings["precision"]
    assert float(found.setting.scale) == settings["network_width"] / 320 == 0.5
    line = shlex.split(found.analysis)
    assert line[:3] == ["posecli", "analyze", "VIDEO.mp4"]
    given = dict(zip(line[3::2], line[4::2], strict=True))
    assert given == {
        "--model": dots_model.path.as_posix(),
        "--within": "20",
        "--precision": settings["precision"],
        "--scale": "0.5",
        "--window": "auto" if "windows" in settings else "off",
    }
    shown = CliRunner().invoke(cli, [*line[1:2], str(clip), *line[3:], "-o", str(tmp_path / "again"), "--json"])
    again = json.loads(shown.stdout)["results"][0]["plan"]["settings"]
    assert [again[name] for name in ("precision", "network_width")] == [
        settings[name] for name in ("precision", "network_width")
    ]


def test_one_verdict(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    done = recommended(clip, dots_model, tmp_path, "--window", "off", "--within", "1px")
    assert done.exit_code == 0, done.output
    saved = json.loads((tmp_path / "recommendation.json").read_text())
    verdict = "Within 1 px of fp32 on the full frame the fastest is bf16 at scale 1: 99th percentile 0.28 px, 50 % of"
    assert saved["verdict"].startswith(verdict)
    assert f"{saved['verdict']}.\n" in done.stdout
    assert saved["analysis"].endswith(" --max-shift 1 --precision bf16")
    assert f"  {saved['analysis']}\n" in done.stdout
    rows = {line.split("  ")[0]: line.split()[-1] for line in done.stdout.splitlines() if " at scale " in line}
    assert rows["bf16 at scale 1"] == "chosen"
    assert [row["setting"] for row in saved["tried"] if row["chosen"]] == ["bf16 at scale 1"]
    assert {row["setting"] for row in saved["tried"]} <= {*rows}
    found = found_in(clip, dots_model, tmp_path, within=1.0, window="off")
    (axes,) = draw_settings(found.tried, found.setting.figures, found.verdict).axes
    assert axes.get_title() == found.verdict == saved["verdict"]


def test_fp32_where_nothing_else_passes(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    found = found_in(clip, dots_model, tmp_path, within=0.01, window="off")
    assert (
        found.verdict == "Within 0.01 px of fp32 on the full frame nothing faster stays: fp32 on the full frame it is"
    )
    assert found.analysis == f"posecli analyze VIDEO.mp4 --model {dots_model.path.as_posix()} --precision fp32"
    assert found.exit_code == 0


def test_too_little_to_tell(dots_model: ModelFolder, tmp_path: Path) -> None:
    dark = clips.encode(tmp_path / "dark.mp4", np.zeros((40, 64, 96, 3), np.uint8))
    done = recommended(dark, dots_model, tmp_path / "out", "--json")
    assert done.exit_code == 9, done.output
    content = json.loads(done.stdout)
    assert (content["exit_code"], content["setting"], content["analysis"]) == (9, None, "")
    assert content["verdict"] == (
        "Nothing is recommended: of 32 frames fp32 shows only 0 points surely, and 30 are needed"
    )


def test_what_is_named_and_does_not_pass(clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    done = recommended(clip, dots_model, tmp_path, "--window", "off", "--precision", "int8", "--json")
    assert (done.exit_code, json.loads(done.stdout)["exit_code"]) == (9, 9)
    assert "nothing that was tried stays within 1 px of fp32" in done.stderr


@pytest.mark.slow
def test_compression_is_measured_in_the_setting(dots_model: ModelFolder, tmp_path: Path) -> None:
    clip = clips.encode(tmp_path / "dots.mp4", clips.numbered_frames(110), fps="10")
    found = found_in(clip, dots_model, tmp_path / "out", (5.0,), within=6.0, window="off", scale=1.0)
    assert "-crf 5" in found.acquisition, found.reasons
    assert any(reason.startswith("Compression, in this setting: The smallest file ") for reason in found.reasons)
    rows = (tmp_path / "out" / "compression" / "versions.jsonl").read_text().splitlines()
    precisions = [json.loads(row).get("precision") for row in rows if "version" in json.loads(row)]
    assert precisions == ["fp32", found.setting.model.options.precision]


def test_options() -> None:
    with pytest.raises(UsageError, match="no video is given: name the one that settings are wanted for"):
        SearchOptions((), AnalyzeOptions(within=1.0))
    with pytest.raises(UsageError, match="sample 3 is too small: give 30 frames or more"):
        SearchOptions((Path("m.mp4"),), AnalyzeOptions(within=1.0), sample=3)
