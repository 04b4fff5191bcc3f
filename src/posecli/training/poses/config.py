"""What training of a pose network is made of: ``CONFIG.yaml`` as frozen values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from posecli.errors import UsageError
from posecli.network.architectures import POSE_NETWORKS
from posecli.synthetic.options import SCENES, SceneOptions
from posecli.training.poses.rows import ErrorRow, PoseLossRow
from posecli.training.settings import (
    Names,
    NotNegative,
    Phase,
    Positive,
    Settings,
    Share,
    TrainConfig,
    config_of,
    distinct,
    number_of,
    one_of,
    settings_of,
    text_of,
    within,
)

SHA256 = re.compile("[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class AugmentOptions(Settings):
    """What is done to an example."""

    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    scale_jitter: Annotated[float, within(1, 4)] = math.sqrt(2)
    rotation: Annotated[float, within(0, 180, "degrees")] = 180.0
    mirror: Share = 0.5
    light: Annotated[float, within(0, 2)] = 1.0
    blur: Share = 0.15
    noise: Share = 0.2
    occlusion: Share = 0.15
    jpeg: Share = 0.1
    h264: Share = 0.1
    clutter: Share = 0.0
    background: Share = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scales or not all(0 < scale <= 4 for scale in self.scales):
            raise UsageError(f"scales {list(self.scales)} are out of range: give factors above 0 and at most 4")


@dataclass(frozen=True)
class PoseSource(Settings):
    """Where examples come from: labelled images, or a synthetic scene."""

    SHORT_FOR = "labels"
    FOREIGN = {  # noqa: RUF012
        "intervals": "'intervals' teach a network for behaviours, but these are the settings of a pose network: name "
        "the behaviours under 'classes' instead of body parts, or give 'labels'"
    }

    labels: Path | None = None
    scene: Annotated[str | None, one_of(SCENES)] = None
    weight: Positive[float] = 1.0
    seeds: Positive[int] = 256
    occlusion: Share = SceneOptions.occlusion
    augment: AugmentOptions | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.labels is None) == (self.scene is None):
            raise UsageError("a data source needs either 'labels' (a path) or 'scene' (a name): give one of them")


@dataclass(frozen=True)
class PosePhase(Phase):
    """A stretch of training; `batch_size` is that of crops of `crop` px, and smaller frames come in larger batches."""

    crop: Annotated[int, within(32, 1024, "px")] = 160
    framing: Literal["crops", "frames"] = "crops"


@dataclass(frozen=True, kw_only=True)
class PoseConfig(TrainConfig):
    """A whole training run of a pose network."""

    LOSSES = PoseLossRow
    MEASURES = ErrorRow

    data: tuple[PoseSource, ...]
    phases: tuple[PosePhase, ...]
    net_type: Annotated[str, one_of(tuple(POSE_NETWORKS))] = "resnet_50"
    bodyparts: Names = ()
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    held_out: float | tuple[str, ...] = 0.1
    initial_sha256: str = ""
    augment: AugmentOptions = AugmentOptions()
    locref_weight: NotNegative[float] = 0.05
    pcutoff: Share = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("mirror_pairs", [part for pair in self.mirror_pairs for part in pair])
        if self.initial_sha256 and not SHA256.fullmatch(self.initial_sha256):
            raise UsageError(f"initial_sha256 '{self.initial_sha256}' is not a SHA-256: give 64 hexadecimal digits")
        if isinstance(self.held_out, float) and not 0 <= self.held_out < 1:
            raise UsageError(f"held_out {self.held_out} is out of range: give a share below 1, or names of images")


def pose_config(content: dict[str, Any], folder: Path) -> PoseConfig:
    """The settings in a file's content; paths are relative to `folder`.

    Raises
    ------
    UsageError
        If a key is unknown or a value of the wrong kind.
    """
    augment = {} if content.get("augment") is None else content["augment"]
    made: dict[str, Any] = {"augment": settings_of(AugmentOptions, augment, "augment", folder)}
    if isinstance(content.get("data"), list):
        made["data"] = [_with_augment(source, augment, folder) for source in content["data"]]
    if content.get("held_out") is not None:
        made["held_out"] = _held_out(content["held_out"])
    return config_of(PoseConfig, content | made, folder)


def _with_augment(source: Any, run: dict[str, Any], folder: Path) -> Any:
    """A source, its own settings of `augment` laid over those of the run."""
    own = source.get("augment") if isinstance(source, dict) else None
    if own is None:
        return source
    if isinstance(own, dict):
        given = {key: value for key, value in own.items() if value is not None}
        for key in ("scales", "scale_jitter"):
            if key in given:
                raise UsageError(
                    f"a source has '{key}' of its own, but a batch mixes sources: move it to the run's augment"
                )
        own = run | given
    return source | {"augment": settings_of(AugmentOptions, own, "augment of a source", folder)}


def _held_out(value: Any) -> float | tuple[str, ...]:
    if isinstance(value, list):
        return tuple(text_of("held_out", name) for name in value)
    if isinstance(value, str):
        raise UsageError(f"held_out '{value}' is neither a share nor a list: give a number below 1, or - name lines")
    return number_of("held_out", value)
