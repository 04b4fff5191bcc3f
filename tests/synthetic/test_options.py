"""What can be asked of a scene."""

from __future__ import annotations

from typing import Any

import pytest

from posecli.errors import UsageError
from posecli.synthetic import SCENES, SceneOptions


def test_scenes_have_the_sizes_of_the_paper() -> None:
    trail, treadmill = (SceneOptions(scene) for scene in SCENES)
    assert (trail.size, trail.n_frames, trail.frame_rate) == ((640, 480), 2330, 30.0)
    assert (treadmill.size, treadmill.n_frames) == ((554, 554), 10_000)


def test_what_is_asked_for_wins() -> None:
    options = SceneOptions(width=320, frames=7, fps=12.5)
    assert (options.size, options.n_frames, options.frame_rate) == ((320, 480), 7, 12.5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scene": "maze"}, "scene 'maze' is not known: choose one of trail-tracking, treadmill"),
        ({"width": 31}, "width 31 is too small"),
        ({"height": 0}, "height 0 is too small"),
        ({"frames": 0}, "frames 0 is too small"),
        ({"seed": -1}, "seed -1 is too small"),
        ({"fps": 0.0}, "fps 0 is not a frame rate"),
        ({"fps": float("nan")}, "fps nan"),
        ({"noise": -0.1}, "noise -0.1 is out of range"),
        ({"noise": float("inf")}, "noise inf"),
        ({"occlusion": 1.1}, "occlusion 1.1 is not a share"),
    ],
)
def test_values_that_cannot_be(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        SceneOptions(**values)
