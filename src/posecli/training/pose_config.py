"""What training of a pose network is made of: ``CONFIG.yaml`` as frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from posecli.errors import UsageError
from posecli.network.variables import UNITS_PER_BLOCK
from posecli.synthetic.options import SCENES, SceneOptions
from posecli.training.rows import POSE_ROWS, RowKinds
from posecli.training.settings import (
    SHA256,
    Phase,
    RunConfig,
    distinct,
    initial_path,
    items_of,
    not_negative,
    number_of,
    one_of,
    positive,
    resolved,
    settings_of,
    shares,
    text_of,
    texts_of,
)

Framing = Literal["crops", "frames"]


@dataclass(frozen=True)
class AugmentOptions:
    """What is done to an example; the shares are probabilities.

    Attributes
    ----------
    scales
        Sizes at which the network will be used, relative to the labelled images; drawn evenly, one that is named twice
        twice as often.
    scale_jitter
        Each scale is multiplied by a factor drawn log-uniformly between the inverse of this and this.
    rotation
        Largest rotation either way, degrees.
    mirror
        Share of mirrored examples, with left and right body parts swapped.
    light
        Strength of changes of brightness, contrast, gamma and tint.
    blur, noise, occlusion, jpeg, h264
        Share of examples with each.
    clutter
        Share of examples whose image is strewn with dark specks, lines and bars.
    background
        Share of crops that show any place of the image, and not one near a body part.
    """

    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    scale_jitter: float = math.sqrt(2)
    rotation: float = 180.0
    mirror: float = 0.5
    light: float = 1.0
    blur: float = 0.15
    noise: float = 0.2
    occlusion: float = 0.15
    jpeg: float = 0.1
    h264: float = 0.1
    clutter: float = 0.0
    background: float = 0.2

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= 4 for scale in self.scales):
            raise UsageError(f"scales {list(self.scales)} are out of range: give factors above 0 and at most 4")
        if not 1 <= self.scale_jitter <= 4:
            raise UsageError(f"scale_jitter {self.scale_jitter} is out of range: give a factor of 1 to 4")
        shares(self, ("mirror", "blur", "noise", "occlusion", "jpeg", "h264", "clutter", "background"))
        if not 0 <= self.rotation <= 180 or not 0 <= self.light <= 2:
            raise UsageError(
                f"rotation {self.rotation} or light {self.light} is out of range: give 0 to 180 degrees, and 0 to 2"
            )


@dataclass(frozen=True)
class DataSource:
    """Where examples come from: labelled images, or a synthetic scene.

    Attributes
    ----------
    labels
        DeepLabCut project, ``labeled-data`` folder or table, as for `posecli.labels.read_labeled_data`.
    scene
        Name of a synthetic scene.
    weight
        How often it is drawn, relative to the other sources.
    seeds
        Number of different synthetic videos to draw from.
    occlusion
        Share of a scene's frames in which something hides a part of the animal.
    augment
        What is done to this source's examples, where it differs from the run's; its scales are the run's.
    """

    labels: Path | None = None
    scene: str | None = None
    weight: float = 1.0
    seeds: int = 256
    occlusion: float = SceneOptions.occlusion
    augment: AugmentOptions | None = None

    def __post_init__(self) -> None:
        if (self.labels is None) == (self.scene is None):
            raise UsageError("a data source needs either 'labels' (a path) or 'scene' (a name): give one of them")
        if self.scene is not None:
            one_of("scene", self.scene, SCENES)
        positive("weight", self.weight)
        positive("seeds", self.seeds)
        shares(self, ("occlusion",))


@dataclass(frozen=True)
class PosePhase(Phase):
    """A stretch of training with settings of its own.

    Attributes
    ----------
    batch_size
        Examples per batch, for crops of `crop` px; smaller frames come in larger batches.
    crop
        Side of the square crops, px of the network's input; frames are cut down to it.
    framing
        ``crops`` mixes all scales in each batch of square crops. ``frames`` shows whole frames where they fit, one
        scale per batch, as they will be at inference, edges included.
    """

    crop: int = 160
    framing: Framing = "crops"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 32 <= self.crop <= 1024:
            raise UsageError(f"crop {self.crop} is out of range: give 32 to 1024 px")
        one_of("framing", self.framing, get_args(Framing))


@dataclass(frozen=True, kw_only=True)
class PoseConfig(RunConfig):
    """A whole training run of a pose network.

    Attributes
    ----------
    net_type
        ``resnet_50``, ``resnet_101`` or ``resnet_152``.
    bodyparts
        In the order of the scoremaps; by default those of the first source.
    mirror_pairs
        Left and right body parts that change places in a mirror.
    held_out
        Labelled images that are kept out of training: a share of them (0 for none), or their names.
    initial_sha256
        What the TensorFlow checkpoint of the backbone (slim's ``resnet_v1_50.ckpt``) must hash to, if the initial
        weights are one.
    augment
        What is done to examples.
    locref_weight
        Weight of the location loss beside the scoremap loss.
    pcutoff
        Likelihood below which a point counts as not seen; written into the model folder.
    """

    SOURCE_PATHS: ClassVar[tuple[str, ...]] = ("labels",)
    rows: ClassVar[RowKinds] = POSE_ROWS

    data: tuple[DataSource, ...]
    phases: tuple[PosePhase, ...]
    net_type: str = "resnet_50"
    bodyparts: tuple[str, ...] = ()
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    held_out: float | tuple[str, ...] = 0.1
    initial_sha256: str = ""
    augment: AugmentOptions = AugmentOptions()
    locref_weight: float = 0.05
    pcutoff: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("net_type", self.net_type, tuple(UNITS_PER_BLOCK))
        distinct("bodyparts", self.bodyparts)
        distinct("mirror_pairs", [part for pair in self.mirror_pairs for part in pair])
        if self.initial_sha256 and not SHA256.fullmatch(self.initial_sha256):
            raise UsageError(f"initial_sha256 '{self.initial_sha256}' is no SHA-256: give 64 hexadecimal digits")
        if isinstance(self.held_out, float) and not 0 <= self.held_out < 1:
            raise UsageError(f"held_out {self.held_out} is out of range: give a share below 1, or names of images")
        not_negative("locref_weight", self.locref_weight)
        if not 0 <= self.pcutoff <= 1:
            raise UsageError(f"pcutoff {self.pcutoff} is no likelihood: give 0 to 1")


def pose_config(content: dict[str, Any], folder: Path) -> PoseConfig:
    """The settings in a file's content; paths are relative to `folder`.

    Raises
    ------
    UsageError
        If a key is unknown or a value of the wrong kind.
    """
    given = {key: value for key, value in content.items() if value is not None}
    augment = given.get("augment", {})
    nested: dict[str, Any] = {
        "augment": settings_of(AugmentOptions, augment, "augment"),  # first: sources build on it
        "data": tuple(_source(item, folder, augment) for item in items_of(given, "data")),
        "phases": tuple(settings_of(PosePhase, item, "phases") for item in items_of(given, "phases")),
        "mirror_pairs": tuple(_pair(item) for item in items_of(given, "mirror_pairs")),
        "held_out": _held_out(given.get("held_out", PoseConfig.held_out)),
    }
    return settings_of(PoseConfig, content | nested | initial_path(content, folder), "the file")


def _source(item: Any, folder: Path, augment: dict[str, Any]) -> DataSource:
    source = dict(item) if isinstance(item, dict) else {"labels": item}
    if "intervals" in source:
        raise UsageError(
            "'intervals' teach a network for behaviours, but these are the settings of a pose network: name the "
            "behaviours under 'classes' instead of body parts, or give 'labels'"
        )
    if source.get("labels") is not None:
        source["labels"] = resolved(text_of("labels", source["labels"]), folder)
    if source.get("augment") is not None:
        source["augment"] = _own_augment(source["augment"], augment)
    return settings_of(DataSource, source, "data")


def _own_augment(own: Any, augment: dict[str, Any]) -> AugmentOptions:
    """The run's settings with those of a source over them."""
    where = "augment of a source"
    if not isinstance(own, dict):
        return settings_of(AugmentOptions, own, where)  # says what is wrong with it
    given = {key: value for key, value in own.items() if value is not None}
    for key in ("scales", "scale_jitter"):
        if key in given:
            raise UsageError(
                f"a source has '{key}' of its own, but a batch mixes sources: move it to the run's augment"
            )
    return settings_of(AugmentOptions, augment | given, where)


def _pair(item: Any) -> tuple[str, str]:
    if not isinstance(item, list) or len(item) != 2:
        raise UsageError(f"mirror pair {item!r} is not two body parts: write it as [left, right]")
    return text_of("mirror_pairs", item[0]), text_of("mirror_pairs", item[1])


def _held_out(value: Any) -> float | tuple[str, ...]:
    if isinstance(value, list):
        return texts_of("held_out", value)
    if isinstance(value, str):
        raise UsageError(f"held_out '{value}' is neither a share nor a list: give a number below 1, or - name lines")
    return number_of("held_out", value)
