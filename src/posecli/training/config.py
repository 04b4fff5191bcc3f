"""What training is made of: ``CONFIG.yaml`` as frozen values, for a pose network or one for behaviours.

What each setting means is written in ``docs/train.md``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml

from posecli.errors import UsageError
from posecli.model.folder import BUILTIN
from posecli.network.architectures import TRAINED_LAYOUTS
from posecli.options import SHORTEST_CHUNK, SMALLEST_INPUT
from posecli.support.yamlfile import read_yaml
from posecli.synthetic.options import BEHAVIOUR_SCENES, SCENES, SceneOptions
from posecli.training import settings
from posecli.training.objective import SCRATCH, AccuracyRow, BehaviourLossRow, ErrorRow, MeasureRow, PoseLossRow
from posecli.training.settings import Names, NotNegative, Part, Positive, Settings, Share, one_of, within

#: What `initial_weights` says for the backbone that DeepLabCut begins with.
IMAGENET = "imagenet"
#: What it says without naming a path.
NAMED_WEIGHTS = (SCRATCH, IMAGENET, *BUILTIN)
SHA256 = re.compile("[0-9a-fA-F]{64}")
#: Longest training example, frames, and its largest side, px: beyond that one of them fills the memory.
LONGEST_CLIP = 512
LARGEST_SIDE = 1024
#: Sides of an example.
Side = Annotated[int, within(SMALLEST_INPUT, LARGEST_SIDE, "px")]


@dataclass(frozen=True)
class Phase(Settings):
    """A stretch of training, with a learning rate that rises in `warm_up` steps and falls by half a cosine."""

    steps: Positive[int]
    batch_size: Positive[int] = 8
    learning_rate: Positive[float] = 1e-3
    warm_up: int = 100
    batch_norm: Literal["batch", "frozen"] = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.warm_up < self.steps:
            raise UsageError(f"warm_up {self.warm_up} does not fit: give fewer than the phase's {self.steps} steps")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """What the settings of every run have in common; those of a kind of network add their own."""

    #: Rows that a run of this kind tells of its losses, and of held-out examples.
    LOSSES: ClassVar[type[Any]]
    MEASURES: ClassVar[type[MeasureRow]]

    name: str
    data: tuple[Settings, ...]
    phases: tuple[Phase, ...]
    initial_weights: str = SCRATCH
    weight_decay: NotNegative[float] = 0.004
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    evaluate_every: Positive[int] = 500
    checkpoint_every: Positive[int] = 250
    seed: NotNegative[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name or not all(letter.isalnum() or letter in "-_" for letter in self.name):
            raise UsageError(f"name '{self.name}' cannot name a network: use letters, digits, '-' and '_'")
        if not self.data or not self.phases:
            raise UsageError("training needs at least one entry under 'data' and one under 'phases': add them")

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    @property
    def fingerprint(self) -> str:
        """Hash of all settings, the same from whichever folder paths are seen; a run is continued only by the same."""
        content = _plain(asdict(self), Path.resolve)
        if self.initial_weights not in NAMED_WEIGHTS:
            content["initial_weights"] = str(Path(self.initial_weights).resolve())
        return hashlib.sha256(yaml.safe_dump(content, sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, for YAML."""
        return dict(_plain(asdict(self)))

    def as_record(self) -> dict[str, Any]:
        """The same with files' names only, for model folders: they are passed on."""
        content = dict(_plain(asdict(self), lambda path: Path(path.name)))
        return content | {"initial_weights": Path(self.initial_weights).name}


def _plain(value: Any, of_path: Callable[[Path], Path] = Path) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, of_path) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, of_path) for item in value]
    return str(of_path(value)) if isinstance(value, Path) else value


@dataclass(frozen=True)
class DataSource(Settings):
    """Where examples come from: a scene, labels, whose key is `SHORT_FOR`, or what else `PLACES` names."""

    PLACES: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(vars(self)[key] is not None for key in (self.SHORT_FOR, "scene", *self.PLACES)) != 1:
            raise UsageError(
                f"a data source needs either '{self.SHORT_FOR}' (a path) or 'scene' (a name): give one of them"
            )

    @property
    def name(self) -> str:
        """What the source is called in tables and messages."""
        return str(next(vars(self)[key] for key in ("scene", self.SHORT_FOR, *self.PLACES) if vars(self)[key]))


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
class PoseSource(DataSource):
    """Where examples come from: labelled images, a synthetic scene, or frames that a teacher has looked at."""

    SHORT_FOR = "labels"
    PLACES = ("taught",)
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
    taught: Path | None = None


@dataclass(frozen=True)
class PosePhase(Phase):
    """A stretch of training; `batch_size` is that of crops of `crop` px, and smaller frames come in larger batches."""

    crop: Annotated[int, within(32, 1024, "px")] = 160
    framing: Literal["crops", "frames"] = "crops"
    turned: bool = True  # whether examples may be turned and mirrored


@dataclass(frozen=True, kw_only=True)
class PoseConfig(TrainConfig):
    """A whole training run of a pose network."""

    LOSSES = PoseLossRow
    MEASURES = ErrorRow

    data: tuple[PoseSource, ...]
    phases: tuple[PosePhase, ...]
    net_type: Annotated[str, one_of(tuple(TRAINED_LAYOUTS))] = "resnet_50"
    bodyparts: Names = ()
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    held_out: float | tuple[str, ...] = 0.1
    initial_sha256: str = ""
    augment: AugmentOptions = AugmentOptions()
    locref_weight: NotNegative[float] = 0.05
    pcutoff: Share = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        settings.distinct("mirror_pairs", [part for pair in self.mirror_pairs for part in pair])
        if self.initial_sha256 and not SHA256.fullmatch(self.initial_sha256):
            raise UsageError(f"initial_sha256 '{self.initial_sha256}' is not a SHA-256: give 64 hexadecimal digits")
        if isinstance(self.held_out, float) and not 0 <= self.held_out < 1:
            raise UsageError(f"held_out {self.held_out} is out of range: give a share below 1, or names of images")


@dataclass(frozen=True)
class IntervalSource(DataSource):
    """Where examples come from: labelled intervals of videos, or a synthetic scene of so many seeds and frames."""

    SHORT_FOR = "intervals"
    FOREIGN = {  # noqa: RUF012
        "labels": "'labels' are body parts and teach a pose network, but these are the settings of a network for "
        "behaviours: give 'intervals', or name 'bodyparts' instead of 'classes'"
    }

    intervals: Path | None = None
    scene: Annotated[str | None, one_of(BEHAVIOUR_SCENES)] = None
    weight: Positive[float] = 1.0
    seeds: Positive[int] = 64
    held_out_seeds: Positive[int] = 8
    frames: Positive[int] = 600


@dataclass(frozen=True)
class ClipOptions(Settings):
    """What a training example is: consecutive frames about its middle one, whose label is the example's."""

    length: Annotated[int, within(SHORTEST_CHUNK, LONGEST_CLIP, "frames")] = 64
    frame_step: Positive[int] = 1
    height: Side = 224
    width: Side = 224
    still: bool = False

    @property
    def span(self) -> int:
        """Frames of the video that an example stands for."""
        return self.length * self.frame_step


@dataclass(frozen=True)
class ClipAugment(Settings):
    """What is done to an example, the same to all of its frames."""

    mirror: Share = 0.5
    zoom: Annotated[float, within(0, 0.5)] = 0.1
    speed: Annotated[float, within(0, 0.5)] = 0.15
    light: Annotated[float, within(0, 2)] = 1.0
    noise: Share = 0.2


@dataclass(frozen=True, kw_only=True)
class BehaviourConfig(TrainConfig):
    """A whole training run of a network for behaviours."""

    LOSSES = BehaviourLossRow
    MEASURES = AccuracyRow
    FOREIGN = {  # noqa: RUF012
        key: f"the file has 'classes', as for a network for behaviours, and '{key}', as for a pose network: keep one"
        for key in ("bodyparts", "mirror_pairs", "net_type", "locref_weight", "pcutoff")
    }

    data: tuple[IntervalSource, ...]
    classes: Names
    clips: ClipOptions = ClipOptions()
    held_out_videos: Names = ()
    network_width: float = 1.0
    class_balance: bool = True
    dropout: Part = 0.5
    label_smoothing: Part = 0.05
    augment: ClipAugment = ClipAugment()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.classes) < 2:
            raise UsageError(f"classes {list(self.classes)} leave nothing to tell apart: name two behaviours or more")
        if not 0 < self.network_width <= 4:
            raise UsageError(f"network_width {self.network_width} is out of range: give a factor above 0, up to 4")


def read_train_config(path: Path) -> PoseConfig | BehaviourConfig:
    """Read ``CONFIG.yaml``; with `classes` it is for a network for behaviours. Paths are relative to its folder.

    A `UsageError` if a key is unknown or has a value of the wrong kind; the message names it.
    """
    content = read_yaml(path, UsageError)
    folder = path.parent
    try:
        start = content.get("initial_weights")
        if start is not None and settings.text_of("initial_weights", start) not in NAMED_WEIGHTS:
            content["initial_weights"] = str(settings.resolved(str(start), folder))
        if content.get("classes") is not None:
            return settings.settings_of(BehaviourConfig, content, "the file", folder)
        return settings.settings_of(PoseConfig, content | _pose_values(content, folder), "the file", folder)
    except UsageError as error:
        raise UsageError(f"'{path}': {error}") from error


def _pose_values(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What annotations alone cannot make of a pose network's settings."""
    augment = {} if content.get("augment") is None else content["augment"]
    made: dict[str, Any] = {"augment": settings.settings_of(AugmentOptions, augment, "augment", folder)}
    if isinstance(content.get("data"), list):
        made["data"] = [_with_augment(source, augment, folder) for source in content["data"]]
    if content.get("held_out") is not None:
        made["held_out"] = _held_out(content["held_out"])
    return made


def _with_augment(source: Any, run: dict[str, Any], folder: Path) -> Any:
    """A source, its own settings of `augment` laid over those of the run."""
    own = source.get("augment") if isinstance(source, dict) else None
    if own is None:
        return source
    if isinstance(own, dict):
        given = {key: value for key, value in own.items() if value is not None}
        if both := [key for key in ("scales", "scale_jitter") if key in given]:
            raise UsageError(
                f"a source has '{both[0]}' of its own, but a batch mixes sources: move it to the run's augment"
            )
        own = run | given
    return source | {"augment": settings.settings_of(AugmentOptions, own, "augment of a source", folder)}


def _held_out(value: Any) -> float | tuple[str, ...]:
    if isinstance(value, list):
        return tuple(settings.text_of("held_out", name) for name in value)
    if isinstance(value, str):
        raise UsageError(f"held_out '{value}' is neither a share nor a list: give a number below 1, or - name lines")
    return settings.number_of("held_out", value)
