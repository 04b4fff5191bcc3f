"""``posecli sample``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from posecli.cli import cli
from posecli.synthetic import read_truth
from posecli.video.probe import probe

SMALL = ("--width", "96", "--height", "64", "--frames", "4")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["sample", *arguments])


def test_video_and_truth(tmp_path: Path) -> None:
    video = tmp_path / "mouse.mp4"
    result = run(*SMALL, "--seed", "5", "--fps", "25", "-o", str(video))
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{video}: 4 frames of 96x64 px, trail-tracking, seed 5, libx264 CRF 18 (ffmpeg ")
    assert second == f"{tmp_path / 'mouseDLC_synthetic_trailtrackingseed5.h5'}: the true poses"
    info = probe(video)
    assert (info.width, info.height, info.n_frames, info.frame_rate) == (96, 64, 4, 25)
    assert len(read_truth(video)) == 4


def test_json(tmp_path: Path) -> None:
    video = tmp_path / "run.mkv"
    result = run(*SMALL, "--scene", "treadmill", "--crf", "lossless", "--json", "-q", "-o", str(video))
    content = json.loads(result.stdout)
    assert content["video"] == str(video)
    assert content["crf"] is None
    assert content["frames"] == 4
    assert content["fps"] == 150.0
    assert Path(content["truth"]).exists()
    assert content["behaviours"] is None


def test_behaviours(tmp_path: Path) -> None:
    video, table = tmp_path / "cage.mp4", tmp_path / "cage_behaviours.csv"
    arguments = (*SMALL, "--scene", "home-cage", "-o", str(video))
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[2] == f"{table}: the true behaviours"
    assert table.read_text().splitlines()[1].startswith("cage.mp4,0,4,")
    video.unlink()
    assert run(*arguments).exit_code == 8
    content = json.loads(run(*arguments, "--overwrite", "--json", "-q").stdout)
    assert content["behaviours"] == str(table)


def test_the_scenes_name_is_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*SMALL).exit_code == 0
    assert (tmp_path / "trail-tracking.mp4").exists()


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run(*SMALL, "--noise", "2", "-o", str(tmp_path / f"{name}.mp4")).exit_code == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_overwrite(tmp_path: Path) -> None:
    arguments = (*SMALL, "-o", str(tmp_path / "a.mp4"))
    assert run(*arguments).exit_code == 0
    refused = run(*arguments)
    assert refused.exit_code == 8
    assert "is there already" in refused.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


def test_options_from_a_file(tmp_path: Path) -> None:
    config = tmp_path / "sample.yaml"
    config.write_text(f"scene: treadmill\nframes: 2\nwidth: 64\nheight: 64\ncrf: 30\nout: {tmp_path / 'c.mp4'}\n")
    result = run("--config", str(config))
    assert result.exit_code == 0, result.output
    assert "2 frames of 64x64 px, treadmill, seed 0, libx264 CRF 30" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--frames", "0"), "frames 0 is too small"),
        (("--crf", "good"), "CRF 'good' is not a number: give 0 to 51, or lossless"),
        (("--crf", "60"), "CRF 60 is not on the scale"),
        (("--occlusion", "2"), "occlusion 2 is not a share"),
        (("-o", "mouse.jpg"), "does not end as a video"),
    ],
)
def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not list(tmp_path.iterdir())
