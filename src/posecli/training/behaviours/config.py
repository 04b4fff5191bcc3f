"""What training of a network for behaviours is made of: ``CONFIG.yaml`` as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from posecli.errors import UsageError
from posecli.options import SHORTEST_CHUNK, SMALLEST_INPUT
from posecli.synthetic.options import BEHAVIOUR_SCENES
from posecli.training.behaviours.rows import AccuracyRow, BehaviourLossRow
from posecli.training.settings import (
    Names,
    Part,
    Positive,
    Settings,
    Share,
    TrainConfig,
    config_of,
    one_of,
    within,
)

#: Longest training example, frames, and its largest side, px: beyond that one of them fills the memory.
LONGEST_CLIP = 512
LARGEST_SIDE = 1024
#: Sides of an example.
Side = Annotated[int, within(SMALLEST_INPUT, LARGEST_SIDE, "px")]
#: Keys that only the settings of a pose network have.
POSE_KEYS = ("bodyparts", "mirror_pairs", "net_type", "locref_weight", "pcutoff")


@dataclass(frozen=True)
class IntervalSource(Settings):
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.intervals is None) == (self.scene is None):
            raise UsageError("a data source needs either 'intervals' (a table) or 'scene' (a name): give one of them")

    @property
    def name(self) -> str:
        """What it is called in tables and messages."""
        return self.scene or str(self.intervals)


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
        for key in POSE_KEYS
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


def behaviour_config(content: dict[str, Any], folder: Path) -> BehaviourConfig:
    """The settings in a file's content; paths are relative to `folder`, errors as `pose_config`."""
    return config_of(BehaviourConfig, content, folder)
