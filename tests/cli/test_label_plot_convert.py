"""``posecli label``, ``plot`` and ``convert`` as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.poses import dot_poses, write_table

from posecli.cli import cli
from posecli.video.probe import probe


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def video(dots_clip: Path, tmp_path: Path) -> Path:
    """A video in a folder of its own, whose name holds a space."""
    folder = tmp_path / "day 1"
    folder.mkdir()
    return Path(shutil.copy(dots_clip, folder / "m 1.mp4"))


def test_label_finds_the_table_beside_the_video(video: Path) -> None:
    missing = run("label", video)
    assert missing.exit_code == 2
    assert "has no pose table" in missing.output
    table = write_table(video.with_name("m 1DLC_x.h5"), dot_poses(50))
    done = run("label", video, "--json", "--trails", 5, "--skeleton", "red-blue", "--end", 30)
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    out = video.with_name("m 1DLC_x_labeled.mp4")
    assert content["labelled_video"] == str(out)
    assert (content["frames"], content["tables"], content["pcutoffs"]) == (30, [str(table)], [0.6])
    assert probe(out).n_frames == 30
    again = run("label", video)
    assert again.exit_code == 8
    assert "--overwrite" in again.output
    assert run("label", video, "--overwrite", "-q").exit_code == 0
    assert probe(out).n_frames == 50


def test_label_refuses_before_it_draws(video: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    for flags, code, words in (
        (["--scale", 0.05], 2, "larger one"),
        (["--crf", 60], 2, "CRF 60"),
        (["--start", 99], 2, "frames 99"),
        (["-o", tmp_path / "out.gif"], 2, "no ending of a video"),
        (["--compare", write_table(tmp_path / "u.h5", dot_poses(49))], 7, "49 rows"),
        (["--skeleton", "nose-red"], 2, "nose"),
    ):
        done = run("label", video, table, *flags)
        assert done.exit_code == code, done.output
        assert words in done.output
    assert sorted(path.name for path in video.parent.iterdir()) == ["m 1.mp4"]


def test_plot_lists_files_and_figures(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(20))
    done = run("plot", table, "-o", tmp_path / "fig ures", "--bodyparts", "red, blue", "--json")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert all(Path(path).stat().st_size > 100 for path in content["files"])
    assert list(content["bodyparts"]) == ["red", "blue"]
    assert len(content["jumps"]) == 20
    assert run("plot", table, "-o", tmp_path / "fig ures").exit_code == 8
    assert run("plot", table, "-o", table).exit_code == 7


def test_convert_several_tables(tmp_path: Path) -> None:
    tables = [write_table(tmp_path / f"{name}.h5", dot_poses(4)) for name in "ab"]
    done = run("convert", *tables, "--to", "csv", "-o", tmp_path / "text", "--json")
    assert done.exit_code == 0, done.output
    assert [Path(result["path"]).name for result in json.loads(done.stdout)["results"]] == ["a.csv", "b.csv"]
    assert run("convert", *tables, "--to", "csv", "-o", tmp_path / "text").exit_code == 8
    assert run("convert", tables[0], "--to", "nwb", "--session-start", "yesterday").exit_code == 2
    assert run("convert", *tables, "--to", "csv", "--tidy", "--video", "v.mp4").exit_code == 2
    assert run("convert", tmp_path / "none.h5", "--to", "csv").exit_code == 2
