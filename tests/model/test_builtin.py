"""The built-in network: whole, small, documented, and it finds the mouse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from posecli.errors import ModelError
from posecli.evaluation import ALL, EvaluateOptions, evaluate_frames
from posecli.labels import read_labeled_data, read_split
from posecli.model import builtin
from posecli.model.builtin import BUILTIN_FOLDER, builtin_model_path
from posecli.model.folder import read_model_folder
from posecli.model.int8 import has_int8, read_int8_plan
from posecli.options import EngineOptions
from posecli.predictor import load_model
from posecli.synthetic import SceneOptions, open_scene

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
    for run, name in zip(runs, ("", "-refined", "-robust", "-hidden"), strict=True):
        made = run["config"]
        recipe = yaml.safe_load((configs / f"train-mouse-from-above{name}.yaml").read_text(encoding="utf-8"))
        assert [phase["steps"] for phase in made["phases"]] == [phase["steps"] for phase in recipe["phases"]]
        assert made["initial_weights"] == recipe["initial_weights"]
        assert "/" not in made["data"][0]["labels"], "no path of the machine that it was made on"


def test_an_installation_without_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(builtin, "BUILTIN_FOLDER", tmp_path)
    with pytest.raises(ModelError, match="--model"):
        builtin_model_path()


def test_a_rendered_mouse_that_it_has_never_seen_is_found() -> None:
    model = load_model(builtin_model_path(), EngineOptions(precision="fp32"))
    scene = open_scene(SceneOptions("trail-tracking", seed=SEED))
    frames = [scene.frame(index) for index in (100, 700, 1300, 1900)]
    found = model.predict(np.stack([frame.image for frame in frames]), batch_size=4)
    errors = [np.linalg.norm(pose[:, :2] - frame.points, axis=1) for pose, frame in zip(found, frames, strict=True)]
    seen = np.concatenate([error[frame.visible] for error, frame in zip(errors, frames, strict=True)])
    assert len(seen) >= 8
    assert np.median(seen) < 4.0


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
