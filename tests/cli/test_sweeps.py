"""``compress-sweep``, ``scale-sweep`` and ``filter`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support import clips

from posecli.cli import cli
from posecli.errors import UsageError
from posecli.model.folder import ModelFolder
from posecli.studies.sweep import runner
from posecli.support.files import move_into_place
from posecli.tables.pose_table import PoseTableWriter, pose_columns

pytestmark = pytest.mark.usefixtures("blank_figures")


def posecli(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def common(dots_model: ModelFolder, tmp_path: Path) -> list[str | Path]:
    return ["-m", dots_model.path, "--precision", "fp32", "--resamples", "100", "-o", tmp_path / "out"]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to recommend something."""
    return clips.encode(tmp_path_factory.mktemp("long") / "long.mp4", clips.numbered_frames(260, 64, 96))


@pytest.mark.usefixtures("fake_engine")
def test_compress_sweep_recommends_and_prints_json(long_clip: Path, common: list[str | Path], tmp_path: Path) -> None:
    done = posecli(
        "compress-sweep", long_clip, *common, "--crf", "0,51", "--preset", "ultrafast", "--pcutoff", "0.2", "--json"
    )
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert [version["version"] for version in content["versions"]] == ["original", "libx264-crf0", "libx264-crf51"]
    assert content["recommendation"]["version"] == "libx264-crf0"
    assert "-crf 0 -preset ultrafast" in content["recommendation"]["acquisition"]
    assert Path(content["report"]).is_file()
    assert "CRF 0 is lossless in x264" in done.stderr
    assert "versions, " in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("fake_engine")
def test_compress_sweep_needs_no_argument_but_says_why_it_cannot_recommend(common: list[str | Path]) -> None:
    done = posecli("compress-sweep", *common, "--crf", "0,30", "--frames", "4")
    assert done.exit_code == 0, done.output
    assert "no video is given: rendering 4 frames of the trail-tracking scene" in done.stderr
    assert "No version is recommended: the evidence is thin." in done.stdout
    assert "4 frames are too few" in done.stdout


@pytest.mark.usefixtures("fake_engine")
def test_scale_sweep_shows_speed_beside_error(long_clip: Path, common: list[str | Path]) -> None:
    lenient = ["--pcutoff", "0.2", "--tolerance", "20px", "--max-lost", "1"]
    done = posecli("scale-sweep", long_clip, *common, "--scales", "1,0.5", *lenient)
    assert done.exit_code == 0, done.output
    head, full, half = done.stdout.splitlines()[:3]
    assert "network input" in head
    assert "96x64" in full
    assert "48x32" in half
    assert "frames/s here" in done.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--crf", "a"], "CRF 'a' is not a list of numbers"),
        (["--crf", "60", "--codec", "libx265"], "CRF 60 is not on the scale of libx265: give 0 to 51"),
        (["--codec", "mpeg7"], "codec 'mpeg7' is not known"),
        (["--tolerance", "2cm"], "tolerance '2cm' is no length"),
        (["--tolerance", "0"], "tolerance 0 is out of range"),
        (["--frames", "1"], "frames 1 is too small"),
        (["--window", "4"], "window 4 has no middle"),
        (["--max-lost", "2"], "max-lost 2 is out of range"),
        (["--gop", "0"], "gop 0 is too small"),
    ],
)
def test_wrong_options_end_in_one_line(
    long_clip: Path, common: list[str | Path], flags: list[str], words: str, tmp_path: Path
) -> None:
    done = posecli("compress-sweep", long_clip, *common, *flags)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_videos_of_one_name_are_refused(long_clip: Path, common: list[str | Path]) -> None:
    done = posecli("compress-sweep", long_clip, long_clip, *common)
    assert done.exit_code == 2
    assert "do not have distinct names" in done.stderr


def test_paper_configs_are_what_the_paper_did() -> None:
    import yaml

    content = yaml.safe_load(Path("configs/compress-sweep-paper.yaml").read_text())
    assert content["crf"] == [100, 50, 45, 40, 35, 30, 27, 25, 20, 15, 10, 1, 0.1]
    scales = yaml.safe_load(Path("configs/scale-sweep-paper.yaml").read_text())
    assert scales["scales"] == [1, 0.5, 0.25, 0.125]


@pytest.mark.usefixtures("fake_engine")
def test_a_config_is_taken(long_clip: Path, common: list[str | Path], tmp_path: Path) -> None:
    config = tmp_path / "sweep.yaml"
    config.write_text("crf: [20, 30]\nframes: 6\ncodec: libx264\n")
    done = posecli("compress-sweep", long_clip, *common, "--config", config, "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["versions"]) == 3


def test_flags_reach_the_sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Any] = []

    def stop(*arguments: Any, **named: Any) -> None:
        seen.extend([*arguments, named])
        raise UsageError("enough")

    monkeypatch.setattr(runner, "run_sweep", stop)
    flags = "--tolerance 0.5px --window 7 --keep -b 4 --crop 0,10,0,20 --frames 9 --sample 5 --shuffle 2 --crf 20"
    assert posecli("compress-sweep", *flags.split(), "-o", tmp_path / "out", "--overwrite").exit_code == 2
    kind, options, versions, named = seen
    assert (kind, named["folder"], named["overwrite"], named["network"].shuffle) == (
        *("compress-sweep", tmp_path / "out", True, 2),
    )
    assert [version.name for version in versions] == ["original", "libx264-crf20"]
    assert (options.tolerance, options.window, options.keep, options.batch_size) == (0.5, 7, True, 4)
    assert str(options.analysis.crop) == "0,10,0,20"
    assert (options.frames, options.sample) == (9, 5)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--truth-key one", "belong to --truth"),
        ("--tolerance wide", "tolerance 'wide' is no length"),
        ("--scales half", "is not a list of numbers"),
    ],
)
def test_wrong_flags_end_in_one_line(flags: str, words: str) -> None:
    result = posecli("scale-sweep", *flags.split())
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "m1DLC_net.h5"
    writer = PoseTableWriter(path, pose_columns("DLC_net", ("a",)))
    writer.append(np.ones((20, 1, 1, 3)))
    writer.close(np.arange(20.0))
    move_into_place(writer.partial_path, path)
    return path


def test_filter_beside_the_raw_table_warns(table: Path) -> None:
    done = posecli("filter", table)
    assert done.exit_code == 0, done.output
    assert table.with_name("m1DLC_net_filtered.h5").is_file()
    assert "now holds two tables of one video" in done.stderr


def test_filter_into_a_folder_of_its_own_does_not(table: Path, tmp_path: Path) -> None:
    done = posecli("filter", table, "-o", tmp_path / "filtered", "--method", "kalman", "--json")
    assert done.exit_code == 0, done.output
    assert "Warning" not in done.stderr
    result = json.loads(done.stdout)["results"][0]
    assert result["rows"] == 20
    assert Path(result["path"]).is_file()


def test_filter_errors_are_one_line(table: Path) -> None:
    done = posecli("filter", table, "--window", "4")
    assert done.exit_code == 2
    assert done.stderr == "Error: window 4 has no middle: give an odd number of frames, 3 or more\n"
    posecli("filter", table)
    again = posecli("filter", table)
    assert again.exit_code == 8
