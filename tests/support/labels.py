"""Labelled frames in miniature, in every form that DeepLabCut has written them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from support import clips, projects

BODYPARTS = ("red", "green", "blue")
HEIGHT, WIDTH = 120, 160
Points = npt.NDArray[np.float64]

#: How a file is laid out, and how its rows name their images; the missing pair is one that pandas cannot write.
FORMS = (
    ("fixed", "parts"),
    ("fixed", "path"),
    ("fixed", "backslashes"),
    ("table", "path"),
    ("table", "backslashes"),
    ("csv", "parts"),
    ("csv", "path"),
)


def dots(count: int, height: int = HEIGHT, width: int = WIDTH) -> Points:
    """``(count, 3, 2)``: where the dots of `support.clips.numbered_frames` are."""
    return np.stack([clips.dot_centres(number, height, width) for number in range(count)])


def write_images(folder: Path, count: int, height: int = HEIGHT, width: int = WIDTH) -> list[str]:
    """Write frames with dots as PNG; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"img{number:04d}.png" for number in range(count)]
    for name, image in zip(names, clips.numbered_frames(count, height, width), strict=True):
        assert cv2.imwrite(str(folder / name), image[..., ::-1])
    return names


def label_frame(
    points: Points,
    images: Sequence[str],
    video: str = "m1",
    *,
    bodyparts: Sequence[str] = BODYPARTS,
    scorer: str = "me",
    index: str = "parts",
) -> pd.DataFrame:
    """Labels as DeepLabCut holds them in memory."""
    columns = pd.MultiIndex.from_product([[scorer], bodyparts, ["x", "y"]], names=["scorer", "bodyparts", "coords"])
    rows: Any
    if index == "parts":
        rows = pd.MultiIndex.from_tuples([("labeled-data", video, name) for name in images])
    else:
        slash = "\\" if index == "backslashes" else "/"
        rows = pd.Index([slash.join(("labeled-data", video, name)) for name in images])
    return pd.DataFrame(points.reshape(len(images), -1), index=rows, columns=columns)


def save_labels(frame: pd.DataFrame, folder: Path, scorer: str = "me", layout: str = "fixed") -> Path:
    """Write ``CollectedData_<scorer>`` in one layout."""
    path = folder / f"CollectedData_{scorer}.{'csv' if layout == 'csv' else 'h5'}"
    if layout == "csv":
        frame.to_csv(path)
    elif layout == "fixed":
        frame.to_hdf(str(path), key="df_with_missing", mode="w", format="fixed")
    else:
        frame.to_hdf(str(path), key="df_with_missing", mode="w", format="table")
    return path


def write_labels(
    project: Path,
    points: Points,
    video: str = "m1",
    *,
    bodyparts: Sequence[str] = BODYPARTS,
    layout: str = "fixed",
    index: str = "parts",
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Path:
    """Write one video's folder: images with dots and these labels; the label file."""
    folder = project / "labeled-data" / video
    names = write_images(folder, len(points), *size)
    return save_labels(label_frame(points, names, video, bodyparts=bodyparts, index=index), folder, layout=layout)


def write_project(root: Path, count: int = 6, **config: Any) -> Path:
    """Write a project whose labels are right; the project's folder."""
    projects.write_project(root, **({"bodyparts": list(BODYPARTS)} | config))
    write_labels(root, dots(count))
    return root
