"""The built-in network: whole, small, documented, and it finds the mouse."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from click.testing import CliRunner
from support import projects

from posecli.cli import cli
from posecli.errors import ModelError
from posecli.evaluation import ALL, EvaluateOptions, evaluate_frames
from posecli.inference.predictor import load_clip_model, load_model
from posecli.labels import read_labeled_data
from posecli.labels.data import read_split
from posecli.model import folder as folder_module
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.folder import BUILTIN_FOLDER, builtin_model_path, has_int8, read_int8_plan, read_model_folder
from posecli.model.importing import open_model
from posecli.options import EngineOptions
from posecli.synthetic import SceneOptions, open_scene, write_sample

#: A seed that no training video has: those begin at a million.
SEED = 11


def test_the_folder_is_whole_small_and_has_an_eight_bit_version() -> None:
    folder = read_model_folder(builtin_model_path())
    assert folder.description.bodyparts == ("snout", "leftear", "rightear", "tailbase")
    folder.weights()
    assert has_int8(folder)
    assert len(read_int8_plan(folder).ranges) > 30
    size = sum(path.stat().st_size for path in BUILTIN_FOLDER.iterdir())
    assert size < 50_000_000


def test_the_recipes_in_the_folder_are_those_in_configs() -> None:
    runs = read_model_folder(BUILTIN_FOLDER).description.source["of"]
    configs = Path(__file__).resolve().parents[2] / "configs"
    for run, name in zip(runs, ("", "-refined", "-robust", "-hidden", "-longer"), strict=True):
        made = run["config"]
        recipe = yaml.safe_load((configs / f"train-mouse-from-above{name}.yaml").read_text(encoding="utf-8"))
        assert [phase["steps"] for phase in made["phases"]] == [phase["steps"] for phase in recipe["phases"]]
        assert made["initial_weights"] == recipe["initial_weights"]
        assert "/" not in made["data"][0]["labels"], "no path of the machine that it was made on"


def test_an_installation_without_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder_module, "BUILTIN_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="--model"):
        builtin_model_path()


class TestNames:
    def test_they_stand_for_the_folders(self) -> None:
        assert open_model(Path("built-in")).path == BUILTIN_FOLDER
        assert load_clip_model("built-in-behaviours").description.classes
        with pytest.raises(ModelError, match="holds one network"):
            open_model(Path("built-in"), NetworkChoice(shuffle=2))

    def test_what_lies_there_under_that_name_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        projects.model_folder(tmp_path).path.rename("built-in")
        assert open_model(Path("built-in")).path == Path("built-in")

    @pytest.mark.slow
    def test_commands_know_them(self, tmp_path: Path) -> None:
        shown = CliRunner().invoke(cli, ["model", "info", "built-in", "--json"], catch_exceptions=False)
        assert json.loads(shown.stdout)["bodyparts"] == ["snout", "leftear", "rightear", "tailbase"]
        copy = str(tmp_path / "copy")
        done = CliRunner().invoke(cli, ["model", "compact", "built-in", "-o", copy], catch_exceptions=False)
        assert done.exit_code == 0
        ours, theirs = read_model_folder(Path(copy)).weights(), read_model_folder(BUILTIN_FOLDER).weights()
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)

    def test_they_are_not_calibrated_in_place(self) -> None:
        command = ["model", "quantize", "built-in", "--calibrate", "video.mp4"]
        result = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert result.exit_code == 2
        assert "copy it first with 'posecli model compact built-in -o FOLDER'" in result.stderr

    @pytest.mark.slow
    def test_evaluate_takes_them(self, tmp_path: Path) -> None:
        video = tmp_path / "mouse.mp4"
        write_sample(SceneOptions("trail-tracking", frames=2, width=160, height=120, seed=SEED), video)
        command = ["evaluate", "built-in", str(video), "--scales", "1", "--json"]
        result = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["model"] == "built-in"


def errors_on_rendered(seed: int, indices: Iterable[int]) -> npt.NDArray[np.float64]:
    """Distances from the truth of all points that can be seen, px."""
    model = load_model(builtin_model_path(), EngineOptions(precision="fp32"))
    scene = open_scene(SceneOptions("trail-tracking", seed=seed))
    frames = [scene.frame(index) for index in indices]
    found = model.predict(np.stack([frame.image for frame in frames]), batch_size=4)
    errors = [np.linalg.norm(pose[:, :2] - frame.points, axis=1) for pose, frame in zip(found, frames, strict=True)]
    return np.concatenate([error[frame.visible] for error, frame in zip(errors, frames, strict=True)])


@pytest.mark.slow
def test_a_rendered_mouse_that_it_has_never_seen_is_found() -> None:
    errors = errors_on_rendered(SEED, (100, 1300))
    assert len(errors) >= 4
    assert np.median(errors) < 4.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SEED, 71])
def test_rendered_mice_are_found_all_the_way(seed: int) -> None:
    errors = errors_on_rendered(seed, range(0, 2330, 96))
    assert len(errors) > 75
    assert errors.mean() < 3.0, "every point counts, whatever its likelihood"


@pytest.mark.slow
def test_real_mice_kept_out_of_training_are_found(shared_data: Path) -> None:
    _, held_out = read_split(BUILTIN_FOLDER / "split.yaml", read_labeled_data(shared_data / "openfield"))
    assert len(held_out.frames) == 9
    model = load_model(builtin_model_path(), EngineOptions(precision="fp32"))
    evaluation = evaluate_frames(model, held_out, options=EvaluateOptions(scales=(1.0, 0.5, 0.25)))
    full, half, quarter = (evaluation.summary(ALL, scale) for scale in evaluation.scales)
    assert full.mean < 4.0
    assert full.median < 3.0
    assert half.mean < 6.0
    assert quarter.mean < 10.0
