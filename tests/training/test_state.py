"""The run folder: whose it is, what it keeps, and what it never touches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import projects, trainings

from posecli.errors import OutputError, OutputExistsError
from posecli.labels.data import write_split
from posecli.training.config import PoseConfig, PosePhase, PoseSource
from posecli.training.objective import ErrorRow, PoseLossRow
from posecli.training.state import SPLIT_FILE, STATE_FILE, Progress, RunFolder

CONFIG = PoseConfig(name="n", data=(PoseSource(scene="trail-tracking"),), phases=(PosePhase(10, warm_up=1),))
OTHER = replace(CONFIG, seed=1)
PROGRESS = Progress(6, 0, 12.5, "float32", "abc", (1.5, 0.25), 2)
ARRAYS = {"network/0": np.arange(6, dtype=np.float32).reshape(2, 3), "optimizer/0": np.array(6)}


def begun(folder: Path) -> RunFolder:
    run = RunFolder(folder, CONFIG)
    run.losses.append(PoseLossRow(4, 0, 1e-3, 0.5, 0.25, 2.0))
    run.errors.append(ErrorRow(4, "labels", 0.5, 12, 3.5, 3.0, 7.5))
    run.save(ARRAYS, PROGRESS)
    return run


class TestKeeping:
    def test_what_was_saved_comes_back(self, tmp_path: Path) -> None:
        begun(tmp_path / "run")
        again = RunFolder(tmp_path / "run", CONFIG)
        saved = again.load()
        assert saved is not None
        arrays, progress = saved
        assert progress == PROGRESS
        assert {name: array.tolist() for name, array in arrays.items()} == {
            name: array.tolist() for name, array in ARRAYS.items()
        }
        assert again.losses == [PoseLossRow(4, 0, 1e-3, 0.5, 0.25, 2.0)]
        assert again.errors == [ErrorRow(4, "labels", 0.5, 12, 3.5, 3.0, 7.5)]

    def test_an_error_that_was_never_measured_is_infinite(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path, CONFIG)
        run.save(ARRAYS, replace(PROGRESS, best=float("inf")))
        saved = run.load()
        assert saved is not None
        assert saved[1].best == float("inf")

    def test_nothing_is_there_at_first(self, tmp_path: Path) -> None:
        assert RunFolder(tmp_path, CONFIG).load() is None

    def test_at_the_end_only_progress_is_kept(self, tmp_path: Path) -> None:
        run = begun(tmp_path)
        run.save({}, replace(PROGRESS, step=10))
        saved = RunFolder(tmp_path, CONFIG).load()
        assert saved is not None
        assert (saved[0], saved[1].step) == ({}, 10)

    def test_tables_and_split(self, tmp_path: Path) -> None:
        begun(tmp_path)
        write_split(tmp_path / SPLIT_FILE, ["labeled-data/ü/a.png"], ["b"])
        assert trainings.rows(tmp_path / "losses.csv")[0]["scoremap_loss"] == "0.5"
        assert trainings.rows(tmp_path / "errors.csv")[0]["source"] == "labels"
        assert trainings.settings_of(tmp_path / "split.yaml") == {"train": ["labeled-data/ü/a.png"], "test": ["b"]}
        assert trainings.settings_of(tmp_path / "training.yaml")["format"] == "posecli-training"
        assert not list(tmp_path.glob("*partial*"))

    @pytest.mark.slow
    def test_curves(self, tmp_path: Path) -> None:
        run = begun(tmp_path)
        run.errors += [ErrorRow(8, source, scale, 4, 9.0 * scale, 3.0) for source in "ab" for scale in (1.0, 0.5)]
        run.draw_curves()
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / "curves.svg").read_text()

    @pytest.mark.usefixtures("blank_figures")
    def test_curves_without_a_point(self, tmp_path: Path) -> None:
        RunFolder(tmp_path, CONFIG).draw_curves()
        assert (tmp_path / "curves.png").is_file()


class TestFaults:
    @pytest.mark.parametrize("content", [b"", b"no tensors", b"\x10" + b"\0" * 30])
    def test_damaged_state(self, tmp_path: Path, content: bytes) -> None:
        run = begun(tmp_path)
        (tmp_path / STATE_FILE).write_bytes(content)
        with pytest.raises(OutputError, match=r"is damaged .*: pass --restart to begin anew"):
            run.load()

    def test_state_of_something_else(self, tmp_path: Path) -> None:
        from safetensors.numpy import save_file

        run = begun(tmp_path)
        save_file(ARRAYS, tmp_path / STATE_FILE)
        with pytest.raises(OutputError, match="is damaged"):
            run.load()

    def test_state_that_cannot_be_written(self, tmp_path: Path) -> None:
        run = begun(tmp_path)
        (tmp_path / f"{STATE_FILE}.partial").mkdir()
        with pytest.raises(OutputError, match="cannot be written"):
            run.save(ARRAYS, PROGRESS)
        assert RunFolder(tmp_path, CONFIG).load() is not None, "the state before is there"

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputExistsError, match="holds something other than a training"):
            RunFolder(tmp_path / "file", CONFIG)
        with pytest.raises(OutputError, match="cannot be written"):
            RunFolder(tmp_path / "file" / "run", CONFIG)


class TestClaiming:
    def test_another_run_is_refused(self, tmp_path: Path) -> None:
        begun(tmp_path)
        with pytest.raises(OutputExistsError, match=r"holds a run with other settings: .* pass --restart"):
            RunFolder(tmp_path, OTHER)
        assert RunFolder(tmp_path, CONFIG).load() is not None

    def test_a_run_without_a_result_may_be_corrected(self, tmp_path: Path) -> None:
        RunFolder(tmp_path, CONFIG)
        RunFolder(tmp_path, OTHER)
        assert trainings.settings_of(tmp_path / "training.yaml")["seed"] == 1

    @pytest.mark.usefixtures("blank_figures")
    def test_restart_removes_what_a_run_makes_and_nothing_else(self, tmp_path: Path) -> None:
        run = begun(tmp_path)
        write_split(tmp_path / SPLIT_FILE, ["a"], ["b"])
        run.draw_curves()
        projects.write_yaml(run.model / "model.yaml", {})
        (tmp_path / "my notes.txt").touch()
        RunFolder(tmp_path, OTHER, restart=True)
        assert {path.name for path in tmp_path.iterdir()} == {"training.yaml", "my notes.txt"}

    @pytest.mark.parametrize("restart", [False, True])
    def test_a_project_is_never_touched(self, tmp_path: Path, restart: bool) -> None:
        projects.write_project(tmp_path)
        (tmp_path / "model").mkdir()
        before = sorted(path.name for path in tmp_path.rglob("*"))
        with pytest.raises(OutputExistsError, match="holds something other than a training"):
            RunFolder(tmp_path, CONFIG, restart=restart)
        assert sorted(path.name for path in tmp_path.rglob("*")) == before

    def test_settings_of_another_program(self, tmp_path: Path) -> None:
        (tmp_path / "training.yaml").write_text("epochs: 5\n")
        with pytest.raises(OutputExistsError, match="holds something other than a training"):
            RunFolder(tmp_path, CONFIG, restart=True)
