"""Labelled frames: what people said where the body parts are, in the layout of a DeepLabCut project.

::

    labeled-data/<video>/CollectedData_<scorer>.h5   the labels, or .csv where there is no .h5
    labeled-data/<video>/img0000.png                 the frames

Coordinates are px of the image and are used as they stand, in the convention of poses (`posecli.geometry`).
"""

from __future__ import annotations

import csv
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from posecli.errors import LabelError, UsageError
from posecli.hdf5 import PlainTable, read_plain_table
from posecli.table import move_into_place, partial_path, write_partial
from posecli.video.opencv import import_cv2
from posecli.yamlfile import read_yaml

LABELED_DATA = "labeled-data"
CONFIG = "config.yaml"
#: More labels than this outside of their image are no slips of the hand: the labels belong to other images.
MOST_OUTSIDE = 0.1
#: A PNG begins with this, a length and a name, then width and height as 32-bit integers.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_SIZE = slice(16, 24)


@dataclass(frozen=True)
class LabeledFrame:
    """One labelled image.

    Attributes
    ----------
    image
        The file.
    name
        ``labeled-data/<video>/<file>``, with forward slashes: what identifies the frame in a split.
    points
        ``(K, 2)`` float64: x px, y px; NaN where a body part was not labelled, which says that it cannot be seen.
    """

    image: Path
    name: str
    points: npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabeledData:
    """Labelled images of one project.

    Attributes
    ----------
    bodyparts
        ``K`` names, in the order of the points.
    frames
        Sorted by name.
    scorer
        Who labelled.
    notes
        What was passed over while reading, a sentence each, for people.

    Examples
    --------
    >>> frames = (LabeledFrame(Path("img0.png"), "labeled-data/m1/img0.png", np.full((2, 2), np.nan)),)
    >>> LabeledData(("snout", "tail"), frames, "me")
    LabeledData(1 frames, 0 points of 2 body parts, by me)
    """

    bodyparts: tuple[str, ...]
    frames: tuple[LabeledFrame, ...]
    scorer: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        seen = int(np.isfinite(self.points[..., 0]).sum())
        return f"LabeledData({len(self)} frames, {seen} points of {len(self.bodyparts)} body parts, by {self.scorer})"

    @cached_property
    def points(self) -> npt.NDArray[np.float64]:
        """``(N, K, 2)`` float64: the points of all frames."""
        return np.array([frame.points for frame in self.frames], np.float64).reshape(-1, len(self.bodyparts), 2)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all frames."""
        return tuple(frame.name for frame in self.frames)

    def select(self, names: Iterable[str]) -> LabeledData:
        """The frames of these names, in this order of frames."""
        wanted = set(names)
        return replace(self, frames=tuple(frame for frame in self.frames if frame.name in wanted))


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
        Accept a body part without a single label, whose points are all NaN.

    Returns
    -------
    LabeledData
        Frames on which nothing is labelled are there too: they say that nothing can be seen.

    Raises
    ------
    LabelError
        If there are no labels, an image is missing or cannot be read, body parts do not fit the project's, labels
        are infinite, or too many lie outside of their images.
    """
    tables, config = _find_tables(path)
    known = _config_bodyparts(path, config)
    found = [_read_labels(table) for table in tables]
    wanted = tuple(bodyparts) if bodyparts is not None else known or _all_bodyparts(found)
    if bodyparts is None and known:
        _refuse_unknown(found, known)
    _refuse_absent(found, wanted, path)
    frames = sorted((frame for labels in found for frame in labels.frames(wanted)), key=lambda frame: frame.name)
    _refuse_twins(frames, path)
    frames, notes = _without_points_outside(frames)
    data = LabeledData(wanted, tuple(frames), "+".join(sorted({labels.scorer for labels in found})), notes)
    _refuse_unlabeled(data, path, allow_unlabeled=allow_unlabeled)
    return data


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image as the network is shown it.

    Returns
    -------
    ndarray
        ``(H, W, 3)`` uint8 RGB.

    Raises
    ------
    LabelError
        If it is missing or damaged.
    """
    return np.ascontiguousarray(read_bgr(path)[..., ::-1])


def read_bgr(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image as OpenCV does: ``(H, W, 3)`` uint8 BGR; errors as `read_image`."""
    cv2 = import_cv2()
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise LabelError(f"image '{path}' cannot be read ({error.strerror or error}): check the file") from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise LabelError(f"image '{path}' is damaged or no image: copy it again, or delete its row from the labels")
    pixels: npt.NDArray[np.uint8] = image
    return pixels


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, px; of a PNG without decoding it; errors as `read_image`."""
    try:
        with path.open("rb") as stream:
            start = stream.read(PNG_SIZE.stop)
    except OSError as error:
        raise LabelError(f"image '{path}' cannot be read ({error.strerror or error}): check the file") from error
    if start.startswith(PNG_SIGNATURE) and len(start) == PNG_SIZE.stop:
        width, height = struct.unpack(">II", start[PNG_SIZE])
        return width, height
    height, width = read_bgr(path).shape[:2]
    return width, height


def split_frames(data: LabeledData, held_out: Sequence[str] | float, seed: int = 0) -> tuple[LabeledData, LabeledData]:
    """Split into frames to train on and frames to test on.

    Parameters
    ----------
    data
        All frames.
    held_out
        Names of the frames to test on, in full or as far as they are unique (``img0007.png``), none included; or the
        fraction of frames to draw at random, between 0 and 1, of which at least one is drawn.
    seed
        Of the draw.

    Returns
    -------
    train, test : LabeledData
        Together all frames.

    Raises
    ------
    UsageError
        If a name is unknown or not unique, or no frame would be left to train on.
    """
    if isinstance(held_out, float | int):
        chosen = _drawn(data, float(held_out), seed)
    else:
        chosen = {_named(data, name) for name in held_out}
    train = data.select(name for name in data.names if name not in chosen)
    if not train.frames:
        raise UsageError(f"holding out {len(chosen)} of {len(data)} labelled frames leaves none: hold out fewer")
    return train, data.select(chosen)


def read_split(path: Path, data: LabeledData) -> tuple[LabeledData, LabeledData]:
    """Frames to train on and to test on, as a YAML file with the lists ``train`` and ``test`` says.

    Frames that stand in neither list are in neither.

    Raises
    ------
    UsageError
        If the file has other keys, names a frame that is not in the data, or names one in both lists.
    """
    content = read_yaml(path, UsageError)
    if set(content) != {"train", "test"} or not all(_is_names(names) for names in content.values()):
        raise UsageError(f"'{path}' is no split: expected two lists of frame names, 'train' and 'test'")
    train, test = ({_named(data, name) for name in content[key]} for key in ("train", "test"))
    if both := sorted(train & test):
        raise UsageError(f"'{path}' has '{both[0]}' in both lists: keep it in one, or the test error means nothing")
    return data.select(train), data.select(test)


def write_split(path: Path, train: Sequence[str], test: Sequence[str]) -> None:
    """Write the file that `read_split` reads: names of the images trained on and held out."""
    content = {"train": list(train), "test": list(test)}
    write_partial(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    move_into_place(partial_path(path), path)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _drawn(data: LabeledData, fraction: float, seed: int) -> set[str]:
    if not 0 < fraction < 1:
        raise UsageError(f"held-out fraction {fraction:g} is out of range: give a number between 0 and 1")
    count = max(1, round(len(data) * fraction))
    order = np.random.default_rng(seed).permutation(len(data))
    return {data.names[place] for place in order[:count]}


def _named(data: LabeledData, name: str) -> str:
    wanted = name.replace("\\", "/")
    found = [full for full in data.names if full == wanted or full.endswith(f"/{wanted}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"frame '{name}' could be '{found[0]}' or '{found[1]}': give its name in full")
    raise UsageError(f"frame '{name}' is not among the labelled frames ('{data.names[0]}', ...): correct its name")


# --- which files -----------------------------------------------------------------------------------------------------


def _find_tables(path: Path) -> tuple[list[Path], Mapping[str, Any]]:
    """The label files that a path stands for, and the project's settings, empty where it has none."""
    if not path.exists():
        raise LabelError(f"labelled data '{path}' do not exist: check the path")
    if path.is_file() and path.suffix in (".h5", ".csv"):
        return [path], _project_of(path.resolve().parent.parent)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise LabelError(f"'{path}' holds no labels: give a DeepLabCut project, or a CollectedData file (.h5 or .csv)")
    folder = path.parent if path.is_file() else path
    if path.is_file() or (folder / LABELED_DATA).is_dir():
        config: Mapping[str, Any] = read_yaml(path if path.is_file() else folder / CONFIG, LabelError)
        parents = [folder / LABELED_DATA]
    else:
        config = _project_of(folder.resolve()) or _project_of(folder.resolve().parent)
        parents = [folder]
    _refuse_multi_animal(path, bool(config.get("multianimalproject")))
    tables = [table for parent in parents for table in _tables_below(parent, config.get("scorer"))]
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


def _tables_below(folder: Path, scorer: object) -> list[Path]:
    """One label file of each video's folder that has any, or of the folder itself."""
    if not folder.is_dir():
        return []
    folders = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
    return [table for entry in folders if (table := _table_in(entry, scorer)) is not None]


def _table_in(folder: Path, scorer: object) -> Path | None:
    """The labels of the project's scorer, or those of the only one; ``.h5`` before ``.csv``."""
    found = {path.stem: path for ending in ("csv", "h5") for path in folder.glob(f"CollectedData*.{ending}")}
    own = f"CollectedData_{scorer}"
    if own in found or len(found) <= 1:
        return found.get(own, next(iter(found.values()), None))
    names = ", ".join(sorted(found))
    raise LabelError(f"'{folder}' holds labels of several people ({names}): give the file of one of them")


def _config_bodyparts(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("bodyparts")
    if names is None:
        return ()
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise LabelError(f"the project of '{path}' has body parts {names!r}: expected a list of distinct names")
    return tuple(str(name) for name in names)


def _refuse_multi_animal(path: Path, multi: bool) -> None:
    if multi:
        raise LabelError(f"'{path}' labels several animals, which is not supported yet: use a single-animal project")


# --- one file --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Labels:
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


def _read_labels(path: Path) -> _Labels:
    table = read_plain_table(path, LabelError) if path.suffix == ".h5" else _read_csv(path)
    _refuse_multi_animal(path, any(len(label) == 4 for label in table.columns))
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
    return _Labels(path, next(iter(scorers)), bodyparts, images, points)


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
    _refuse_multi_animal(path, len(rows) > 1 and rows[1][0] == "individuals")
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


# --- what does not fit -----------------------------------------------------------------------------------------------


def _all_bodyparts(found: Sequence[_Labels]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for labels in found for name in labels.bodyparts))


def _refuse_unknown(found: Sequence[_Labels], known: Sequence[str]) -> None:
    """Labelled body parts that the project does not have: most likely misspelt in one place."""
    for labels in found:
        for name in labels.bodyparts:
            if name not in known:
                raise LabelError(
                    f"'{labels.path}' labels body part '{name}', but {CONFIG} has {', '.join(known)}: "
                    "correct the name in one of them"
                )


def _refuse_absent(found: Sequence[_Labels], wanted: Sequence[str], path: Path) -> None:
    there = _all_bodyparts(found)
    for name in wanted:
        if name not in there:
            raise LabelError(f"'{path}' has no labels of body part '{name}', only of {', '.join(there)}: correct it")


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


def _refuse_twins(frames: Sequence[LabeledFrame], path: Path) -> None:
    name, count = Counter(frame.name for frame in frames).most_common(1)[0]
    if count > 1:
        raise LabelError(f"'{path}' labels '{name}' {count} times: keep one row of it")


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
    """Take labels outside of their image for none, as DeepLabCut does when it trains; refuse many."""
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
