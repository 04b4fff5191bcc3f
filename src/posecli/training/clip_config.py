"""What training of a network for behaviours is made of: ``CONFIG.yaml`` as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from posecli.errors import UsageError
from posecli.options import SHORTEST_CHUNK, SMALLEST_INPUT
from posecli.synthetic.options import BEHAVIOUR_SCENES
from posecli.training.rows import CLIP_ROWS, RowKinds
from posecli.training.settings import (
    Phase,
    RunConfig,
    distinct,
    initial_path,
    items_of,
    one_of,
    positive,
    resolved,
    settings_of,
    shares,
    text_of,
)

#: Longest training example, frames, and its largest side, px: beyond that one of them fills the memory.
LONGEST_CLIP = 512
LARGEST_SIDE = 1024
#: Keys that only the settings of a pose network have.
POSE_KEYS = ("bodyparts", "mirror_pairs", "net_type", "locref_weight", "pcutoff")


@dataclass(frozen=True)
class ClipSource:
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

    intervals: Path | None = None
    scene: str | None = None
    weight: float = 1.0
    seeds: int = 64
    held_out_seeds: int = 8
    frames: int = 600

    def __post_init__(self) -> None:
        if (self.intervals is None) == (self.scene is None):
            raise UsageError("a data source needs either 'intervals' (a table) or 'scene' (a name): give one of them")
        if self.scene is not None:
            one_of("scene", self.scene, BEHAVIOUR_SCENES)
        for name in ("weight", "seeds", "held_out_seeds", "frames"):
            positive(name, getattr(self, name))

    @property
    def name(self) -> str:
        """For tables and messages."""
        return self.scene or str(self.intervals)


@dataclass(frozen=True)
class ClipOptions:
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

    length: int = 64
    frame_step: int = 1
    height: int = 224
    width: int = 224
    still: bool = False

    def __post_init__(self) -> None:
        if not SHORTEST_CHUNK <= self.length <= LONGEST_CLIP:
            raise UsageError(f"length {self.length} is out of range: give {SHORTEST_CHUNK} to {LONGEST_CLIP} frames")
        positive("frame_step", self.frame_step)
        for name in ("height", "width"):
            if not SMALLEST_INPUT <= getattr(self, name) <= LARGEST_SIDE:
                raise UsageError(
                    f"{name} {getattr(self, name)} is out of range: give {SMALLEST_INPUT} to {LARGEST_SIDE} px"
                )

    @property
    def span(self) -> int:
        """Frames of the video that an example stands for."""
        return self.length * self.frame_step


@dataclass(frozen=True)
class ClipAugment:
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

    mirror: float = 0.5
    zoom: float = 0.1
    speed: float = 0.15
    light: float = 1.0
    noise: float = 0.2

    def __post_init__(self) -> None:
        shares(self, ("mirror", "noise"))
        for name, most in (("zoom", 0.5), ("speed", 0.5), ("light", 2.0)):
            if not 0 <= getattr(self, name) <= most:
                raise UsageError(f"{name} {getattr(self, name)} is out of range: give 0 to {most:g}")


@dataclass(frozen=True, kw_only=True)
class ClipConfig(RunConfig):
    """A whole training run of a network for behaviours.

    Attributes
    ----------
    classes
        Behaviours, in the order of the network's outputs.
    clips
        What an example is.
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
    augment
        What is done to examples.
    """

    SOURCE_PATHS: ClassVar[tuple[str, ...]] = ("intervals",)
    rows: ClassVar[RowKinds] = CLIP_ROWS

    data: tuple[ClipSource, ...]
    classes: tuple[str, ...]
    clips: ClipOptions = ClipOptions()
    held_out_videos: tuple[str, ...] = ()
    network_width: float = 1.0
    class_balance: bool = True
    dropout: float = 0.5
    label_smoothing: float = 0.05
    augment: ClipAugment = ClipAugment()

    def __post_init__(self) -> None:
        super().__post_init__()
        distinct("classes", self.classes)
        distinct("held_out_videos", self.held_out_videos)
        if len(self.classes) < 2:
            raise UsageError(f"classes {list(self.classes)} leave nothing to tell apart: name two behaviours or more")
        if not 0 < self.network_width <= 4:
            raise UsageError(f"network_width {self.network_width} is out of range: give a factor above 0, up to 4")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} is out of range: give a share below 1")


def clip_config(content: dict[str, Any], folder: Path) -> ClipConfig:
    """The settings in a file's content; paths are relative to `folder`.

    Raises
    ------
    UsageError
        If a key is unknown, belongs to a pose network, or has a value of the wrong kind.
    """
    for key in POSE_KEYS:
        if content.get(key) is not None:
            raise UsageError(
                f"the file has 'classes', as for a network for behaviours, and '{key}', as for a pose network: keep one"
            )
    nested: dict[str, Any] = {
        "data": tuple(_source(item, folder) for item in items_of(_given(content), "data")),
        "phases": tuple(settings_of(Phase, item, "phases") for item in items_of(_given(content), "phases")),
        "clips": settings_of(ClipOptions, _given(content).get("clips", {}), "clips"),
        "augment": settings_of(ClipAugment, _given(content).get("augment", {}), "augment"),
    }
    return settings_of(ClipConfig, content | nested | initial_path(content, folder), "the file")


def _given(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value is not None}


def _source(item: Any, folder: Path) -> ClipSource:
    source = dict(item) if isinstance(item, dict) else {"intervals": item}
    if "labels" in source:
        raise UsageError(
            "'labels' are body parts and teach a pose network, but these are the settings of a network for behaviours: "
            "give 'intervals', or name 'bodyparts' instead of 'classes'"
        )
    if source.get("intervals") is not None:
        source["intervals"] = resolved(text_of("intervals", source["intervals"]), folder)
    return settings_of(ClipSource, source, "data")
