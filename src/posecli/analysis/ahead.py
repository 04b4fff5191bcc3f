"""The work that lies ahead of a run, reckoned from a few of its videos."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from posecli.analysis.kinds import Analysis
from posecli.engine import Shape
from posecli.errors import PoseCliError
from posecli.inference.predictor import Model
from posecli.network.network import Network
from posecli.precision.gate import SAMPLE_VIDEOS, Opens, sampled_videos
from posecli.precision.reckoning import WorkAhead
from posecli.video.probe import VideoInfo

#: Of what a detector sees, whatever the frame: it resizes them.
DETECTED = (480, 640, 3)


@dataclass(frozen=True)
class Ahead:
    """Some of the videos, the shape of what the network sees of most of their items, and the work on all of them."""

    videos: tuple[Path, ...]
    shape: Shape
    work: WorkAhead


def look_ahead(kind: Analysis, videos: Sequence[Path], opens: Opens, processes: int = 1) -> Ahead | None:
    """What is ahead of each of so many processes that share videos; ``None`` if none can be read.

    A few are probed, and stand for all; of these, those are chosen whose items have the shape that most have.
    """
    groups: dict[Shape, list[VideoInfo]] = {}
    for info, _ in sampled_videos(videos, opens, SAMPLE_VIDEOS):
        with suppress(PoseCliError):  # which is reported when its turn comes
            groups.setdefault(kind.network_shape(info), []).append(info)
    if not groups:
        return None
    network = kind.model.folder.description.network
    each = {shape: multiply_adds(network, shape) for shape in groups}
    items = {shape: sum(map(kind.items, infos)) for shape, infos in groups.items()}
    shape = max(groups, key=lambda one: items[one] * each[one])
    infos = groups[shape]
    share = len(videos) / sum(map(len, groups.values())) / processes
    work = WorkAhead(
        share * sum(items[one] * each[one] for one in groups),
        each[shape],
        min(kind.sample_size(infos[0]), sum(items.values())),
        kind.calibration_shape(infos[0])[:-1],
        kind.windows_share(infos[0]),
        detecting(kind),
    )
    return Ahead(tuple(info.path for info in infos), shape, work)


def multiply_adds(network: Network, shape: Shape) -> float:
    """Those of a network for an item of a shape."""
    return float(sum(network.multiplications(shape[:-1]).values()))


def detecting(kind: Analysis) -> float:
    """Multiply-adds with which a detector finds the animal in a frame."""
    detector = kind.model.folder.detector
    return 0.0 if detector is None else multiply_adds(detector.description.network, DETECTED)


def pass_seconds(model: Model[Any, Any], shape: Shape) -> float:
    """Seconds that the network takes for one item of a shape in fp32, measured once."""
    engine = model.with_precision("fp32").engine_for(shape)
    items = np.zeros((engine.info.threads, *shape), np.uint8)
    engine.warm_up(len(items))
    start = perf_counter()
    engine(items)
    return (perf_counter() - start) / len(items)
