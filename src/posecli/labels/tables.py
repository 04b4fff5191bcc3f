"""One label file, HDF5 or CSV: its body parts, its points and the images that its rows name."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
from posecli.hdf5 import PlainTable, read_plain_table
from posecli.labels.data import LabeledFrame
from posecli.labels.files import LABELED_DATA, refuse_multi_animal


@dataclass(frozen=True)
class LabelTable:
    """One label file: points ``(N, P, 2)`` of its own body parts, and the path parts of each row's image."""

    path: Path
    scorer: str
    bodyparts: tuple[str, ...]
    images: tuple[tuple[str, ...], ...]
    points: npt.NDArray[np.float64]

    def frames(self, wanted: Sequence[str]) -> list[LabeledFrame]:
        """Its frames with the wanted body parts; NaN for those it does not have."""
        points = np.full((len(self.images), len(wanted), 2), np.nan)
        for place, name in enumerate(wanted):
            if name in self.bodyparts:
                points[:, place] = self.points[:, self.bodyparts.index(name)]
        places = [_place_of_image(self.path, parts) for parts in self.images]
        missing = [image for image, _ in places if not image.is_file()]
        if missing:
            raise LabelError(
                f"image '{missing[0]}' is labelled in '{self.path.name}' but is not there ({len(missing)} of "
                f"{len(places)} are missing): put it back, or delete its row from the labels"
            )
        return [LabeledFrame(image, name, row) for (image, name), row in zip(places, points, strict=True)]


def _place_of_image(table: Path, parts: tuple[str, ...]) -> tuple[Path, str]:
    """File and name of a row's image: beside the table, or in ``labeled-data`` of the project around it."""
    beside = table.parent / parts[-1]
    if beside.is_file() or len(parts) < 2:
        return beside, "/".join((LABELED_DATA, table.resolve().parent.name, parts[-1]))
    inside = Path(LABELED_DATA, *parts[-2:])
    around = [parent / inside for parent in table.resolve().parents]
    return next((image for image in around if image.is_file()), beside), inside.as_posix()


def read_label_table(path: Path) -> LabelTable:
    """Read one label file; its images are not looked at."""
    table = read_plain_table(path, LabelError) if path.suffix == ".h5" else _read_csv(path)
    refuse_multi_animal(path, any(len(label) == 4 for label in table.columns))
    if not table.index or not table.columns:
        raise LabelError(f"'{path}' is empty: label some frames and save them in DeepLabCut")
    if any(len(label) != 3 for label in table.columns):
        raise LabelError(f"'{path}' has no columns by scorer, body part and x or y: save the labels with DeepLabCut")
    bodyparts = tuple(dict.fromkeys(str(label[1]) for label in table.columns))
    scorers = dict.fromkeys(str(label[0]) for label in table.columns)
    if len(scorers) > 1:
        raise LabelError(f"'{path}' holds labels of several people ({', '.join(scorers)}): keep those of one")
    points = np.stack([_column(path, table, part, coord) for part in bodyparts for coord in ("x", "y")], axis=1)
    points = points.reshape(len(table.index), len(bodyparts), 2)
    images = tuple(_path_parts(path, label) for label in table.index)
    _refuse_infinite(path, bodyparts, images, points)
    points[np.isnan(points).any(axis=2)] = np.nan  # half a point is none
    return LabelTable(path, next(iter(scorers)), bodyparts, images, points)


def _column(path: Path, table: PlainTable, bodypart: str, coord: str) -> npt.NDArray[np.float64]:
    places = [place for place, label in enumerate(table.columns) if label[1:] == (bodypart, coord)]
    if len(places) != 1:
        raise LabelError(
            f"'{path}' has {len(places)} columns '{coord}' of body part '{bodypart}' where one is expected: "
            "save the labels with DeepLabCut"
        )
    return table.values[:, places[0]]


def _path_parts(path: Path, label: tuple[Any, ...]) -> tuple[str, ...]:
    parts = tuple(part for item in label for part in str(item).replace("\\", "/").split("/") if part)
    if not parts or not all(isinstance(item, str) for item in label) or ".." in parts:
        raise LabelError(f"'{path}' has a row '{label}' that names no image: expected {LABELED_DATA}/<video>/<image>")
    return parts


def _read_csv(path: Path) -> PlainTable:
    """Labels as text: three header lines, and one or three columns for the image's path."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"'{path}' cannot be read as CSV ({error}): save the labels again") from error
    refuse_multi_animal(path, len(rows) > 1 and rows[1][0] == "individuals")
    if [row[0] for row in rows[:3]] != ["scorer", "bodyparts", "coords"]:
        raise LabelError(f"'{path}' does not begin with lines 'scorer', 'bodyparts', 'coords': save the labels again")
    leading = 3 if rows[0][1:3] == ["", ""] else 1
    columns = tuple(zip(*(row[leading:] for row in rows[:3]), strict=False))
    values = [_numbers(path, line, row[leading:], len(columns)) for line, row in enumerate(rows[3:], start=4)]
    index = tuple(tuple(row[:leading]) for row in rows[3:])
    return PlainTable(columns, index, np.array(values, np.float64).reshape(len(index), len(columns)))


def _numbers(path: Path, line: int, texts: Sequence[str], count: int) -> list[float]:
    try:
        numbers = [float(text) if text.strip() else np.nan for text in texts]
    except ValueError as error:
        raise LabelError(f"line {line} of '{path}' is not all numbers ({error}): correct it") from None
    if len(numbers) != count:
        raise LabelError(f"line {line} of '{path}' has {len(numbers)} numbers where {count} are expected: correct it")
    return numbers


def _refuse_infinite(
    path: Path, bodyparts: Sequence[str], images: Sequence[tuple[str, ...]], points: npt.NDArray[np.float64]
) -> None:
    places = np.argwhere(np.isinf(points))
    if len(places):
        row, part, _ = places[0]
        raise LabelError(
            f"'{path}' has an infinite label ('{bodyparts[part]}' on '{images[row][-1]}'): "
            "give a position in px, or leave it empty"
        )
