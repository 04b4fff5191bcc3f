"""Behaviour tables: what the network says of every chunk of a video, and of every frame.

One HDF5 file holds two tables that pandas reads: ``chunks``, a row for each chunk with its first frame, the frame
behind its last, and its time; and ``frames``, a row for each frame. Both have a ``label`` and, for each class, a
probability. A frame's probabilities are the mean of those of all chunks that cover it. Where there are none, because a
frame of the chunk could not be decoded or lies between chunks, they are NaN and the label is empty.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tables

from posecli.errors import OutputError, UsageError
from posecli.model.description import TABLE_COLUMNS
from posecli.support.files import partial_path
from posecli.tables.pose_table import pieces_to_csv

Floats = npt.NDArray[np.float64]

CHUNKS, FRAMES = "chunks", "frames"
#: Class names as JSON, for readers without pandas.
CLASSES_ATTRIBUTE = "classes"
#: Rows that are written or read at a time.
PIECE_ROWS = 65536


@dataclass(frozen=True)
class Behaviours:
    """What was found in a video.

    >>> found = Behaviours(("rest", "walk"), np.array([0, 2]), 4, np.array([[1.0, 0.0], [0.0, 1.0]]), np.arange(6) / 30)
    >>> found.frame_probabilities(range(6))[:, 1]
    array([0. , 0. , 0.5, 0.5, 1. , 1. ])
    """

    classes: tuple[str, ...]  # names of the C behaviours
    starts: npt.NDArray[np.int64]  # (N,) first frame of each chunk
    span: int  # frames that a chunk stands for; the only one of a shorter video stands for all of them
    probabilities: Floats  # (N, C), NaN for a chunk with a frame that could not be decoded
    seconds: Floats  # (F,) presentation time of each frame; NaN where it is not known

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """``(N,)``, one past each chunk's last frame."""
        return np.minimum(self.starts + self.span, len(self.seconds))

    def frame_probabilities(self, frames: range) -> Floats:
        """``(len(frames), C)``: the mean over the chunks that cover each frame; NaN where there are none."""
        total = np.zeros((len(frames), len(self.classes)))
        count = np.zeros((len(frames), 1))
        covering = np.flatnonzero((self.ends > frames.start) & (self.starts < frames.stop))
        for number in covering:
            if np.isfinite(self.probabilities[number, 0]):
                part = slice(max(self.starts[number] - frames.start, 0), self.ends[number] - frames.start)
                total[part] += self.probabilities[number]
                count[part] += 1
        with np.errstate(invalid="ignore"):
            return np.asarray(total / count)


def labels_of(probabilities: Floats, classes: tuple[str, ...]) -> npt.NDArray[np.str_]:
    """The most probable class of each row; of equal ones the first, and an empty label for NaN.

    >>> labels_of(np.array([[0.2, 0.8], [np.nan, np.nan]]), ("rest", "walk")).tolist()
    ['walk', '']
    """
    known = np.isfinite(probabilities[:, 0])
    best = np.where(known, np.nan_to_num(probabilities).argmax(axis=1), len(classes))
    return np.asarray([*classes, ""])[best]


def write_behaviours(path: Path, found: Behaviours) -> None:
    """Write a table under its partial name; the caller moves it into place, or removes it after an error."""
    scratch = partial_path(path)
    longest = max(len(name.encode()) for name in found.classes)
    try:
        scratch.write_bytes(b"")  # HDF5's own error does not say why a file is refused
        with pd.HDFStore(str(scratch), mode="w") as store, warnings.catch_warnings():
            # Class names need not be Python names.
            warnings.simplefilter("ignore", tables.NaturalNameWarning)
            for key, piece in _pieces(found):
                # Each column is stored under its own name; pandas would merge those of one type.
                store.append(key, piece, index=False, data_columns=True, min_itemsize={"label": longest})
            for key in (CHUNKS, FRAMES):
                node: Any = store.get_node(key)  # type: ignore[operator]  # the stubs take it for a column
                node._v_attrs[CLASSES_ATTRIBUTE] = json.dumps(found.classes)
    except (OSError, tables.HDF5ExtError) as error:
        words = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0]
        raise OutputError(f"'{path}' cannot be written ({words}): check its folder and disk") from error


def _pieces(found: Behaviours) -> Iterator[tuple[str, pd.DataFrame]]:
    chunks = pd.DataFrame(
        {"first_frame": found.starts, "end_frame": found.ends, "seconds": found.seconds[found.starts]}
    )
    yield CHUNKS, _with_classes(chunks, found.probabilities, found.classes)
    for start in range(0, len(found.seconds), PIECE_ROWS):
        frames = range(start, min(start + PIECE_ROWS, len(found.seconds)))
        times = pd.DataFrame({"seconds": found.seconds[start : frames.stop]}, index=list(frames))
        yield FRAMES, _with_classes(times, found.frame_probabilities(frames), found.classes)


def _with_classes(table: pd.DataFrame, probabilities: Floats, classes: tuple[str, ...]) -> pd.DataFrame:
    labels = pd.Series(labels_of(probabilities, classes), index=table.index, name="label", dtype=object)
    values = pd.DataFrame(probabilities, index=table.index, columns=list(classes))
    return pd.concat([table, labels, values], axis=1)


def is_behaviour_table(path: Path) -> bool:
    """Whether a file has the layout of a behaviour table."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return CHUNKS in file and FRAMES in file
    except OSError:
        return False


def read_behaviours(path: str | Path, key: str = FRAMES) -> pd.DataFrame:
    """Read a behaviour table.

    Parameters
    ----------
    path
        The file.
    key
        ``frames``, a row for each frame, or ``chunks``.

    Returns
    -------
    DataFrame
        ``seconds``, ``label`` and a probability for each class; for chunks also ``first_frame`` and ``end_frame``.

    Raises
    ------
    UsageError
        If the file is missing, damaged or not a behaviour table.

    Examples
    --------
    >>> read_behaviours("cageI3D_homecage_800.h5")  # doctest: +SKIP
    """
    return pd.concat(list(_read_pieces(Path(path), key)))


def _read_pieces(path: Path, key: str) -> Iterator[pd.DataFrame]:
    """A table in pieces, read as plain data: pandas would unpickle what is in the file."""
    import h5py

    places = ("first_frame", "end_frame") if key == CHUNKS else ()
    try:
        with h5py.File(path, "r") as file:
            group = file[key]
            classes = json.loads(group.attrs[CLASSES_ATTRIBUTE])
            if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
                raise ValueError("its classes are not names")
            node = group["table"]
            for start in range(0, max(len(node), 1), PIECE_ROWS):
                rows = node[start : start + PIECE_ROWS]
                columns: dict[str, Any] = {name: rows[name] for name in (*places, "seconds")}
                columns["label"] = [text.decode() for text in rows["label"]]
                yield pd.DataFrame(columns | {name: rows[name] for name in classes}, index=rows["index"])
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        problem = "does not exist" if not path.is_file() else f"is not a behaviour table ({str(error)[:80]})"
        raise UsageError(f"'{path}' {problem}: give a file that 'posecli classify' made") from error


def behaviours_to_csv(table: Path, csv: Path) -> None:
    """Write the table of frames as CSV, piece by piece."""
    pieces_to_csv(csv, (piece.rename_axis("frame") for piece in _read_pieces(table, FRAMES)))


def problems_of(frames: pd.DataFrame, chunks: pd.DataFrame) -> Iterator[str]:
    """What is wrong with a table, in words; `frames` and `chunks` are as `read_behaviours` returns them."""
    for table in (frames, chunks):
        classes = [name for name in table.columns if name not in TABLE_COLUMNS]
        values = table[classes].to_numpy()
        known = np.isfinite(values).all(axis=1)
        if ((values[known] < 0) | (values[known] > 1)).any() or not np.allclose(values[known].sum(axis=1), 1):
            yield "its probabilities are not between 0 and 1 with a sum of 1"
        if table["label"].tolist() != labels_of(values, tuple(classes)).tolist():
            yield "its labels are not those of the highest probabilities"
    if frames.index.tolist() != list(range(len(frames))):
        yield "its frames are not counted from 0 without gaps"
    if len(chunks) and not 0 <= chunks["first_frame"].min() <= chunks["end_frame"].max() <= len(frames):
        yield "its chunks lie outside its frames"
