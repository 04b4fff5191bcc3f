"""``posecli train`` as a user types it: what does not fit is named in one line. Training itself: tests/training."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support import clip_trainings, labels, trainings

from posecli.cli import cli
from posecli.cli.base import Output
from posecli.cli.train import _distilling
from posecli.model.folder import ModelFolder
from posecli.training import read_train_config
from posecli.training.objective import AccuracyRow, ErrorRow
from posecli.training.poses.distill import Speeds
from posecli.training.state import Progress, RunFolder

pytestmark = pytest.mark.usefixtures("blank_figures")


def posecli(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["train", *map(str, arguments)], catch_exceptions=False)


def refused(result: Result, code: int) -> str:
    """The one line of a command that was refused."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return labels.write_project(tmp_path / "my project", 8)


@pytest.fixture
def config(tmp_path: Path, project: Path) -> Path:
    return trainings.write_config(tmp_path / "my c.yaml", project)


def relabel(
    project: Path, points: labels.Points, bodyparts: tuple[str, ...] = labels.BODYPARTS, rows: int | None = None
) -> None:
    names = [f"img{number:04d}.png" for number in range(len(points))]
    frame = labels.label_frame(points, names, bodyparts=bodyparts, index="path")
    labels.save_labels(frame.iloc[:rows], project / "labeled-data" / "m1")


def without_an_image(project: Path) -> None:
    (project / "labeled-data" / "m1" / "img0003.png").unlink()


def with_a_broken_image(project: Path) -> None:
    (project / "labeled-data" / "m1" / "img0003.png").write_bytes(b"no picture")


def with_a_misspelt_label(project: Path) -> None:
    relabel(project, labels.dots(8), ("red", "gren", "blue"))


def with_an_empty_table(project: Path) -> None:
    relabel(project, labels.dots(8), rows=0)


def without_labels(project: Path) -> None:
    relabel(project, np.full((8, 3, 2), np.nan))


def without_labels_of_one_part(project: Path) -> None:
    points = labels.dots(8)
    points[:, 1] = np.nan
    relabel(project, points)


def with_an_infinite_label(project: Path) -> None:
    points = labels.dots(8)
    points[3, 1] = np.inf
    relabel(project, points)


def gone(project: Path) -> None:
    shutil.rmtree(project)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_an_image, "img0003.png' is labelled in 'CollectedData_me.h5' but is not there (1 of 8 are missing)"),
        (with_a_broken_image, "img0003.png' is damaged or not an image"),
        (with_a_misspelt_label, "labels body part 'gren', but config.yaml has red, green, blue"),
        (with_an_empty_table, "is empty: label some frames"),
        (without_labels, "has 8 frames without a single label"),
        (without_labels_of_one_part, "has no label of body part 'green' on any frame"),
        (with_an_infinite_label, "has an infinite label"),
        (gone, "do not exist: check the path"),
    ],
)
def test_data_that_do_not_fit(config: Path, project: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(project)
    assert words in refused(posecli(config), 10)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bodyparts": ["red", "gren"]}, "bodyparts has 'gren', but the data have red, green, blue: correct the name"),
        ({"mirror_pairs": [["red", "gren"]]}, "mirror_pairs has 'gren', but the network has red, green, blue"),
        ({"bodyparts": ["red"], "mirror_pairs": [["red", "blue"]]}, "mirror_pairs has 'blue', but the network has red"),
        ({"held_out": ["img9.png"]}, "'img9.png' is to be held out but is not a labelled image"),
        ({"held_out": 0.99}, "leaves none: hold out fewer"),
        ({"nane": "x"}, "has an unknown key 'nane'"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, project: Path, settings: dict[str, Any], words: str) -> None:
    assert words in refused(posecli(trainings.write_config(tmp_path / "c.yaml", project, **settings)), 2)


def test_a_source_without_any_body_part_is_named(tmp_path: Path, project: Path) -> None:
    data = [{"labels": str(project)}, {"scene": "trail-tracking"}]
    path = trainings.write_config(tmp_path / "c.yaml", None, data=data)
    assert "'trail-tracking' has snout, leftear, rightear, tailbase and none of the body parts red" in refused(
        posecli(path), 2
    )


def test_corrected_settings_go_on_in_the_same_folder(tmp_path: Path, project: Path) -> None:
    path = trainings.write_config(tmp_path / "c.yaml", project, bodyparts=["gren"])
    refused(posecli(path), 2)
    trainings.write_config(path, project, bodyparts=["green"], initial_weights="nothing-there")
    assert "nothing-there' are not there: give 'scratch'" in refused(posecli(path), 5)


def test_json_of_an_error(tmp_path: Path) -> None:
    result = posecli(tmp_path / "c.yaml", "--json")
    assert json.loads(result.stdout) == {
        "error": f"'{tmp_path / 'c.yaml'}' does not exist: check the path",
        "exit_code": 2,
    }


class TestFolder:
    def finished(self, config: Path, folder: Path) -> RunFolder:
        settings = read_train_config(config)
        run = RunFolder(folder, settings)
        run.errors += [ErrorRow(step, "labels", 1.0, 6, 5.0, 4.0) for step in (2, 4)]
        run.save({}, Progress(settings.steps, 0, 5.0, "float32", "", (0.0, 0.0), 0))
        return run

    def test_a_finished_run_is_told_and_left_as_it_is(self, config: Path) -> None:
        self.finished(config, config.parent / "tiny-training")
        result = posecli(config, "--json")
        assert result.exit_code == 0
        assert "is trained already: pass --restart to begin anew" in result.stderr
        content = json.loads(result.stdout)
        assert content["model"] == str(config.parent / "tiny-training" / "model")
        assert [row["step"] for row in content["last_errors"]] == [4]

    def test_other_settings_are_refused(self, config: Path, project: Path, tmp_path: Path) -> None:
        self.finished(config, tmp_path / "run")
        trainings.write_config(config, project, seed=1)
        line = refused(posecli(config, "--out", tmp_path / "run"), 8)
        assert "holds a run with other settings: choose another --out-dir, or pass --restart" in line

    def test_a_project_is_no_place_for_a_run(self, config: Path, project: Path) -> None:
        for flags in ([], ["--restart"]):
            line = refused(posecli(config, "--out", project, *flags), 8)
            assert "holds something other than a training" in line
        assert (project / "config.yaml").is_file()

    def test_a_place_that_cannot_be(self, config: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert "cannot be written" in refused(posecli(config, "--out", tmp_path / "file" / "run"), 7)


def test_a_backend_that_is_not_there(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "nonesuch")
    monkeypatch.setitem(sys.modules, "keras", None)  # as if it could not be imported
    assert refused(posecli(config), 6).startswith("Error: Keras cannot use KERAS_BACKEND=nonesuch (")


class TestBehaviours:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        return clip_trainings.write_data(tmp_path / "my videos", 1)

    @pytest.mark.parametrize(
        ("settings", "words", "code"),
        [
            ({"classes": ["across", "round"]}, "label 'updown' of '", 10),
            ({"classes": ["across", "updown", "round"]}, "no training example of 9 frames shows 'round'", 10),
            ({"held_out_videos": ["round.mp4"]}, "'round.mp4' is to be held out but no interval names that video", 2),
            ({"clips": {"length": 8}}, "length 8 is out of range: give 9 to 512 frames", 2),
            ({"bodyparts": ["snout"]}, "has 'classes', as for a network for behaviours, and 'bodyparts'", 2),
            ({"initial_weights": "nothing-there"}, "nothing-there", 5),
        ],
    )
    def test_settings_that_do_not_fit(
        self, tmp_path: Path, table: Path, settings: dict[str, Any], words: str, code: int
    ) -> None:
        config = clip_trainings.write_config(tmp_path / "c.yaml", table, **settings)
        assert words in refused(posecli(config), code)

    def test_a_video_that_is_gone(self, tmp_path: Path, table: Path) -> None:
        (table.parent / "across0.mp4").unlink()
        config = clip_trainings.write_config(tmp_path / "c.yaml", table)
        assert "across0.mp4' does not exist" in refused(posecli(config), 3)

    def test_a_project_is_no_table_of_intervals(self, tmp_path: Path, project: Path) -> None:
        config = clip_trainings.write_config(tmp_path / "c.yaml", None, data=[{"labels": str(project)}])
        assert "'labels' are body parts and teach a pose network" in refused(posecli(config), 2)

    def test_a_finished_run_tells_its_last_accuracies(self, tmp_path: Path, table: Path) -> None:
        config = clip_trainings.write_config(tmp_path / "c.yaml", table)
        run = RunFolder(tmp_path / "tiny-training", read_train_config(config))
        run.errors += [AccuracyRow(step, "labels", 6, 2, 0.5, 0.7) for step in (2, 4)]
        run.save({}, Progress(4, 0, 0.5, "float32", "", (0.0, 0.0), 0))
        content = json.loads(posecli(config, "--json").stdout)
        assert [row["step"] for row in content["last_accuracies"]] == [4]
        assert "last_errors" not in content


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--budget", "soon"], 2, "'soon' is not a time: give it as in 90s, 30min or 1.5h"),
        (["--network", "vast"], 2, "network 'vast' is not known: choose one of"),
        (["--initial-weights", "nowhere"], 5, "nowhere"),
    ],
)
def test_distill_says_at_once_what_does_not_fit(
    flags: list[str], code: int, words: str, dots_model: ModelFolder, dots_clip: Path, tmp_path: Path
) -> None:
    command = ["distill", str(dots_model.path), str(dots_clip), "-o", str(tmp_path / "student"), *flags]
    assert words in refused(CliRunner().invoke(cli, command, catch_exceptions=False), code)
    assert not (tmp_path / "student-training").exists()


def test_distill_tells_from_what_on_it_pays_off(capsys: pytest.CaptureFixture[str]) -> None:
    _distilling(Output(json=False, quiet=False)).settled(8000, Speeds(10.0, 40.0), 1620.0)
    words = capsys.readouterr()
    assert "what takes 27 min 00 s to make pays off from 0.2 hours of video on" in words.err + words.out
