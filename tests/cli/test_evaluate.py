"""``posecli evaluate`` as a user types it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support import labels

from posecli.cli import cli
from posecli.labels import read_labeled_data, split_frames
from posecli.labels.data import write_split
from posecli.model.folder import ModelFolder
from posecli.support.files import move_into_place
from posecli.tables.pose_table import PoseTableWriter, pose_columns


def posecli(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return labels.write_project(tmp_path / "my project", 5)


@pytest.fixture
def base(project: Path, dots_model: ModelFolder, fake_engine: object) -> list[object]:
    return ["evaluate", dots_model.path, project, "--scales", "1,0.5"]


def test_table(base: list[object]) -> None:
    result = posecli(*base)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "engine openvino, fp32" in lines[0]
    assert "all: 5 frames, errors in px of the full frame" in lines
    rows = [line.split() for line in lines if line.startswith(("     1  ", "   0.5  "))]
    assert [row[:3] for row in rows[:4]] == [
        ["1", name, count] for name, count in (("red", "5"), ("green", "5"), ("blue", "5"), ("all", "15"))
    ]
    assert 0 < float(rows[3][3]) < float(rows[7][3])
    assert lines[-1].startswith(f"error as DeepLabCut counts it, at full size: {rows[3][3]} px")
    unseen = posecli(*base, "--pcutoff", "1").stdout.splitlines()[-1]
    assert unseen.endswith(f"{rows[3][3]} px; no point has a likelihood of 1 or more")


def test_json(base: list[object]) -> None:
    report = json.loads(posecli(*base, "--json").stdout)
    assert report["frames"] == {"all": 5}
    assert report["bodyparts"] == list(labels.BODYPARTS)
    assert len(report["rows"]) == 2 * 4 * 2
    overall = next(row for row in report["rows"] if row["bodypart"] == "all" and row["pcutoff"] is None)
    assert report["deeplabcut_error_px"]["all"]["all"] == round(overall["mean_px"], 2)


def test_files_are_written_and_not_replaced_unasked(base: list[object], tmp_path: Path) -> None:
    table, figure = tmp_path / "errors.csv", tmp_path / "errors.v1.png"
    result = posecli(*base, "--csv", table, "--figure", figure, "--pck", "3")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["scale"] for row in rows} == {"1.0", "0.5"}
    assert "pck_3px" in rows[0]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.with_suffix(".svg").is_file()
    assert f"drawn in '{figure}' and" in result.stdout
    for option, path in (("--csv", table), ("--figure", figure)):
        again = posecli(*base, option, path)
        assert again.exit_code == 8
        assert f"'{path}' is there already: pass --overwrite" in again.stderr
    assert posecli(*base, "--csv", table, "--overwrite").exit_code == 0


def test_held_out_by_name_and_by_share(base: list[object], tmp_path: Path) -> None:
    names = tmp_path / "test frames.txt"
    names.write_text("img0001.png\n\nlabeled-data/m1/img0003.png\n")
    output = posecli(*base, "--held-out", names).stdout
    assert "train: 3 frames" in output
    assert "test: 2 frames" in output
    assert "train error as DeepLabCut counts it" in output
    assert "test error as DeepLabCut counts it" in output
    reports = [json.loads(posecli(*base, "--held-out", 0.4, "--seed", seed, "--json").stdout) for seed in (1, 1, 2)]
    assert all(report["frames"] == {"train": 3, "test": 2} for report in reports)
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]


def test_split_file(base: list[object], project: Path, tmp_path: Path) -> None:
    train, test = split_frames(read_labeled_data(project), ["img0002.png"])
    write_split(tmp_path / "split.yaml", train.names, test.names)
    report = json.loads(posecli(*base, "--split", tmp_path / "split.yaml", "--json").stdout)
    assert report["frames"] == {"train": 4, "test": 1}


def test_video_with_its_truth(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, fake_engine: object) -> None:
    video = tmp_path / "dots.mp4"
    video.write_bytes(dots_clip.read_bytes())
    writer = PoseTableWriter(tmp_path / "truth.h5", pose_columns("DLC_synthetic_dots", labels.BODYPARTS))
    writer.append(labels.dots(50)[:, :, None, [0, 1, 1]])
    writer.close(np.arange(50.0))
    move_into_place(writer.partial_path, tmp_path / "truth.h5")
    arguments = ["evaluate", dots_model.path, video, "--scales", "1", "--every", "10", "--json"]
    result = posecli(*arguments)
    assert result.exit_code == 10
    assert "name one with --truth" in result.stderr
    report = json.loads(posecli(*arguments, "--truth", tmp_path / "truth.h5").stdout)
    assert report["frames"] == {"all": 5}
    assert report["deeplabcut_error_px"]["all"]["all"] < 6
    assert posecli(*arguments, "--held-out", "0.5").exit_code == 2
    compared = posecli("evaluate", tmp_path / "truth.h5", tmp_path / "truth.h5", "--json")
    assert json.loads(compared.stdout)["deeplabcut_error_px"]["all"]["all"] == 0
    boxed = posecli("evaluate", tmp_path / "truth.h5", tmp_path / "truth.h5", "--boxes", tmp_path)
    assert "is a pose table, in which points have been found: leave out --boxes" in boxed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--scales", "1,x"], 2, "is not a list of numbers"),
        (["--scales", "0.05"], 2, "the network would see only 8x6 px"),
        (["--pcutoff", "2"], 2, "pcutoff 2 is out of range"),
        (["--held-out", "nothing.txt"], 2, "'nothing.txt' is neither a fraction nor a readable list"),
        (["--held-out", "0.5", "--split", "split.yaml"], 2, "exclude each other"),
        (["--split", "nothing.yaml"], 2, "'nothing.yaml' does not exist"),
        (["--truth", "truth.h5"], 2, "--truth is for videos"),
        (["--csv", "no/folder/errors.csv"], 7, "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(base: list[object], arguments: list[str], code: int, words: str) -> None:
    result = posecli(*base, *arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_labels_that_cannot_be_used(base: list[object], project: Path) -> None:
    (project / "labeled-data" / "m1" / "img0000.png").unlink()
    result = posecli(*base, "--json")
    assert result.exit_code == 10
    assert json.loads(result.stdout)["exit_code"] == 10
    assert "img0000.png' is labelled in 'CollectedData_me.h5' but is not there (1 of 5 are missing)" in result.stderr


def test_a_body_part_that_is_nowhere_labelled_does_not_stop_it(base: list[object], project: Path) -> None:
    points = labels.dots(5)
    points[:, 1] = np.nan
    labels.write_labels(project, points)
    result = posecli(*base)
    assert result.exit_code == 0, result.output
    green = next(line for line in result.stdout.splitlines() if "green" in line).split()
    assert green[2:5] == ["0", "-", "-"]


def test_options_from_a_file(base: list[object], tmp_path: Path) -> None:
    config = tmp_path / "evaluate.yaml"
    config.write_text("pck: [2, 4]\nbatchsize: 2\nheld-out: 0.4\n")
    output = posecli(*base, "--config", config).stdout
    assert "<=2 px" in output
    assert "test: 2 frames" in output


def test_what_readers_note_is_told_once_and_is_in_the_json(base: list[object], project: Path) -> None:
    config = project / "config.yaml"
    config.write_bytes(config.read_bytes() + "# Käfig\n".encode("cp1252"))
    note = f"'{config}' is not in UTF-8 and is read as Windows-1252: save it as UTF-8 if letters come out wrong"
    result = posecli(*base, "--json", "-q")
    assert json.loads(result.stdout)["notes"] == [note]
    assert result.stderr == f"Note: {note}\n"
    config.write_text(config.read_text(encoding="cp1252"), encoding="utf-8")
    assert "Note" not in posecli(*base).stderr


@pytest.mark.slow
def test_the_real_network_on_real_labels(shared_data: Path, tmp_path: Path) -> None:
    """The network has seen these frames: near nothing at full size, and more at half size."""
    data = read_labeled_data(shared_data / "openfield")
    write_split(tmp_path / "split.yaml", data.names[4:92:8], data.names[:4])
    result = posecli(
        "evaluate",
        shared_data / "dlc-openfield" / "config.yaml",
        shared_data / "openfield",
        "--json",
        "--scales",
        "1,0.5",
        "--split",
        tmp_path / "split.yaml",
    )
    report = json.loads(result.stdout)
    assert report["frames"] == {"train": 11, "test": 4}
    means = {(row["split"], row["scale"]): row["mean_px"] for row in report["rows"] if row["bodypart"] == "all"}
    assert 1 < means["train", 1.0] < 2.5 < means["train", 0.5] < 4
    assert report["deeplabcut_error_px"]["train"]["above_pcutoff"] == pytest.approx(1.9, abs=0.4)
