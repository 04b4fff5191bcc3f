"""Pose tables of the numbered clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from posecli.support.files import move_into_place
from posecli.tables.pose_table import KEY, PoseTableWriter, pose_columns
from support import clips

#: Height and width of the clips, px.
SIZE = (120, 160)


def write_table(path: Path, poses: npt.NDArray[np.float64]) -> Path:
    """Write ``(N, K, 3)`` poses, K up to 3, at 25 frames per second."""
    writer = PoseTableWriter(path, pose_columns("DLC_x", ("red", "green", "blue")[: poses.shape[1]]))
    writer.append(poses[:, :, None])
    writer.close(np.arange(len(poses)) / 25)
    move_into_place(writer.partial_path, path)
    return path


def dot_poses(count: int) -> npt.NDArray[np.float64]:
    """``(count, 3, 3)``: where the dots are, with a likelihood of 1."""
    centres = np.stack([clips.dot_centres(number, *SIZE) for number in range(count)])
    poses: npt.NDArray[np.float64] = np.concatenate([centres, np.ones((count, 3, 1))], axis=2)
    return poses


def pose_frame(
    poses: npt.NDArray[np.float64],
    frames: Sequence[Any] | None = None,
    scorer: str = "DLC_x",
    individual: str | None = None,
    bodyparts: Sequence[str] = ("red", "green", "blue"),
) -> pd.DataFrame:
    """``(N, K, 3)`` poses as other programs hold them in memory, with rows of these frames."""
    animals, names = ([], []) if individual is None else ([[individual]], ["individuals"])
    parts = bodyparts[: poses.shape[1]]
    columns = pd.MultiIndex.from_product(
        [[scorer], *animals, parts, ["x", "y", "likelihood"]], names=["scorer", *names, "bodyparts", "coords"]
    )
    return pd.DataFrame(poses.reshape(len(poses), -1), None if frames is None else list(frames), columns)


def save_frame(frame: pd.DataFrame, path: Path, layout: str = "table", key: str = KEY, **options: Any) -> Path:
    """Write a table with pandas' own writer."""
    # A path as text: pandas takes others for URLs.
    frame.to_hdf(str(path), key=key, format=layout, **({"mode": "w"} | options))  # type: ignore[arg-type]
    return path
