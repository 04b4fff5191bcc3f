"""Poses of labelled images and of videos at one scale, as `posecli analyze --scale` would find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.evaluation.options import EvaluateOptions
from posecli.inference.predictor import PoseModel
from posecli.labels import LabeledFrame, image_size, read_bgr
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.prepare import prepared
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

Floats = npt.NDArray[np.float64]
#: Is told how many more frames have a pose.
Progress = Callable[[int], object]


def untold(_count: int) -> None:
    """A `Progress` that tells nobody."""


def poses_of_frames(
    model: PoseModel, frames: Sequence[LabeledFrame], scale: float, options: EvaluateOptions, progress: Progress
) -> Floats:
    """``(N, K, 3)`` at one scale; images of one size go through the network together."""
    poses = np.empty((len(frames), len(model.description.bodyparts), 3))
    by_size: dict[tuple[int, int], list[int]] = {}
    for place, frame in enumerate(frames):
        by_size.setdefault(image_size(frame.image), []).append(place)
    for (width, height), places in by_size.items():
        geometry = Geometry.plan(width, height, None, _exact(scale))
        images = (read_bgr(frames[place].image) for place in places)
        poses[places] = _poses(model, images, geometry, options, progress)
    return poses


def poses_of_video(
    model: PoseModel,
    video: Path,
    frames: npt.NDArray[np.int64],
    scale: float,
    options: EvaluateOptions,
    progress: Progress,
) -> Floats:
    """``(N, K, 3)`` of the ``N`` frames of these numbers, at one scale."""
    info, wanted = probe(video), set(frames.tolist())
    geometry = Geometry.plan(info.width, info.height, None, _exact(scale))
    reader = VideoReader(info, geometry)
    images = (frame.image for frame in reader.decoded() if frame.number in wanted)
    return _poses(model, images, geometry, options, progress)


def _exact(scale: float) -> Fraction:
    """As `AnalyzeOptions.exact_scale` has it, so that the network sees the frames that it would see there."""
    return Fraction(scale).limit_denominator(10_000)


def _poses(
    model: PoseModel,
    images: Iterator[npt.NDArray[np.uint8] | None],
    geometry: Geometry,
    options: EvaluateOptions,
    progress: Progress,
) -> Floats:
    """``(N, K, 3)`` of BGR images of one size, in px of the full frame; NaN, NaN, 0 where there is no image."""

    def batches() -> Iterator[Batch]:
        for batch in prepared(images, geometry, options.batch_size):
            yield batch
            progress(len(batch))  # it has been through the network

    return model.values_of(batches())[:, :, 0]
