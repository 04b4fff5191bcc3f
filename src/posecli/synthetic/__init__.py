"""Rendered scenes whose true poses, and in the home cage also behaviours, are known.

>>> from posecli.synthetic import SceneOptions, open_scene
>>> scene = open_scene(SceneOptions("trail-tracking", frames=300, seed=3))
>>> frame = scene.frame(120)
>>> frame.image.shape, frame.points.shape, frame.visible.dtype
((480, 640, 3), (4, 2), dtype('bool'))

The options cost nothing to import; all that needs OpenCV is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from posecli.synthetic.options import ALL_SCENES, BEHAVIOUR_SCENES, SCENES, SceneOptions

if TYPE_CHECKING:
    from posecli.synthetic.sample import SampleFiles, read_truth, sample_files, write_sample
    from posecli.synthetic.scene import Scene, SceneFrame

__all__ = ["ALL_SCENES", "BEHAVIOUR_SCENES", "SCENES", "SampleFiles", "Scene", "SceneFrame", "SceneOptions"]
__all__ += ["open_scene", "read_truth", "sample_files", "write_sample"]


def open_scene(options: SceneOptions) -> Scene:
    """The scene that `options` describe, ready to render any of its frames."""
    from posecli.synthetic.homecage import HomeCage
    from posecli.synthetic.trail import TrailTracking
    from posecli.synthetic.treadmill import Treadmill

    scenes: dict[str, type[Scene]] = {scene.name: scene for scene in (TrailTracking, Treadmill, HomeCage)}
    return scenes[options.scene](options)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'posecli.synthetic' has no attribute '{name}'")
    return getattr(import_module(f"posecli.synthetic.{'scene' if name.startswith('Scene') else 'sample'}"), name)


def __dir__() -> list[str]:
    return __all__
