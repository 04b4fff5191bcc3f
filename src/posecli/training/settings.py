"""Settings from a file as frozen values: every unknown key, missing key and value of a wrong kind is named."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar, get_args

import yaml

from posecli.errors import UsageError
from posecli.model.builtin import BUILTIN
from posecli.support.yamlfile import truth_of

BatchNormMode = Literal["batch", "frozen"]
TrainingPrecision = Literal["auto", "fp32", "bf16"]

#: What `initial_weights` says when there are none.
SCRATCH = "scratch"
#: What it says for the backbone that DeepLabCut begins with.
IMAGENET = "imagenet"
#: What it says without naming a path.
NAMED_WEIGHTS = (SCRATCH, IMAGENET, *BUILTIN)
SHA256 = re.compile("[0-9a-fA-F]{64}")

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Phase:
    """A stretch of training with settings of its own, of whatever kind of network.

    Attributes
    ----------
    steps
        Batches.
    batch_size
        Examples per batch.
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
    learning_rate: float = 1e-3
    warm_up: int = 100
    batch_norm: BatchNormMode = "batch"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            positive(name, getattr(self, name))
        if not 0 <= self.warm_up < self.steps:
            raise UsageError(f"warm_up {self.warm_up} does not fit: give fewer than the phase's {self.steps} steps")
        one_of("batch_norm", self.batch_norm, get_args(BatchNormMode))


class AnySource(Protocol):
    """Where examples come from, of whatever kind of network."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What the settings of every training run have in common; each kind of network adds its own.

    Attributes
    ----------
    name
        Names the network and, in its scorer, every table that it makes.
    data
        Where examples come from.
    phases
        One after the other.
    initial_weights
        ``scratch``, ``built-in``, or the path of what to begin with.
    weight_decay
        Of the kernels, decoupled (AdamW).
    precision
        ``bf16`` computes mixed; ``auto`` takes it where this machine has it and it measures faster.
    evaluate_every, checkpoint_every
        Steps.
    seed
        Of everything random.
    """

    #: Keys of a source that hold a path.
    SOURCE_PATHS: ClassVar[tuple[str, ...]]

    name: str
    data: tuple[AnySource, ...]
    phases: tuple[Phase, ...]
    initial_weights: str = SCRATCH
    weight_decay: float = 0.004
    precision: TrainingPrecision = "auto"
    evaluate_every: int = 500
    checkpoint_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.name or not all(letter.isalnum() or letter in "-_" for letter in self.name):
            raise UsageError(f"name '{self.name}' cannot name a network: use letters, digits, '-' and '_'")
        one_of("precision", self.precision, get_args(TrainingPrecision))
        if not self.data or not self.phases:
            raise UsageError("training needs at least one entry under 'data' and one under 'phases': add them")
        for key in ("evaluate_every", "checkpoint_every"):
            positive(key, getattr(self, key))
        for key in ("weight_decay", "seed"):
            not_negative(key, getattr(self, key))

    @property
    def steps(self) -> int:
        """Batches of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def fingerprint(self) -> str:
        """Hash of all settings, the same from whichever folder paths are seen; a run is continued only by the same."""
        content = self.as_dict()
        for source in content["data"]:
            for key in self.SOURCE_PATHS:
                source[key] = source[key] and str(Path(source[key]).resolve())
        if self.initial_weights not in NAMED_WEIGHTS:
            content["initial_weights"] = str(Path(self.initial_weights).resolve())
        return hashlib.sha256(yaml.safe_dump(content, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, for YAML."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def shares(options: object, names: Sequence[str]) -> None:
    """Refuse probabilities that are none."""
    for name in names:
        if not 0 <= getattr(options, name) <= 1:
            raise UsageError(f"{name} {getattr(options, name)} is no probability: give 0 to 1")


def resolved(text: str, folder: Path) -> Path:
    """A path of the file, relative to its folder."""
    path = Path(text).expanduser()
    return path if path.is_absolute() else folder / path


def initial_path(content: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """``initial_weights`` with its path resolved; nothing where there is none."""
    given = content.get("initial_weights")
    initial = SCRATCH if given is None else text_of("initial_weights", given)
    return {} if initial in NAMED_WEIGHTS else {"initial_weights": str(resolved(initial, folder))}


def items_of(content: Mapping[str, Any], key: str) -> list[Any]:
    """The entries under a key."""
    items = content.get(key, [])
    if not isinstance(items, list):
        raise UsageError(f"'{key}' is not a list: begin each entry with '-'")
    return items


def settings_of(kind: type[Settings], content: Any, where: str) -> Settings:
    """A mapping as a frozen dataclass; unknown and missing keys are named, values cast."""
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


def number_of(key: str, value: Any) -> float:
    """A finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise UsageError(f"{key} {value!r} is not a number: correct it")
    return number


def _whole_of(key: str, value: Any) -> int:
    number = number_of(key, value)
    if number != int(number):
        raise UsageError(f"{key} {value!r} is not a whole number: correct it")
    return int(number)


def text_of(key: str, value: Any) -> str:
    """A text; numbers are read as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{key} {value!r} is not a text: put it in quotes, or correct it")
    return str(value)


def _list_of(key: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{key} {value!r} is not a list: write it as [..., ...]")
    return value


def _numbers_of(key: str, value: Any) -> tuple[float, ...]:
    return tuple(number_of(key, item) for item in _list_of(key, value))


def texts_of(key: str, value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text_of(key, item) for item in _list_of(key, value))


def _yes_or_no(key: str, value: Any) -> bool:
    truth = truth_of(value)
    if not isinstance(truth, bool):
        raise UsageError(f"{key} {value!r} is neither true nor false: correct it")
    return truth


#: Type of a field, as it is written, and what makes such a value of one in a file.
CASTS: dict[str, Callable[[str, Any], Any]] = {
    "float": number_of,
    "int": _whole_of,
    "str": text_of,
    "bool": _yes_or_no,
    "tuple[float, ...]": _numbers_of,
    "tuple[str, ...]": texts_of,
}


def distinct(name: str, values: Sequence[str]) -> None:
    """Refuse a name that is there twice."""
    for value in values:
        if values.count(value) > 1:
            raise UsageError(f"{name} has '{value}' more than once: keep one")


def positive(name: str, value: float) -> None:
    """Refuse a number that is not above 0."""
    if not value > 0:
        raise UsageError(f"{name} {value} is too small: give a number above 0")


def not_negative(name: str, value: float) -> None:
    """Refuse a number below 0."""
    if value < 0:
        raise UsageError(f"{name} {value} is below 0: give 0 or more")


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is not among those allowed."""
    if value not in allowed:
        raise UsageError(f"{name} '{value}' is not known: choose one of {', '.join(allowed)}")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
