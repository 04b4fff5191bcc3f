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
    either_given,
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
    """Where examples come from: labelled intervals of videos, or a synthetic scene.

    Attributes
    ----------
    intervals
        CSV file with the columns video, start, end, label.
    scene
        Name of a synthetic scene that shows behaviours.
    weight
        How often it is drawn, relative to the other sources.
    seeds, held_out_seeds
        Number of different synthetic videos to draw from, and of others to measure on.
    frames
        Length of each.
    """

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
        either_given("intervals", "a table", self.intervals, self.scene)

    @property
    def name(self) -> str:
        """For tables and messages."""
        return self.scene or str(self.intervals)


@dataclass(frozen=True)
class ClipOptions(Settings):
    """What a training example is: consecutive frames about its middle one, whose label is the example's.

    Attributes
    ----------
    length
        Frames that the network sees.
    frame_step
        Every how many-th frame of the video these are.
    height, width
        Size to which frames are brought, px.
    still
        Show the middle frame all the time, so that movement says nothing: what a network for single frames can do.
    """

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
    """What is done to an example, the same to all of its frames.

    Attributes
    ----------
    mirror
        Share of mirrored examples.
    zoom
        Largest part by which the picture is enlarged, shrunk or moved.
    speed
        Largest part by which the frame step is longer or shorter.
    light
        Strength of changes of brightness, contrast, gamma and tint.
    noise
        Share of examples with sensor noise.
    """

    mirror: Share = 0.5
    zoom: Annotated[float, within(0, 0.5)] = 0.1
    speed: Annotated[float, within(0, 0.5)] = 0.15
    light: Annotated[float, within(0, 2)] = 1.0
    noise: Share = 0.2


@dataclass(frozen=True, kw_only=True)
class BehaviourConfig(TrainConfig):
    """A whole training run of a network for behaviours.

    Attributes
    ----------
    classes
        Behaviours, in the order of the network's outputs.
    held_out_videos
        Videos of the intervals that are kept out of training. Scenes keep out seeds of their own.
    network_width
        Factor on the channels of the network; 1 is the published one.
    class_balance
        Draw every class equally often, whatever its share of the frames.
    dropout
        Share of the embedding that is left out at random.
    label_smoothing
        Part of the truth that is spread evenly over all classes.
    """

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
