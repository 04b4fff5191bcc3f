"""Rendered scenes whose true poses, and in a home cage also behaviours, are known.

>>> from posecli.synthetic import SceneOptions, open_scene
>>> scene = open_scene(SceneOptions("trail-tracking", frames=300, seed=3))
>>> frame = scene.frame(120)
>>> frame.image.shape, frame.points.shape, frame.visible.dtype
((480, 640, 3), (4, 2), dtype('bool'))

Names are imported when they are first used: the options cost nothing, the scenes need OpenCV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecli.synthetic.options import ALL_SCENES, BEHAVIOUR_SCENES, SCENES, SceneOptions
    from posecli.synthetic.sample import SampleFiles, read_truth, sample_files, write_sample
    from posecli.synthetic.scene import Scene, SceneFrame
    from posecli.synthetic.scenes import open_scene

_HOMES = {
    "ALL_SCENES": "posecli.synthetic.options",
    "BEHAVIOUR_SCENES": "posecli.synthetic.options",
    "SCENES": "posecli.synthetic.options",
    "SampleFiles": "posecli.synthetic.sample",
    "Scene": "posecli.synthetic.scene",
    "SceneFrame": "posecli.synthetic.scene",
    "SceneOptions": "posecli.synthetic.options",
    "open_scene": "posecli.synthetic.scenes",
    "read_truth": "posecli.synthetic.sample",
    "sample_files": "posecli.synthetic.sample",
    "write_sample": "posecli.synthetic.sample",
}

__all__ = [
    "ALL_SCENES",
    "BEHAVIOUR_SCENES",
    "SCENES",
    "SampleFiles",
    "Scene",
    "SceneFrame",
    "SceneOptions",
    "open_scene",
    "read_truth",
    "sample_files",
    "write_sample",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'posecli.synthetic' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
