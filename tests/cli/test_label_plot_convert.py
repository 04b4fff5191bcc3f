"""``posecli label``, ``plot`` and ``convert`` as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from support.poses import dot_poses, pose_frame, save_frame, write_table

from posecli.cli import cli
from posecli.video.probe import probe


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def _plain_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, but not rendered, which takes a second each and is tested with the plots."""

    def save(_figure: object, stem: Path) -> tuple[Path, Path]:
        paths = stem.with_suffix(".png"), stem.with_suffix(".svg")
        stem.parent.mkdir(exist_ok=True)
        for path in paths:
            path.touch()
        return paths

    monkeypatch.setattr("posecli.plots.poses.save_figure", save)


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
        (["-o", tmp_path / "out.gif"], 2, "does not end as an H.264 video"),
        (["--compare", write_table(tmp_path / "u.h5", dot_poses(51))], 7, "a row for frame 50"),
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
    assert sorted(Path(path).name for path in content["files"] if path.endswith(".png")) == [
        *("jumps.png", "likelihoods.png", "occupancy.png", "paths.png", "trajectories.png")
    ]
    assert all(Path(path).is_file() for path in content["files"])
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


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """Two tables in one file, of which one has two scorers."""
    frames = [pose_frame(dot_poses(9) + shift, range(20, 29), f"DLC_{shift}") for shift in (0, 5)]
    path = save_frame(pd.concat(frames, axis=1), tmp_path / "m1DLC_x.h5", key="both")
    return save_frame(frames[0], path, key="one", mode="a")


@pytest.mark.parametrize(
    "command",
    [
        ["plot", "TABLE"],
        ["convert", "TABLE", "--to", "csv"],
        ["convert", "TABLE", "--to", "csv", "--tidy"],
        ["filter", "TABLE"],
        ["label", "VIDEO", "TABLE"],
        ["evaluate", "TABLE", "TRUTH"],
    ],
    ids="-".join,
)
def test_one_of_several_tables_is_chosen_by_every_command(
    crowded: Path, dots_clip: Path, tmp_path: Path, command: list[str]
) -> None:
    truth = write_table(tmp_path / "truth.h5", dot_poses(50))
    places = {"TABLE": crowded, "VIDEO": dots_clip, "TRUTH": truth}
    line = [places.get(word, word) for word in command]
    if command[0] == "label":
        line += ["-o", tmp_path / "out.mp4"]
    for flags, words in (
        ([], "holds 2 tables ('both', 'one'): choose one with --key"),
        (["--key", "both"], "points of 2 scorers ('DLC_0', 'DLC_5'): choose one with --scorer"),
        (["--key", "both", "--scorer", "me"], "no points of scorer 'me'"),
        (["--key", "none"], "holds no table 'none'"),
    ):
        done = run(*line, *flags)
        assert done.exit_code in (2, 10)
        assert words in done.output
    done = run(*line, "--key", "both", "--scorer", "DLC_5", "--json")
    assert done.exit_code == 0, done.output
    if command[0] == "label":
        assert json.loads(done.stdout)["frames_without_row"] == [41]
        assert "41 of the video's 50 frames have no row" in done.output


def test_the_second_table_is_chosen_apart(crowded: Path, dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    line = ["label", dots_clip, table, "--compare", crowded, "-o", tmp_path / "out.mp4", "--end", 5]
    assert "choose one with --compare-key" in run(*line).output
    assert run(*line, "--compare-key", "both", "--compare-scorer", "DLC_5").exit_code == 0
    unused = run("label", dots_clip, table, "--compare-key", "one")
    assert (unused.exit_code, "belong to --compare" in unused.output) == (2, True)
    line = ["evaluate", table, crowded]
    assert "choose one with --truth-key" in run(*line).output
    assert run(*line, "--truth-key", "one").exit_code == 0
