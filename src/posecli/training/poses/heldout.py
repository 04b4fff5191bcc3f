"""Errors on held-out examples while a network is being trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from posecli.engine.outputs import Maps
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.kind import POSES
from posecli.inference.step import NetworkStep
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.examples import HELD_OUT_SEED, spread
from posecli.training.poses.config import PoseConfig
from posecli.training.poses.rows import ErrorRow
from posecli.training.poses.sources import Example, LabeledSource, PoseData, scene_example
from posecli.video.geometry import SMALLEST_SIDE, Geometry
from posecli.video.prepare import prepared

#: Images per source: the full test belongs to 'posecli evaluate'.
MOST_IMAGES = 16
SCENE_FRAMES = 8

Predict = Callable[[npt.NDArray[np.uint8]], Maps]


@dataclass(frozen=True)
class HeldOut:
    """Examples of one source that are never trained on."""

    source: str
    examples: tuple[Example, ...]

    def errors(self, step: int, scale: float, predict: Predict, options: DecodeOptions) -> ErrorRow | None:
        """Distance of predicted from known body parts; ``None`` where no example is large enough for the scale."""
        network = NetworkStep(predict, partial(decode, options=options), POSES)
        distances: list[npt.NDArray[np.float64]] = []
        for example in self.examples:
            height, width = example.image.shape[:2]
            if round(min(height, width) * scale) < SMALLEST_SIDE:
                continue
            geometry = Geometry.plan(width, height, scale=Fraction(scale).limit_denominator(10_000))
            (batch,) = prepared([np.ascontiguousarray(example.image[..., ::-1])], geometry, 1)
            distances.append(np.linalg.norm(network(batch)[0, :, 0, :2] - example.seen(), axis=-1))
        found = np.concatenate([*distances, []])
        found = found[np.isfinite(found)]
        if not len(found):
            return None
        return ErrorRow(step, self.source, scale, len(found), float(found.mean()), float(np.median(found)))


def held_out_examples(data: PoseData, config: PoseConfig) -> list[HeldOut]:
    """A few examples of every source: held-out labelled images, frames of an unseen synthetic video."""
    kept = []
    for labelled in data.test:
        source, frames = LabeledSource(labelled, data.bodyparts), spread(labelled.frames, MOST_IMAGES)
        kept.append(HeldOut("labels", tuple(source.example(frame) for frame in frames)))
    for name in (source.scene for source in config.data if source.scene is not None):
        scene = open_scene(SceneOptions(scene=name, seed=HELD_OUT_SEED))
        shown = spread(range(scene.n_frames), SCENE_FRAMES)
        kept.append(HeldOut(name, tuple(scene_example(scene, index, data.bodyparts) for index in shown)))
    return kept
