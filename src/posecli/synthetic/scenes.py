"""Which class renders which scene."""

from __future__ import annotations

from posecli.synthetic.homecage import HomeCage
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Scene
from posecli.synthetic.trail import TrailTracking
from posecli.synthetic.treadmill import Treadmill

SCENE_CLASSES: dict[str, type[Scene]] = {cls.name: cls for cls in (TrailTracking, Treadmill, HomeCage)}


def open_scene(options: SceneOptions) -> Scene:
    """The scene that `options` describe, ready to render any of its frames."""
    return SCENE_CLASSES[options.scene](options)
