"""Labels of one file and of a whole project, checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
from posecli.labels.data import LabeledData, LabeledFrame, image_size
from posecli.support.textfile import csv_rows, number_in, read_text
from posecli.support.yamlfile import brief, name_of, read_yaml, truth_of
from posecli.tables.hdf5 import PlainTable, read_plain_table

LABELED_DATA = "labeled-data"
#: First cells of the lines that name the columns of a CSV table, by their number.
HEADERS = {3: ["scorer", "bodyparts", "coords"], 4: ["scorer", "individuals", "bodyparts", "coords"]}
CONFIG = "config.yaml"
#: If more of the labels lie outside of their images, they belong to other images.
MOST_OUTSIDE = 0.1


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


def read_labeled_data(
    path: Path, bodyparts: Sequence[str] | None = None, *, allow_unlabeled: bool = False
) -> LabeledData:
    """Read labels, and check that they and their images fit together.

    Parameters
    ----------
    path
        A project folder or its ``config.yaml``, a ``labeled-data`` folder, one video's folder in it, or one
        ``CollectedData`` file (``.h5`` or ``.csv``).
    bodyparts
        Body parts to read, in this order; others are left out. By default those of ``config.yaml``, where there is
        one, and otherwise all that are labelled.
    allow_unlabeled
        Accept a body part without any label, whose points are all NaN.

    Returns
    -------
    LabeledData
        Frames without labels are included: they say that nothing can be seen.

    Raises
    ------
    LabelError
        If there are no labels, an image is missing or cannot be read, body parts do not fit the project's, labels
        are infinite, or too many lie outside of their images.
    """
    tables, config = _find_tables(path)
    known = _config_bodyparts(path, config)
    found = [read_label_table(table) for table in tables]
    there = dict.fromkeys(name for labels in found for name in labels.bodyparts)
    wanted = tuple(bodyparts) if bodyparts is not None else known or tuple(there)
    if bodyparts is None and known:
        _refuse_unknown(found, known)
    for name in wanted:
        if name not in there:
            raise LabelError(f"'{path}' has no labels of body part '{name}', only of {', '.join(there)}: correct it")
    frames = sorted((frame for labels in found for frame in labels.frames(wanted)), key=lambda frame: frame.name)
    name, count = Counter(frame.name for frame in frames).most_common(1)[0]
    if count > 1:
        raise LabelError(f"'{path}' labels '{name}' {count} times: keep one row of it")
    frames, notes = _without_points_outside(frames)
    data = LabeledData(wanted, tuple(frames), "+".join(sorted({labels.scorer for labels in found})), notes)
    _refuse_unlabeled(data, path, allow_unlabeled=allow_unlabeled)
    return data


def _refuse_unknown(found: Sequence[LabelTable], known: Sequence[str]) -> None:
    """Refuse labelled body parts that the project does not have: most likely a typing error."""
    for path, name in ((table.path, name) for table in found for name in table.bodyparts if name not in known):
        raise LabelError(
            f"'{path}' labels body part '{name}', but {CONFIG} has {', '.join(known)}: correct the name in one of them"
        )


def _refuse_unlabeled(data: LabeledData, path: Path, *, allow_unlabeled: bool) -> None:
    labeled = np.isfinite(data.points[..., 0]).any(axis=0)
    if not labeled.any():
        raise LabelError(f"'{path}' has {len(data)} frames without a single label: label some and save them")
    if not labeled.all() and not allow_unlabeled:
        name = data.bodyparts[int(np.argmin(labeled))]
        raise LabelError(
            f"'{path}' has no label of body part '{name}' on any frame: label it, or take it out of the body parts"
        )


def _without_points_outside(frames: Sequence[LabeledFrame]) -> tuple[list[LabeledFrame], tuple[str, ...]]:
    """Drop labels outside of their image, as DeepLabCut does when it trains; refuse many."""
    kept, outside = [], []
    for frame in frames:
        x, y = frame.points.T
        width, height = image_size(frame.image)
        lost = ~((x > 0) & (x < width) & (y > 0) & (y < height)) & ~np.isnan(x)
        kept.append(replace(frame, points=np.where(lost[:, None], np.nan, frame.points)))
        outside += [frame.name] * int(lost.sum())
    if not outside:
        return kept, ()
    total = sum(int(np.isfinite(frame.points[:, 0]).sum()) for frame in frames)
    note = f"{len(outside)} of {total} labels lie outside of their image, first on '{outside[0]}'"
    if len(outside) > MOST_OUTSIDE * total:
        raise LabelError(f"{note}: check that images and labels belong together and have the same size")
    return kept, (f"{note}; they count as not labelled",)


def _find_tables(path: Path) -> tuple[list[Path], Mapping[str, Any]]:
    """The label files that a path stands for, and the project's settings, empty where it has none."""
    if not path.exists():
        raise LabelError(f"labelled data '{path}' do not exist: check the path")
    if path.is_file() and path.suffix.lower() in (".h5", ".csv"):
        return [path], _project_of(path.resolve().parent.parent)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise LabelError(f"'{path}' holds no labels: give a DeepLabCut project, or a CollectedData file (.h5 or .csv)")
    folder = path.parent if path.is_file() else path
    if path.is_file() or (folder / LABELED_DATA).is_dir():
        config: Mapping[str, Any] = read_yaml(path if path.is_file() else folder / CONFIG, LabelError)
        folder /= LABELED_DATA
    else:
        config = _project_of(folder.resolve()) or _project_of(folder.resolve().parent)
    if truth_of(config.get("multianimalproject")) is True:
        refuse_several_animals(path, config.get("individuals"))
    # One file of each video's folder that has any, or of the folder itself.
    folders = [folder, *sorted(filter(Path.is_dir, folder.glob("*")))]
    tables = [table for entry in folders if (table := _table_in(entry, config.get("scorer"))) is not None]
    if not tables:
        raise LabelError(
            f"'{path}' holds no labels: expected {LABELED_DATA}/<video>/CollectedData_<scorer>.h5 or .csv, "
            "as DeepLabCut saves them"
        )
    return tables, config


def _project_of(folder: Path) -> Mapping[str, Any]:
    """Settings of the project whose ``labeled-data`` a folder is."""
    config = folder.parent / CONFIG
    return read_yaml(config, LabelError) if folder.name == LABELED_DATA and config.is_file() else {}


def _table_in(folder: Path, scorer: object) -> Path | None:
    """The labels of the project's scorer, or those of the only one; ``.h5`` before ``.csv``."""
    found = {path.stem: path for ending in ("csv", "h5") for path in folder.glob(f"CollectedData*.{ending}")}
    own = f"CollectedData_{scorer}"
    if own in found or len(found) <= 1:
        return found.get(own, next(iter(found.values()), None))
    names = ", ".join(sorted(found))
    raise LabelError(f"'{folder}' holds labels of several people ({names}): give the file of one of them")


def _config_bodyparts(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    # A multi-animal project, which may be of one animal, has them elsewhere.
    several = truth_of(config.get("multianimalproject")) is True and isinstance(config.get("bodyparts"), str)
    names = config.get("multianimalbodyparts" if several else "bodyparts")
    if names is None:
        return ()
    try:
        parts = tuple(name_of(name) for name in names) if isinstance(names, list) else ()
    except TypeError as error:
        raise LabelError(f"the project of '{path}' has a body part that {error}") from None
    if not parts or len(set(parts)) < len(parts):
        raise LabelError(f"the project of '{path}' has body parts {brief(names)}: expected a list of distinct names")
    return parts
