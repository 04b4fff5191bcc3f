"""Pose tables of the numbered clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.files import move_into_place
from posecli.table import PoseTableWriter, pose_columns
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
