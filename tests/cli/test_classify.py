"""``posecli classify`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.fake_clip_engine import make_fake_clip_model

from posecli import engine
from posecli.cli import cli


def posecli(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def base(dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    for name in engine.ENGINE_CLASSES:
        monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.fake_clip_engine:FakeClipEngine")
    model = make_fake_clip_model(tmp_path / "a model")
    return ["classify", dots_clip, "-m", model.path, "-o", tmp_path / "found here"]


def test_first_and_last_line(base: list[object], tmp_path: Path) -> None:
    result = posecli(*base, "--stride", 5)
    assert result.exit_code == 0, result.output
    first, last, seen, stages = result.stdout.splitlines()
    assert "model I3D_numbers_1 (i3d, 4 behaviours), engine fake 0 on CPU (1 threads), fp32, batch 1" in first
    assert first.endswith("chunks of 10 frames every 5 frames, network input 160x120 px")
    assert last.startswith("dots.mp4: done, 50 frames in ")
    assert last.endswith(f"fps: {tmp_path / 'found here' / 'dotsI3D_numbers_1.h5'}")
    assert seen.startswith("  seen (share of chunks): none ")
    assert stages.startswith("  limited by the ")


def test_json_and_csv(base: list[object], tmp_path: Path) -> None:
    result = posecli(*base, "--json", "--csv", "--quiet")
    report = json.loads(result.stdout)
    assert (report["exit_code"], report["results"][0]["state"], report["results"][0]["frames"]) == (0, "done", 50)
    header, *rows = (tmp_path / "found here" / "dotsI3D_numbers_1.csv").read_text().splitlines()
    assert header == "frame,seconds,label,none,first,second,last"
    assert len(rows) == 50


def test_dry_run(base: list[object], tmp_path: Path) -> None:
    result = posecli(*base, "--dry-run")
    assert result.exit_code == 0
    assert "analyse" in result.stdout
    assert not (tmp_path / "found here").exists()


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--length", "5"], 2, "chunk length 5 is too small: give 9 frames or more"),
        (["--input-size", "big"], 2, "input size 'big' is not a size"),
        (["--pipeline", "tf-sync"], 2, "tf-sync"),
        (["--batchsize", "few"], 2, "'few' is neither a whole number nor 'auto'"),
        (["--precision", "int8"], 9, "does not compute in int8"),
    ],
)
def test_wrong_flags(base: list[object], flags: list[str], code: int, words: str) -> None:
    result = posecli(*base, *flags)
    assert result.exit_code == code
    assert words in result.stderr


def test_the_built_in_network_on_its_scene(tmp_path: Path) -> None:
    video = tmp_path / "cage.mp4"
    made = posecli("sample", "--scene", "home-cage", "--frames", 90, "--width", 128, "--height", 96, "-o", video, "-q")
    assert made.exit_code == 0, made.output
    result = posecli("classify", video, "--precision", "fp32")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("no --model is given: using the built-in network")
    assert (tmp_path / "cageI3D_homecage_2100.png").is_file()
