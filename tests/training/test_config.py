"""CONFIG.yaml: every wrong key, value and kind is named in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import projects, trainings

from posecli.errors import UsageError
from posecli.training.config import read_train_config
from posecli.training.pose_config import AugmentOptions, DataSource, PoseConfig, PosePhase

ROOT = Path(__file__).resolve().parents[2]
BASE: dict[str, Any] = {"name": "n", "data": [{"labels": "p"}], "phases": [{"steps": 10, "warm_up": 1}]}


def read(folder: Path, **settings: Any) -> PoseConfig:
    content = {key: value for key, value in (BASE | settings).items() if value != "gone"}
    config = read_train_config(projects.write_yaml(folder / "my c.yaml", content))
    assert isinstance(config, PoseConfig)
    return config


class TestReading:
    def test_defaults(self, tmp_path: Path) -> None:
        config = read(tmp_path)
        assert config == PoseConfig(
            name="n", data=(DataSource(labels=tmp_path / "p"),), phases=(PosePhase(10, warm_up=1),)
        )
        assert config.steps == 10

    def test_every_kind_of_value(self, tmp_path: Path) -> None:
        config = read(
            tmp_path,
            name=2024,
            data=["p", {"scene": "treadmill", "weight": 2, "seeds": 3.0}],
            phases=[{"steps": 10, "warm_up": 0, "learning_rate": "1e-3", "batch_norm": "frozen"}, {"steps": 500}],
            bodyparts=["a", 1],
            mirror_pairs=[["a", 1]],
            held_out=["x.png", "y.png"],
            augment={"scales": [1, 0.5], "mirror": 1},
            initial_weights="m",
            seed=7,
        )
        assert config.name == "2024"
        assert config.data[1] == DataSource(scene="treadmill", weight=2.0, seeds=3)
        assert [phase.learning_rate for phase in config.phases] == [1e-3, 1e-3]
        assert config.steps == 510
        assert config.bodyparts == ("a", "1")
        assert config.mirror_pairs == (("a", "1"),)
        assert config.held_out == ("x.png", "y.png")
        assert config.augment.scales == (1.0, 0.5)
        assert config.initial_weights == str(tmp_path / "m")

    @pytest.mark.parametrize("name", ["scratch", "imagenet", "built-in"])
    def test_names_of_weights_are_no_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.chdir(tmp_path)
        config = read(tmp_path, initial_weights=name)
        assert config.initial_weights == name
        hashed = config.fingerprint
        monkeypatch.chdir(tmp_path.parent)
        assert config.fingerprint == hashed

    def test_a_key_without_a_value_is_not_given(self, tmp_path: Path) -> None:
        empty = dict.fromkeys(("bodyparts", "mirror_pairs", "augment", "seed", "held_out", "initial_weights"))
        assert read(tmp_path, **empty) == read(tmp_path)

    def test_a_source_s_own_augmentation_lies_over_the_run_s(self, tmp_path: Path) -> None:
        config = read(
            tmp_path,
            data=[{"labels": "p", "augment": {"rotation": 20, "mirror": 0, "clutter": None}}, {"scene": "treadmill"}],
            augment={"scales": [1], "mirror": 0.25, "clutter": 0.5},
        )
        assert config.data[0].augment == AugmentOptions(scales=(1.0,), rotation=20.0, mirror=0.0, clutter=0.5)
        assert config.data[1].augment is None

    def test_paths_may_be_absolute(self, tmp_path: Path) -> None:
        assert read(tmp_path, data=["/somewhere/else"]).data[0].labels == Path("/somewhere/else")

    @pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("train-*.yaml")), ids=lambda path: path.name)
    def test_the_ready_files_can_be_read(self, path: Path) -> None:
        assert read_train_config(path).steps > 0


class TestFingerprint:
    def test_it_is_the_same_from_another_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = read(tmp_path / "a", initial_weights="m")
        monkeypatch.chdir(tmp_path / "a")
        again = read_train_config(Path("my c.yaml"))
        assert isinstance(again, PoseConfig)
        assert again.data != config.data
        assert again.fingerprint == config.fingerprint

    def test_every_setting_is_in_it(self, tmp_path: Path) -> None:
        config = read(tmp_path)
        others = [
            replace(config, seed=1),
            replace(config, data=(DataSource(labels=tmp_path / "q"),)),
            replace(config, data=(DataSource(scene="treadmill"),)),
            replace(config, data=(replace(config.data[0], augment=AugmentOptions(mirror=0)),)),
            replace(config, phases=(PosePhase(10, warm_up=2),)),
            replace(config, augment=replace(config.augment, rotation=10)),
            replace(config, initial_weights="m"),
        ]
        assert len({item.fingerprint for item in (config, *others)}) == 8


PHASE = {"steps": 10, "warm_up": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nane": "x"}, "has an unknown key 'nane': it knows name, data, phases"),
        ({"name": "gone"}, "lacks 'name': add it"),
        ({"name": "a/b"}, "name 'a/b' cannot name a network"),
        ({"name": ["a"]}, "name ['a'] is not a text"),
        ({"name": True}, "name True is not a text"),
        ({"data": "gone"}, "needs at least one entry under 'data'"),
        ({"data": "p"}, "'data' is not a list"),
        ({"data": [None]}, "needs either 'labels' (a path) or 'scene' (a name)"),
        ({"data": [{"labels": "p", "scene": "treadmill"}]}, "needs either 'labels' (a path) or 'scene' (a name)"),
        ({"data": [{"labels": ["p"]}]}, "labels ['p'] is not a text"),
        (
            {"data": [{"labels": "p", "wait": 1}]},
            "data has an unknown key 'wait': it knows labels, scene, weight",
        ),
        (
            {"data": [{"labels": "p", "augment": {"scales": [1]}}]},
            "a source has 'scales' of its own, but a batch mixes sources",
        ),
        ({"data": [{"labels": "p", "augment": {"turn": 1}}]}, "augment of a source has an unknown key 'turn'"),
        ({"data": [{"labels": "p", "augment": [1]}]}, "augment of a source holds [1] where settings are expected"),
        (
            {"data": [{"intervals": "i.csv"}]},
            "'intervals' teach a network for behaviours, but these are the settings of a pose network",
        ),
        ({"data": [{"scene": "home-cage"}]}, "scene 'home-cage' is not known: choose one of trail-tracking"),
        ({"data": [{"scene": "treadmil"}]}, "scene 'treadmil' is not known: choose one of trail-tracking, treadmill"),
        ({"data": [{"labels": "p", "weight": 0}]}, "weight 0.0 is too small"),
        ({"data": [{"scene": "treadmill", "occlusion": 2}]}, "occlusion 2.0 is no probability: give 0 to 1"),
        ({"data": [{"scene": "treadmill", "seeds": 1.5}]}, "seeds 1.5 is not a whole number"),
        ({"phases": []}, "one under 'phases'"),
        ({"phases": PHASE}, "'phases' is not a list"),
        ({"phases": [5]}, "phases holds 5 where settings are expected"),
        ({"phases": [{"crop": 64}]}, "phases lacks 'steps'"),
        ({"phases": [{"steps": 0}]}, "steps 0 is too small"),
        ({"phases": [{"steps": "many"}]}, "steps 'many' is not a number"),
        ({"phases": [{"steps": 2.5}]}, "steps 2.5 is not a whole number"),
        ({"phases": [{"steps": True}]}, "steps True is not a number"),
        ({"phases": [{"steps": 5}]}, "warm_up 100 does not fit: give fewer than the phase's 5 steps"),
        ({"phases": [PHASE | {"crop": 8}]}, "crop 8 is out of range: give 32 to 1024 px"),
        ({"phases": [PHASE | {"framing": "whole"}]}, "framing 'whole' is not known: choose one of crops, frames"),
        ({"phases": [PHASE | {"batch_norm": "off"}]}, "batch_norm 'off' is not known: choose one of batch, frozen"),
        ({"phases": [PHASE | {"batch_norm": False}]}, "batch_norm 'False' is not known"),
        ({"phases": [PHASE | {"learning_rate": -1}]}, "learning_rate -1.0 is too small"),
        ({"phases": [PHASE | {"learning_rate": float("nan")}]}, "learning_rate nan is not a number"),
        ({"net_type": "resnet_18"}, "net_type 'resnet_18' is not known: choose one of resnet_50"),
        ({"bodyparts": "snout"}, "bodyparts 'snout' is not a list"),
        ({"bodyparts": ["a", "b", "a"]}, "bodyparts has 'a' more than once"),
        ({"bodyparts": [True]}, "bodyparts True is not a text: put it in quotes"),
        ({"mirror_pairs": "left"}, "'mirror_pairs' is not a list"),
        ({"mirror_pairs": [["a", "b", "c"]]}, "mirror pair ['a', 'b', 'c'] is not two body parts"),
        ({"mirror_pairs": [["a", "b"], ["b", "c"]]}, "mirror_pairs has 'b' more than once"),
        ({"held_out": 1}, "held_out 1.0 is out of range: give a share below 1"),
        ({"held_out": -0.1}, "held_out -0.1 is out of range"),
        ({"held_out": "img.png"}, "held_out 'img.png' is neither a share nor a list"),
        ({"held_out": {"a": 1}}, "held_out {'a': 1} is not a number"),
        ({"initial_weights": ["a"]}, "initial_weights ['a'] is not a text"),
        ({"initial_sha256": "abc"}, "initial_sha256 'abc' is no SHA-256"),
        ({"augment": []}, "augment holds [] where settings are expected"),
        ({"augment": {"rotate": 5}}, "augment has an unknown key 'rotate'"),
        ({"augment": {"scales": 0.5}}, "scales 0.5 is not a list"),
        ({"augment": {"scales": ["big"]}}, "scales 'big' is not a number"),
        ({"augment": {"scales": []}}, "scales [] are out of range"),
        ({"augment": {"scales": [0]}}, "scales [0.0] are out of range"),
        ({"augment": {"scale_jitter": 0.5}}, "scale_jitter 0.5 is out of range"),
        ({"augment": {"rotation": 200}}, "rotation 200.0 or light 1.0 is out of range"),
        ({"augment": {"mirror": 1.5}}, "mirror 1.5 is no probability"),
        ({"weight_decay": -1}, "weight_decay -1.0 is below 0"),
        ({"locref_weight": -1}, "locref_weight -1.0 is below 0"),
        ({"seed": -1}, "seed -1 is below 0"),
        ({"pcutoff": 2}, "pcutoff 2.0 is no likelihood"),
        ({"precision": "fp16"}, "precision 'fp16' is not known: choose one of auto, fp32, bf16"),
        ({"evaluate_every": 0}, "evaluate_every 0 is too small"),
        ({"checkpoint_every": -5}, "checkpoint_every -5 is too small"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_wrong_settings(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, **settings)
    message = str(error.value)
    assert message.startswith(f"'{tmp_path / 'my c.yaml'}': ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist: check the path"),
        ("- 5\n", "holds no settings"),
        ("a: [\n", "is not plain YAML at line"),
        ("name: !!python/object/apply:os.system [echo]\n", "has the tag '!!python/object/apply:os.system' at line 1"),
    ],
)
def test_wrong_files(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError) as error:
        read_train_config(path)
    assert words in str(error.value)


def test_a_tiny_run_of_these_tests_can_be_read(tmp_path: Path) -> None:
    assert read_train_config(trainings.write_config(tmp_path / "c.yaml", tmp_path)).steps == 4
