"""Tiny trainings of networks for behaviours: videos of a square that moves across or up and down, and their labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from posecli.network import i3d
from support import clips, projects

#: Two behaviours, neither of which a single frame gives away.
CLASSES = ("across", "updown")
HEIGHT, WIDTH = 48, 64
FRAMES = 60
#: A run of a few seconds.
TINY: dict[str, Any] = {
    "name": "tiny",
    "classes": list(CLASSES),
    "clips": {"length": 9, "height": 32, "width": 32},
    "network_width": 0.1,
    "precision": "fp32",
    "evaluate_every": 100,
    "checkpoint_every": 2,
    "phases": [{"steps": 4, "batch_size": 2, "warm_up": 1}],
}


#: Mixed blocks that are left of the nine: TensorFlow takes long to prepare each, however narrow it is.
BLOCKS = ("Mixed_4b", "Mixed_5c")


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Make the network short."""
    patch.setattr(i3d, "MIXED_CHANNELS", {name: i3d.MIXED_CHANNELS[name] for name in BLOCKS})


def moving_square(direction: str, seed: int, count: int = FRAMES) -> npt.NDArray[np.uint8]:
    """``(count, 48, 64, 3)`` frames of a bright square on a grey ground; where it is at first is a matter of chance."""
    rng = np.random.default_rng(seed)
    swing = np.sin(2 * np.pi * (np.arange(count) / 8 + rng.random()))
    y, x = rng.uniform(18, 30), rng.uniform(22, 42)
    frames = np.full((count, HEIGHT, WIDTH, 3), 90, np.uint8)
    for frame, offset in zip(frames, 10 * swing, strict=True):
        top, left = (round(y), round(x + offset)) if direction == "across" else (round(y + offset), round(x))
        frame[top - 5 : top + 5, left - 5 : left + 5] = 220
    return frames


def write_videos(folder: Path, per_class: int = 2) -> list[Path]:
    """Write ``across0.mp4``, ``updown0.mp4`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        clips.encode(folder / f"{name}{number}.mp4", moving_square(name, number))
        for name in CLASSES
        for number in range(per_class)
    ]


def write_table(path: Path, rows: Sequence[tuple[str, int, int, str]]) -> Path:
    """Write labelled intervals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["video", "start", "end", "label"])
        writer.writerows(rows)
    return path


def write_data(folder: Path, per_class: int = 2) -> Path:
    """Videos, and a table that labels all of their frames."""
    videos = write_videos(folder, per_class)
    return write_table(folder / "labels.csv", [(path.name, 0, FRAMES, path.stem[:6]) for path in videos])


def write_config(path: Path, table: Path | None, **settings: Any) -> Path:
    """Write the settings of a tiny run; `settings` change them."""
    data = [] if table is None else [{"intervals": str(table)}]
    return projects.write_yaml(path, TINY | {"data": data} | settings)
