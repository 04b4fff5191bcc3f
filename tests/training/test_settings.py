"""CONFIG.yaml of either kind: every wrong key, value and kind is named in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import projects, trainings

from posecli.errors import UsageError
from posecli.training import read_train_config
from posecli.training.config import (
    AugmentOptions,
    BehaviourConfig,
    ClipAugment,
    ClipOptions,
    IntervalSource,
    Phase,
    PoseConfig,
    PosePhase,
    PoseSource,
    TrainConfig,
)

ROOT = Path(__file__).resolve().parents[2]
#: The smallest file of each kind.
POSES: dict[str, Any] = {"name": "n", "data": [{"labels": "p"}], "phases": [{"steps": 10, "warm_up": 1}]}
BEHAVIOURS: dict[str, Any] = POSES | {"classes": ["rest", "walk"], "data": [{"intervals": "i.csv"}]}


def read_any(folder: Path, base: dict[str, Any], **settings: Any) -> TrainConfig:
    content = {key: value for key, value in (base | settings).items() if value != "gone"}
    return read_train_config(projects.write_yaml(folder / "my c.yaml", content))


def read(folder: Path, **settings: Any) -> PoseConfig:
    config = read_any(folder, POSES, **settings)
    assert isinstance(config, PoseConfig)
    return config


def read_behaviours(folder: Path, **settings: Any) -> BehaviourConfig:
    config = read_any(folder, BEHAVIOURS, **settings)
    assert isinstance(config, BehaviourConfig)
    return config


class TestReading:
    def test_defaults(self, tmp_path: Path) -> None:
        config = read(tmp_path)
        assert config == PoseConfig(
            name="n", data=(PoseSource(labels=tmp_path / "p"),), phases=(PosePhase(10, warm_up=1),)
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
        assert config.data[1] == PoseSource(scene="treadmill", weight=2.0, seeds=3)
        assert [phase.learning_rate for phase in config.phases] == [1e-3, 1e-3]
        assert config.steps == 510
        assert config.bodyparts == ("a", "1")
        assert config.mirror_pairs == (("a", "1"),)
        assert config.held_out == ("x.png", "y.png")
        assert config.augment.scales == (1.0, 0.5)
        assert config.initial_weights == str(tmp_path / "m")

    def test_defaults_of_behaviours(self, tmp_path: Path) -> None:
        source, phase = IntervalSource(intervals=tmp_path / "i.csv"), Phase(10, warm_up=1)
        assert read_behaviours(tmp_path) == BehaviourConfig(
            name="n", classes=("rest", "walk"), data=(source,), phases=(phase,)
        )

    def test_every_kind_of_value_of_behaviours(self, tmp_path: Path) -> None:
        config = read_behaviours(
            tmp_path,
            data=["a.csv", {"scene": "home-cage", "seeds": 3, "held_out_seeds": 1, "frames": 200, "weight": 2}],
            clips={"length": 16, "frame_step": 2, "height": 64, "width": 48, "still": True},
            held_out_videos=["a.mp4"],
            network_width=0.25,
            class_balance=False,
            augment={"zoom": 0.2},
            initial_weights="m",
        )
        assert config.data[0] == IntervalSource(intervals=tmp_path / "a.csv")
        assert config.data[1] == IntervalSource(scene="home-cage", seeds=3, held_out_seeds=1, frames=200, weight=2.0)
        assert config.clips == ClipOptions(16, 2, 64, 48, still=True)
        assert config.clips.span == 32
        assert config.augment == ClipAugment(zoom=0.2)
        assert (config.held_out_videos, config.network_width, config.class_balance) == (("a.mp4",), 0.25, False)
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
    @pytest.mark.parametrize("base", [POSES, BEHAVIOURS])
    def test_it_is_the_same_from_another_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: dict[str, Any]
    ) -> None:
        config = read_any(tmp_path / "a", base, initial_weights="m")
        monkeypatch.chdir(tmp_path / "a")
        again = read_train_config(Path("my c.yaml"))
        assert again.data != config.data
        assert again.fingerprint == config.fingerprint

    def test_every_setting_is_in_it(self, tmp_path: Path) -> None:
        config = read(tmp_path)
        others = [
            replace(config, seed=1),
            replace(config, data=(PoseSource(labels=tmp_path / "q"),)),
            replace(config, data=(PoseSource(scene="treadmill"),)),
            replace(config, data=(replace(config.data[0], augment=AugmentOptions(mirror=0)),)),
            replace(config, phases=(PosePhase(10, warm_up=2),)),
            replace(config, augment=replace(config.augment, rotation=10)),
            replace(config, initial_weights="m"),
        ]
        assert len({item.fingerprint for item in (config, *others)}) == 8

    def test_every_setting_of_behaviours_is_in_it(self, tmp_path: Path) -> None:
        config = read_behaviours(tmp_path)
        others = [
            replace(config, seed=1),
            replace(config, classes=("walk", "rest")),
            replace(config, clips=ClipOptions(still=True)),
            replace(config, data=(IntervalSource(scene="home-cage"),)),
            replace(config, data=(IntervalSource(intervals=tmp_path / "j.csv"),)),
            replace(config, augment=ClipAugment(mirror=0)),
        ]
        assert len({item.fingerprint for item in (config, *others)}) == 7


PHASE = {"steps": 10, "warm_up": 1}


WRONG: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], str]]]] = {
    "poses": (POSES, [
        ({"nane": "x"}, "has an unknown key 'nane': it knows name, data, phases"),
        ({"name": "gone"}, "lacks 'name': add it"),
        ({"name": "a/b"}, "name 'a/b' cannot name a network"),
        ({"name": ["a"]}, "name ['a'] is not a text"),
        ({"name": True}, "name True is not a text"),
        ({"data": "gone"}, "lacks 'data': add it"),
        ({"data": "p"}, "data 'p' is not a list: begin each entry with '-'"),
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
        ({"data": [{"scene": "treadmill", "occlusion": 2}]}, "occlusion 2.0 is not a probability: give 0 to 1"),
        ({"data": [{"scene": "treadmill", "seeds": 1.5}]}, "seeds 1.5 is not a whole number"),
        ({"phases": []}, "one under 'phases'"),
        ({"phases": PHASE}, "is not a list: begin each entry with '-'"),
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
        ({"phases": [PHASE | {"batch_norm": False}]}, "batch_norm False is not known"),
        ({"phases": [PHASE | {"learning_rate": -1}]}, "learning_rate -1.0 is too small"),
        ({"phases": [PHASE | {"learning_rate": float("nan")}]}, "learning_rate nan is not a number"),
        ({"net_type": "resnet_18"}, "net_type 'resnet_18' is not known: choose one of resnet_50"),
        ({"bodyparts": "snout"}, "bodyparts 'snout' is not a list"),
        ({"bodyparts": ["a", "b", "a"]}, "bodyparts has 'a' more than once"),
        ({"bodyparts": [True]}, "bodyparts True is not a text: put it in quotes"),
        ({"mirror_pairs": "left"}, "mirror_pairs 'left' is not a list: write it as"),
        ({"mirror_pairs": [["a", "b", "c"]]}, "mirror_pairs ['a', 'b', 'c'] has 3 entries: give 2"),
        ({"mirror_pairs": [["a", "b"], ["b", "c"]]}, "mirror_pairs has 'b' more than once"),
        ({"held_out": 1}, "held_out 1.0 is out of range: give a share below 1"),
        ({"held_out": -0.1}, "held_out -0.1 is out of range"),
        ({"held_out": "img.png"}, "held_out 'img.png' is neither a share nor a list"),
        ({"held_out": {"a": 1}}, "held_out {'a': 1} is not a number"),
        ({"initial_weights": ["a"]}, "initial_weights ['a'] is not a text"),
        ({"initial_sha256": "abc"}, "initial_sha256 'abc' is not a SHA-256"),
        ({"augment": []}, "augment holds [] where settings are expected"),
        ({"augment": {"rotate": 5}}, "augment has an unknown key 'rotate'"),
        ({"augment": {"scales": 0.5}}, "scales 0.5 is not a list"),
        ({"augment": {"scales": ["big"]}}, "scales 'big' is not a number"),
        ({"augment": {"scales": []}}, "scales [] are out of range"),
        ({"augment": {"scales": [0]}}, "scales [0.0] are out of range"),
        ({"augment": {"scale_jitter": 0.5}}, "scale_jitter 0.5 is out of range"),
        ({"augment": {"rotation": 200}}, "rotation 200.0 is out of range: give 0 to 180 degrees"),
        ({"augment": {"mirror": 1.5}}, "mirror 1.5 is not a probability"),
        ({"weight_decay": -1}, "weight_decay -1.0 is below 0"),
        ({"locref_weight": -1}, "locref_weight -1.0 is below 0"),
        ({"seed": -1}, "seed -1 is below 0"),
        ({"pcutoff": 2}, "pcutoff 2.0 is not a probability"),
        ({"precision": "fp16"}, "precision 'fp16' is not known: choose one of auto, fp32, bf16"),
        ({"evaluate_every": 0}, "evaluate_every 0 is too small"),
        ({"checkpoint_every": -5}, "checkpoint_every -5 is too small"),
    ]),
    "behaviours": (BEHAVIOURS, [
        ({"nane": "x"}, "has an unknown key 'nane': it knows name, data, phases, initial_weights"),
        ({"bodyparts": ["snout"]}, "has 'classes', as for a network for behaviours, and 'bodyparts', as for a pose"),
        ({"net_type": "resnet_50"}, "and 'net_type', as for a pose network: keep one"),
        ({"data": [{"labels": "p"}]}, "'labels' are body parts and teach a pose network"),
        ({"data": [{}]}, "needs either 'intervals' (a path) or 'scene' (a name)"),
        ({"data": [{"intervals": "i", "scene": "home-cage"}]}, "needs either 'intervals' (a path) or 'scene'"),
        ({"data": [{"scene": "treadmill"}]}, "scene 'treadmill' is not known: choose one of home-cage"),
        ({"data": [{"scene": "home-cage", "frames": 0}]}, "frames 0 is too small"),
        ({"data": []}, "needs at least one entry under 'data'"),
        ({"classes": ["rest"]}, "classes ['rest'] leave nothing to tell apart"),
        ({"classes": ["rest", "rest"]}, "classes has 'rest' more than once"),
        ({"classes": "rest"}, "classes 'rest' is not a list"),
        ({"clips": {"length": 8}}, "length 8 is out of range: give 9 to 512 frames"),
        ({"clips": {"frame_step": 0}}, "frame_step 0 is too small"),
        ({"clips": {"height": 16}}, "height 16 is out of range: give 32 to 1024 px"),
        ({"clips": {"still": "very"}}, "still 'very' is neither true nor false"),
        ({"clips": {"stride": 5}}, "clips has an unknown key 'stride'"),
        ({"phases": [PHASE | {"crop": 64}]}, "phases has an unknown key 'crop'"),
        ({"phases": [PHASE | {"batch_norm": "off"}]}, "batch_norm 'off' is not known: choose one of batch, frozen"),
        ({"phases": [{"steps": 5}]}, "warm_up 100 does not fit"),
        ({"network_width": 0}, "network_width 0.0 is out of range"),
        ({"dropout": 1}, "dropout 1.0 is out of range: give a share below 1"),
        ({"label_smoothing": -0.1}, "label_smoothing -0.1 is out of range"),
        ({"class_balance": 1}, "class_balance 1 is neither true nor false"),
        ({"augment": {"mirror": 2}}, "mirror 2.0 is not a probability"),
        ({"augment": {"speed": 0.9}}, "speed 0.9 is out of range: give 0 to 0.5"),
        ({"held_out_videos": "a.mp4"}, "held_out_videos 'a.mp4' is not a list"),
        ({"precision": "fp16"}, "precision 'fp16' is not known"),
    ]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("base", "settings", "words"),
    [
        pytest.param(base, settings, words, id=f"{kind}-{str(settings)[:60]}")
        for kind, (base, cases) in WRONG.items()
        for settings, words in cases
    ],
)
def test_wrong_settings(tmp_path: Path, base: dict[str, Any], settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        read_any(tmp_path, base, **settings)
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
