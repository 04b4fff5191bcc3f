"""CONFIG.yaml of a network for behaviours: every wrong key, value and kind is named in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import projects

from posecli.errors import UsageError
from posecli.training.clip_config import ClipAugment, ClipConfig, ClipOptions, ClipSource
from posecli.training.config import read_train_config
from posecli.training.settings import Phase

BASE: dict[str, Any] = {
    "name": "n",
    "classes": ["rest", "walk"],
    "data": [{"intervals": "i.csv"}],
    "phases": [{"steps": 10, "warm_up": 1}],
}


def read(folder: Path, **settings: Any) -> ClipConfig:
    content = {key: value for key, value in (BASE | settings).items() if value != "gone"}
    config = read_train_config(projects.write_yaml(folder / "my c.yaml", content))
    assert isinstance(config, ClipConfig)
    return config


def test_defaults(tmp_path: Path) -> None:
    source, phase = ClipSource(intervals=tmp_path / "i.csv"), Phase(10, warm_up=1)
    assert read(tmp_path) == ClipConfig(name="n", classes=("rest", "walk"), data=(source,), phases=(phase,))


def test_every_kind_of_value(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        data=["a.csv", {"scene": "home-cage", "seeds": 3, "held_out_seeds": 1, "frames": 200, "weight": 2}],
        clips={"length": 16, "frame_step": 2, "height": 64, "width": 48, "still": True},
        held_out_videos=["a.mp4"],
        network_width=0.25,
        class_balance=False,
        augment={"zoom": 0.2},
        initial_weights="m",
    )
    assert config.data[0] == ClipSource(intervals=tmp_path / "a.csv")
    assert config.data[1] == ClipSource(scene="home-cage", seeds=3, held_out_seeds=1, frames=200, weight=2.0)
    assert config.clips == ClipOptions(16, 2, 64, 48, still=True)
    assert config.clips.span == 32
    assert config.augment == ClipAugment(zoom=0.2)
    assert (config.held_out_videos, config.network_width, config.class_balance) == (("a.mp4",), 0.25, False)
    assert config.initial_weights == str(tmp_path / "m")


def test_every_setting_is_in_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(tmp_path)
    others = [
        replace(config, seed=1),
        replace(config, classes=("walk", "rest")),
        replace(config, clips=ClipOptions(still=True)),
        replace(config, data=(ClipSource(scene="home-cage"),)),
        replace(config, data=(ClipSource(intervals=tmp_path / "j.csv"),)),
        replace(config, augment=ClipAugment(mirror=0)),
    ]
    assert len({item.fingerprint for item in (config, *others)}) == 7
    monkeypatch.chdir(tmp_path)
    assert read_train_config(Path("my c.yaml")).fingerprint == config.fingerprint, "from another folder"


PHASE = {"steps": 10, "warm_up": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nane": "x"}, "has an unknown key 'nane': it knows name, data, phases, initial_weights"),
        ({"bodyparts": ["snout"]}, "has 'classes', as for a network for behaviours, and 'bodyparts', as for a pose"),
        ({"net_type": "resnet_50"}, "and 'net_type', as for a pose network: keep one"),
        ({"data": [{"labels": "p"}]}, "'labels' are body parts and teach a pose network"),
        ({"data": [{}]}, "needs either 'intervals' (a table) or 'scene' (a name)"),
        ({"data": [{"intervals": "i", "scene": "home-cage"}]}, "needs either 'intervals' (a table) or 'scene'"),
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
        ({"augment": {"mirror": 2}}, "mirror 2.0 is no probability"),
        ({"augment": {"speed": 0.9}}, "speed 0.9 is out of range: give 0 to 0.5"),
        ({"held_out_videos": "a.mp4"}, "held_out_videos 'a.mp4' is not a list"),
        ({"precision": "fp16"}, "precision 'fp16' is not known"),
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
