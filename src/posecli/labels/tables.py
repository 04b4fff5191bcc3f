"""One label file, HDF5 or CSV: its body parts, its points and the images that its rows name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
from posecli.labels.data import LabeledFrame
from posecli.support.textfile import csv_rows, number_in, read_text
from posecli.support.yamlfile import brief
from posecli.tables.hdf5 import PlainTable, read_plain_table

LABELED_DATA = "labeled-data"
#: First cells of the lines that name the columns of a CSV table, by their number.
HEADERS = {3: ["scorer", "bodyparts", "coords"], 4: ["scorer", "individuals", "bodyparts", "coords"]}


@dataclass(frozen=True)
class LabelTable:
    """One label file: points ``(N, P, 2)`` of its own body parts, and the path parts of each row's image."""

    path: Path
    scorer: str
    bodyparts: tuple[str, ...]
    images: tuple[tuple[str, ...], ...]
    points: npt.NDArray[np.float64]

    def frames(self, wanted: Sequence[str]) -> list[LabeledFrame]:
        """The frames with the wanted body parts; NaN for those that the file lacks."""
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
    table = read_plain_table(path, LabelError) if path.suffix.lower() == ".h5" else _read_csv(path)
    table = _of_one_animal(path, table)
    if not table.index or not table.columns:
        raise LabelError(f"'{path}' is empty: label some frames and save them in DeepLabCut")
    if any(len(label) != 3 for label in table.columns):
        raise LabelError(f"'{path}' has no columns by scorer, body part and x or y: save the labels with DeepLabCut")
    bodyparts = tuple(dict.fromkeys(str(label[1]) for label in table.columns))
    scorers = dict.fromkeys(str(label[0]) for label in table.columns)
    if len(scorers) > 1:
        raise LabelError(
            f"'{path}' holds labels of several people ({_few(list(scorers))}): keep the columns of one of them in it"
        )
    points = np.stack([_column(path, table, part, coord) for part in bodyparts for coord in ("x", "y")], axis=1)
    points = points.reshape(len(table.index), len(bodyparts), 2)
    images = tuple(_path_parts(path, label) for label in table.index)
    for row, part, _ in np.argwhere(np.isinf(points)):
        raise LabelError(
            f"'{path}' has an infinite label ({brief(bodyparts[part])} on {brief(images[row][-1])}): "
            "give a position in px, or leave it empty"
        )
    points[np.isnan(points).any(axis=2)] = np.nan  # half a point is none
    return LabelTable(path, next(iter(scorers)), bodyparts, images, points)


def refuse_several_animals(path: Path, names: object) -> None:
    """Refuse labels of several animals; one that has a name is one."""
    if isinstance(names, Iterable) and len(several := dict.fromkeys(map(str, names))) > 1:
        raise LabelError(
            f"'{path}' labels several animals ({_few(list(several))}), which is not supported yet: use a "
            "single-animal project, or keep the columns of one animal"
        )


def _few(names: Sequence[str]) -> str:
    """At most six of some names, none of them long, for a message."""
    shown = [name if len(name) < 80 else f"{name[:77]}..." for name in names[:6]]
    return " ".join(", ".join([*shown, "..."] if len(names) > 6 else shown).split())


def _of_one_animal(path: Path, table: PlainTable) -> PlainTable:
    """The table without the level that names the animal, where it has one."""
    named = [label for label in table.columns if len(label) == 4]
    refuse_several_animals(path, [label[1] for label in named])
    if not named or len(named) < len(table.columns):
        return table
    return replace(table, columns=tuple((scorer, part, coord) for scorer, _, part, coord in named))


def _column(path: Path, table: PlainTable, bodypart: str, coord: str) -> npt.NDArray[np.float64]:
    places = [place for place, label in enumerate(table.columns) if (str(label[1]), label[2]) == (bodypart, coord)]
    if len(places) != 1:
        raise LabelError(
            f"'{path}' has {len(places)} columns '{coord}' of body part {brief(bodypart)} where one is expected: "
            "save the labels with DeepLabCut"
        )
    return table.values[:, places[0]]


def _path_parts(path: Path, label: tuple[Any, ...]) -> tuple[str, ...]:
    parts = tuple(part for item in label for part in str(item).replace("\\", "/").split("/") if part)
    if not parts or not all(isinstance(item, str) for item in label) or ".." in parts:
        raise LabelError(
            f"'{path}' has a row {brief(label)} that does not name an image: expected {LABELED_DATA}/<video>/<image>"
        )
    return parts


def _read_csv(path: Path) -> PlainTable:
    """Labels as text: lines of column names, and one or three columns for the image's path."""
    rows = csv_rows(read_text(path, LabelError), path, LabelError)
    depth = next((depth for depth in (3, 4) if [cells[0].strip() for _, cells in rows[:depth]] == HEADERS[depth]), None)
    if depth is None:
        raise LabelError(f"'{path}' does not begin with lines 'scorer', 'bodyparts', 'coords': save the labels again")
    names = [cells for _, cells in rows[:depth]]
    leading = 3 if names[0][1:3] == ["", ""] else 1
    columns = list(zip_longest(*(cells[leading:] for cells in names), fillvalue=""))
    while columns and not any(columns[-1]):  # a spreadsheet writes columns that were in use once
        columns.pop()
    values = [_numbers(path, line, cells[leading:], len(columns)) for line, cells in rows[depth:]]
    index = tuple(tuple(cells[:leading]) for _, cells in rows[depth:])
    return PlainTable(tuple(columns), index, np.array(values, np.float64).reshape(len(index), len(columns)))


def _numbers(path: Path, line: int, cells: Sequence[str], count: int) -> list[float]:
    if len(cells) < count or any(cell.strip() for cell in cells[count:]):
        raise LabelError(f"line {line} of '{path}' has {len(cells)} numbers where {count} are expected: correct it")
    try:
        return [number_in(cell) for cell in cells[:count]]
    except ValueError as error:
        raise LabelError(f"line {line} of '{path}' is not all numbers ({brief(str(error))}): correct it") from None
