"""Options of a rendered scene; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from posecli.errors import UsageError
from posecli.options import at_least, one_of

#: Scenes to find poses in, and those to tell behaviours in.
SCENES, BEHAVIOUR_SCENES = ("trail-tracking", "treadmill"), ("home-cage",)
ALL_SCENES: tuple[str, ...] = SCENES + BEHAVIOUR_SCENES

#: Smallest side of a frame, px: in a smaller one no body parts can be told apart.
SMALLEST_SIDE = 32
#: A scene's width and height (px), frames, and frames per second by default: those of the two data sets of
#: Mathis & Warren (2018), and three minutes of the frames of Govindarajan et al. (2022).
DEFAULTS: dict[str, tuple[int, int, int, float]] = {
    "trail-tracking": (640, 480, 2330, 30.0),
    "treadmill": (554, 554, 10_000, 150.0),
    "home-cage": (640, 480, 5400, 30.0),
}


@dataclass(frozen=True)
class SceneOptions:
    """A rendered scene. Equal options give equal frames, bit for bit.

    A `UsageError` if a value is out of range.

    >>> SceneOptions(frames=100).size
    (640, 480)
    """

    #: ``trail-tracking``, ``treadmill`` or ``home-cage``.
    scene: str = "trail-tracking"
    #: Px; the animal grows with it. ``None`` takes the scene's own.
    width: int | None = None
    #: Px; ``None`` takes the scene's own.
    height: int | None = None
    #: Number of frames; ``None`` takes the scene's own.
    frames: int | None = None
    #: Frames per second; the animal moves at the same speed per second at any of them. ``None`` takes the scene's own.
    fps: float | None = None
    #: Factor on the sensor noise; 0 leaves it out.
    noise: float = 1.0
    #: Share of frames in which something hides a part of the animal, 0 to 1.
    occlusion: float = 0.1
    #: Determines the animal's looks, the place, the light and the movement.
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("scene", self.scene, ALL_SCENES)
        at_least(SMALLEST_SIDE, width=self.width, height=self.height)
        at_least(1, frames=self.frames)
        at_least(0, seed=self.seed)
        if self.fps is not None and not 0 < self.fps <= 10_000:
            raise UsageError(f"fps {self.fps:g} is not a frame rate: give a number above 0, up to 10000")
        if not 0 <= self.noise <= 20:
            raise UsageError(f"noise {self.noise:g} is out of range: give a factor from 0 (none) to 20")
        if not 0 <= self.occlusion <= 1:
            raise UsageError(f"occlusion {self.occlusion:g} is not a share of frames: give a number from 0 to 1")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frame, px."""
        width, height, *_ = DEFAULTS[self.scene]
        return self.width or width, self.height or height

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.frames or DEFAULTS[self.scene][2]

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.fps or DEFAULTS[self.scene][3]
