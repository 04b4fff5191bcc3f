"""What a training run is made of: ``CONFIG.yaml`` as frozen values."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml

from posecli.errors import UsageError
from posecli.network.variables import UNITS_PER_BLOCK
from posecli.synthetic.options import SCENES
from posecli.yamlfile import read_yaml

BatchNormMode = Literal["batch", "frozen"]
Framing = Literal["crops", "frames"]
TrainingPrecision = Literal["auto", "fp32", "bf16"]

#: What `TrainConfig.initial_weights` says when there are none.
SCRATCH = "scratch"
SHA256 = re.compile("[0-9a-fA-F]{64}")

Settings = TypeVar("Settings")


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
    """

    labels: Path | None = None
    scene: str | None = None
    weight: float = 1.0
    seeds: int = 256

    def __post_init__(self) -> None:
        if (self.labels is None) == (self.scene is None):
            raise UsageError("a data source needs either 'labels' (a path) or 'scene' (a name): give one of them")
        if self.scene is not None:
            _one_of("scene", self.scene, SCENES)
        _positive("weight", self.weight)
        _positive("seeds", self.seeds)


@dataclass(frozen=True)
class Phase:
    """A stretch of training with settings of its own.

    Attributes
    ----------
    steps
        Batches.
    batch_size
        Examples per batch, for crops of `crop` px; smaller frames come in larger batches.
    crop
        Side of the square crops, px of the network's input; frames are cut down to it.
    framing
        ``crops`` mixes all scales in each batch of square crops. ``frames`` shows whole frames where they fit, one
        scale per batch, as they will be at inference, edges included.
    learning_rate
        Its peak, reached after `warm_up` steps and followed by half a cosine down to a hundredth.
    warm_up
        Steps.
    batch_norm
        ``batch`` normalises with each batch's own statistics and gathers running averages; ``frozen`` normalises with
        those averages, exactly as inference does.
    """

    steps: int
    batch_size: int = 8
    crop: int = 160
    framing: Framing = "crops"
    learning_rate: float = 1e-3
    warm_up: int = 100
    batch_norm: BatchNormMode = "batch"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            _positive(name, getattr(self, name))
        if not 32 <= self.crop <= 1024:
            raise UsageError(f"crop {self.crop} is out of range: give 32 to 1024 px")
        if not 0 <= self.warm_up < self.steps:
            raise UsageError(f"warm_up {self.warm_up} does not fit: give fewer than the phase's {self.steps} steps")
        _one_of("framing", self.framing, get_args(Framing))
        _one_of("batch_norm", self.batch_norm, get_args(BatchNormMode))


@dataclass(frozen=True)
class AugmentOptions:
    """What is done to an example; the shares are probabilities.

    Attributes
    ----------
    scales
        Sizes at which the network will be used, relative to the labelled images; drawn evenly.
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

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= 4 for scale in self.scales):
            raise UsageError(f"scales {list(self.scales)} are out of range: give factors above 0 and at most 4")
        if not 1 <= self.scale_jitter <= 4:
            raise UsageError(f"scale_jitter {self.scale_jitter} is out of range: give a factor of 1 to 4")
        for name in ("mirror", "blur", "noise", "occlusion", "jpeg", "h264"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name)} is no probability: give 0 to 1")
        if not 0 <= self.rotation <= 180 or not 0 <= self.light <= 2:
            raise UsageError(
                f"rotation {self.rotation} or light {self.light} is out of range: give 0 to 180 degrees, and 0 to 2"
            )


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run.

    Attributes
    ----------
    name
        Names the network and, in its scorer, every table that it makes.
    data
        Where examples come from.
    phases
        One after the other.
    net_type
        ``resnet_50``, ``resnet_101`` or ``resnet_152``.
    bodyparts
        In the order of the scoremaps; by default those of the first source.
    mirror_pairs
        Left and right body parts that change places in a mirror.
    held_out
        Labelled images that are kept out of training: a share of them (0 for none), or their names.
    initial_weights
        ``scratch``, a model folder, or a TensorFlow checkpoint of the backbone (slim's ``resnet_v1_50.ckpt``).
    initial_sha256
        What that checkpoint file must hash to.
    augment
        What is done to examples.
    weight_decay
        Of the kernels, decoupled (AdamW).
    locref_weight
        Weight of the location loss beside the scoremap loss.
    precision
        ``bf16`` computes mixed; ``auto`` takes it where this machine has it and it measures faster.
    evaluate_every, checkpoint_every
        Steps.
    pcutoff
        Likelihood below which a point counts as not seen; written into the model folder.
    seed
        Of everything random.
    """

    name: str
    data: tuple[DataSource, ...]
    phases: tuple[Phase, ...]
    net_type: str = "resnet_50"
    bodyparts: tuple[str, ...] = ()
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    held_out: float | tuple[str, ...] = 0.1
    initial_weights: str = SCRATCH
    initial_sha256: str = ""
    augment: AugmentOptions = AugmentOptions()
    weight_decay: float = 0.004
    locref_weight: float = 0.05
    precision: TrainingPrecision = "auto"
    evaluate_every: int = 500
    checkpoint_every: int = 250
    pcutoff: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.name or not all(letter.isalnum() or letter in "-_" for letter in self.name):
            raise UsageError(f"name '{self.name}' cannot name a network: use letters, digits, '-' and '_'")
        _one_of("net_type", self.net_type, tuple(UNITS_PER_BLOCK))
        _one_of("precision", self.precision, get_args(TrainingPrecision))
        if not self.data or not self.phases:
            raise UsageError("training needs at least one entry under 'data' and one under 'phases': add them")
        _distinct("bodyparts", self.bodyparts)
        _distinct("mirror_pairs", [part for pair in self.mirror_pairs for part in pair])
        if self.initial_sha256 and not SHA256.fullmatch(self.initial_sha256):
            raise UsageError(f"initial_sha256 '{self.initial_sha256}' is no SHA-256: give 64 hexadecimal digits")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if isinstance(self.held_out, float) and not 0 <= self.held_out < 1:
            raise UsageError(f"held_out {self.held_out} is out of range: give a share below 1, or names of images")
        for name in ("evaluate_every", "checkpoint_every"):
            _positive(name, getattr(self, name))
        for name in ("weight_decay", "locref_weight", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} {getattr(self, name)} is below 0: give 0 or more")
        if not 0 <= self.pcutoff <= 1:
            raise UsageError(f"pcutoff {self.pcutoff} is no likelihood: give 0 to 1")

    @property
    def steps(self) -> int:
        """Batches of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def fingerprint(self) -> str:
        """Hash of all settings, the same from whichever folder paths are seen; a run is continued only by the same."""
        content = self.as_dict()
        for source in content["data"]:
            source["labels"] = source["labels"] and str(Path(source["labels"]).resolve())
        if self.initial_weights != SCRATCH:
            content["initial_weights"] = str(Path(self.initial_weights).resolve())
        return hashlib.sha256(yaml.safe_dump(content, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, for YAML."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def read_train_config(path: Path) -> TrainConfig:
    """Read ``CONFIG.yaml``; paths in it are relative to its folder.

    Raises
    ------
    UsageError
        If a key is unknown or a value of the wrong kind; the message names it.
    """
    content = read_yaml(path, UsageError)
    try:
        return _config(content, path.parent)
    except UsageError as error:
        raise UsageError(f"'{path}': {error}") from error


def _config(content: dict[str, Any], folder: Path) -> TrainConfig:
    given = {key: value for key, value in content.items() if value is not None}
    nested: dict[str, Any] = {
        "data": tuple(_source(item, folder) for item in _items(given, "data")),
        "phases": tuple(_settings(Phase, item, "phases") for item in _items(given, "phases")),
        "augment": _settings(AugmentOptions, given.get("augment", {}), "augment"),
        "mirror_pairs": tuple(_pair(item) for item in _items(given, "mirror_pairs")),
        "held_out": _held_out(given.get("held_out", TrainConfig.held_out)),
    }
    initial = _text("initial_weights", given.get("initial_weights", SCRATCH))
    if initial != SCRATCH:
        nested["initial_weights"] = str(_resolved(initial, folder))
    return _settings(TrainConfig, content | nested, "the file")


def _source(item: Any, folder: Path) -> DataSource:
    source = dict(item) if isinstance(item, dict) else {"labels": item}
    if source.get("labels") is not None:
        source["labels"] = _resolved(_text("labels", source["labels"]), folder)
    return _settings(DataSource, source, "data")


def _resolved(text: str, folder: Path) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else folder / path


def _items(content: Mapping[str, Any], key: str) -> list[Any]:
    items = content.get(key, [])
    if not isinstance(items, list):
        raise UsageError(f"'{key}' is not a list: begin each entry with '-'")
    return items


def _pair(item: Any) -> tuple[str, str]:
    if not isinstance(item, list) or len(item) != 2:
        raise UsageError(f"mirror pair {item!r} is not two body parts: write it as [left, right]")
    return _text("mirror_pairs", item[0]), _text("mirror_pairs", item[1])


def _held_out(value: Any) -> float | tuple[str, ...]:
    if isinstance(value, list):
        return _texts("held_out", value)
    if isinstance(value, str):
        raise UsageError(f"held_out '{value}' is neither a share nor a list: give a number below 1, or - name lines")
    return _number("held_out", value)


def _settings(kind: type[Settings], content: Any, where: str) -> Settings:
    """A mapping as one of the dataclasses above; unknown and missing keys are named, values cast."""
    if not isinstance(content, dict):
        raise UsageError(f"{where} holds {content!r} where settings are expected: write lines of the form 'key: value'")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in content:
        if key not in known:
            raise UsageError(f"{where} has an unknown key '{key}': it knows {', '.join(known)}")
    given = {key: value for key, value in content.items() if value is not None}
    for name, field in known.items():
        if field.default is MISSING and name not in given:
            raise UsageError(f"{where} lacks '{name}': add it")
    return kind(**{key: _cast(known[key], value) for key, value in given.items()})


def _cast(field: Field[Any], value: Any) -> Any:
    """The value in the type of its field; what has a type of its own was made before, or is checked by its class."""
    cast = CASTS.get(str(field.type))
    return cast(field.name, value) if cast else value


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise UsageError(f"{key} {value!r} is not a number: correct it")
    return number


def _whole(key: str, value: Any) -> int:
    number = _number(key, value)
    if number != int(number):
        raise UsageError(f"{key} {value!r} is not a whole number: correct it")
    return int(number)


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{key} {value!r} is not a text: put it in quotes, or correct it")
    return str(value)


def _list(key: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{key} {value!r} is not a list: write it as [..., ...]")
    return value


def _numbers(key: str, value: Any) -> tuple[float, ...]:
    return tuple(_number(key, item) for item in _list(key, value))


def _texts(key: str, value: Any) -> tuple[str, ...]:
    return tuple(_text(key, item) for item in _list(key, value))


#: Type of a field, as it is written, and what makes such a value of one in a file.
CASTS: dict[str, Callable[[str, Any], Any]] = {
    "float": _number,
    "int": _whole,
    "str": _text,
    "tuple[float, ...]": _numbers,
    "tuple[str, ...]": _texts,
}


def _distinct(name: str, values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise UsageError(f"{name} has '{value}' more than once: keep one")


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise UsageError(f"{name} {value} is too small: give a number above 0")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name} '{value}' is not known: choose one of {', '.join(allowed)}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
