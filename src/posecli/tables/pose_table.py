"""Pose tables: written row by row as poses are made, and under their final name only when whole.

The layout is DeepLabCut's single-animal table (key, column levels and order, one float64 block, plain index), so that
its own steps and the field's tools open it. The file also holds the frames' presentation times as a plain array,
``/posecli/seconds``, which pandas ignores; the time of frame n stands at place n.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tables

from posecli.errors import OutputError, PoseCliError, UsageError
from posecli.options import TableChoice
from posecli.support.files import partial_path, whole_file
from posecli.tables.hdf5 import PlainTable, read_plain_pieces, read_plain_table

KEY = "df_with_missing"
SECONDS_NODE = "/posecli/seconds"
#: Column levels of a pose table, by how many there are.
LEVEL_NAMES = {3: ("scorer", "bodyparts", "coords"), 4: ("scorer", "individuals", "bodyparts", "coords")}
#: pandas leaves this mark out from 3.1 on, without which older versions look for the data under another name.
PANDAS_VERSION_MARK = "0.15.2"
#: Rows that are written at once: a call of pandas takes milliseconds, however few they are.
CHUNK_ROWS = 1024
#: Rows that are read at once, to check them or to write them as text.
READ_CHUNK_ROWS = 8192
#: What a table may take on the disk besides its rows: unfinished chunks, attributes, indexes.
OVERHEAD_BYTES = 256 << 10


def pose_columns(scorer: str, bodyparts: tuple[str, ...], num_outputs: int = 1) -> pd.MultiIndex:
    """Column levels scorer, bodyparts, coords.

    >>> [coord for *_, coord in pose_columns("DLC_x", ("snout",), num_outputs=2)]
    ['x', 'y', 'likelihood', 'x2', 'y2', 'likelihood2']
    """
    ranks = ["", *map(str, range(2, num_outputs + 1))]
    coords = [f"{coord}{rank}" for rank in ranks for coord in ("x", "y", "likelihood")]
    return pd.MultiIndex.from_product([[scorer], bodyparts, coords], names=LEVEL_NAMES[3])


class PoseTableWriter:
    """Appends poses to a table under its partial name.

    `close` makes it whole; then the caller gives it its final name with `move_into_place`. `rows` counts those
    appended so far. Any method raises an `OutputError` if the disk refuses.
    """

    def __init__(self, path: Path, columns: pd.MultiIndex) -> None:
        self.partial_path = partial_path(path)
        self.rows = self._written = self._checksum = 0
        self._columns = columns
        self._waiting: list[npt.NDArray[np.float64]] = []
        self._frames: list[npt.NDArray[np.int64]] = []
        try:
            # A plain file first: HDF5 does not say why it cannot make one.
            self.partial_path.write_bytes(b"")
            self._store = pd.HDFStore(str(self.partial_path), mode="w")
        except OSError as error:
            raise OutputError(
                f"'{path}' cannot be written ({error.strerror or error}): choose another folder with --out-dir"
            ) from error

    def append(self, pose: npt.NDArray[np.float64], frames: npt.NDArray[np.int64] | None = None) -> None:
        """Add rows, ``(B, K, N, 3)``, of the next frames or of those with these numbers, ``(B,)``."""
        self._waiting.append(pose.reshape(len(pose), -1).copy())
        self._frames.append(np.arange(self.rows, self.rows + len(pose)) if frames is None else frames)
        self.rows += len(pose)
        # The first rows are written now: a disk that refuses should say so before minutes have passed.
        if not self._written or self.rows - self._written >= CHUNK_ROWS:
            self._write()

    def close(self, seconds: npt.NDArray[np.float64]) -> None:
        """Make the table whole: write what is waiting, and the presentation times, indexed by frame number."""
        self._write()
        try:
            self._store.close()
            self._reserve(seconds.nbytes)
            with tables.open_file(str(self.partial_path), mode="a") as file:
                file.set_node_attr(f"/{KEY}", "pandas_version", PANDAS_VERSION_MARK)
                group, name = SECONDS_NODE.rsplit("/", 1)
                file.create_array(group, name, obj=seconds, createparents=True)
            kept = _checksum_of(self.partial_path) if self.rows else 0
        except (tables.HDF5ExtError, OSError) as error:
            raise self._refused(error) from error
        if kept != self._checksum:
            raise self._refused(OSError("what was written is not what is read back"))

    def discard(self) -> None:
        """Remove what was written so far."""
        self._store.close()
        self.partial_path.unlink(missing_ok=True)

    def _write(self) -> None:
        if not self._waiting:
            return
        block, index = np.concatenate(self._waiting), np.concatenate(self._frames)
        self._waiting, self._frames = [], []
        try:
            self._reserve(block.nbytes)
            self._store.append(KEY, pd.DataFrame(block, index=index, columns=self._columns), index=False)
            self._store.flush(fsync=True)  # type: ignore[operator]  # the stubs take it for a column
        except (tables.HDF5ExtError, OSError) as error:
            raise self._refused(error) from error
        self._written += len(block)
        self._checksum = zlib.crc32(block.tobytes(), self._checksum)

    def _reserve(self, size: int) -> None:
        """Take room on the disk before HDF5 does, which goes on silently when it gets none."""
        if hasattr(os, "posix_fallocate"):
            with self.partial_path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size + OVERHEAD_BYTES)

    def _refused(self, error: Exception) -> OutputError:
        reason = (isinstance(error, OSError) and error.strerror) or str(error).strip().rpartition("\n")[2]
        return OutputError(
            f"'{self.partial_path}' cannot be written any more ({reason}): check the free space of its disk, or choose "
            "another folder with --out-dir"
        )


def _checksum_of(path: Path) -> int:
    """Checksum of a table's rows as they lie on the disk."""
    checksum = 0
    with pd.HDFStore(str(path), mode="r") as store:
        for piece in store.select(KEY, chunksize=READ_CHUNK_ROWS):
            checksum = zlib.crc32(piece.to_numpy().tobytes(), checksum)
    return checksum


def read_pose_table(path: str | Path, key: str | None = None, scorer: str | None = None) -> pd.DataFrame:
    """Read a pose table, posecli's or DeepLabCut's, as plain data; pandas' own reader would run code in it.

    Parameters
    ----------
    path
        The file.
    key
        Which table, where the file holds several.
    scorer
        Whose points, where the table holds several scorers'.

    Returns
    -------
    DataFrame
        One row per frame; column levels scorer, bodyparts, coords, with individuals after scorer in tables of several
        animals. Numbers have the type in which they are stored.

    Raises
    ------
    UsageError
        If the file is missing, damaged, or not a pose table; or if it leaves a choice that was not made.
    """
    choice = TableChoice(key, scorer)
    return _pose_frame(Path(path), read_plain_table(Path(path), UsageError, choice), choice)


def _pose_frame(path: Path, content: PlainTable, choice: TableChoice) -> pd.DataFrame:
    levels = {len(label) for label in content.columns}
    names = LEVEL_NAMES.get(levels.pop()) if len(levels) == 1 else None
    if names is None or any(len(label) != 1 for label in content.index):
        raise UsageError(
            f"'{path}' is not a pose table, which has columns of scorer, bodyparts and coords, and one row per frame: "
            "check the path"
        )
    content = of_one_scorer(path, content, choice, UsageError)
    values: Any = content.values  # noqa: PD011  # no pandas object
    # In the types of the file: as text, numbers show as many digits as they have.
    if len(set(content.stored)) == 1:
        values = values.astype(content.stored[0])
    else:
        values = {place: values[:, place].astype(dtype) for place, dtype in enumerate(content.stored)}
    frame = pd.DataFrame(values, index=pd.Index([label for (label,) in content.index]))
    frame.columns = pd.MultiIndex.from_tuples(content.columns, names=names)
    return frame


def of_one_scorer(path: Path, content: PlainTable, choice: TableChoice, failure: type[PoseCliError]) -> PlainTable:
    """The columns of the only scorer, or of the chosen one; `failure` if that leaves a choice."""
    scorers = list(dict.fromkeys(str(label[0]) for label in content.columns))
    listed = ", ".join(f"'{scorer}'" for scorer in scorers)
    if choice.scorer is None:
        if len(scorers) > 1:
            raise failure(
                f"'{path}' holds points of {len(scorers)} scorers ({listed}): choose one with --{choice.option}scorer"
            )
        return content
    if choice.scorer not in scorers:
        raise failure(f"'{path}' holds no points of scorer '{choice.scorer}': it has those of {listed}")
    return content.select([place for place, label in enumerate(content.columns) if str(label[0]) == choice.scorer])


def table_to_csv(table: Path, csv: Path, choice: TableChoice = TableChoice()) -> None:
    """Write a table piece by piece as the CSV that DeepLabCut and pandas would write."""
    pieces = read_plain_pieces(table, UsageError, READ_CHUNK_ROWS, choice)
    pieces_to_csv(csv, (_pose_frame(table, piece, choice) for piece in pieces))


def pieces_to_csv(csv: Path, pieces: Iterable[pd.DataFrame]) -> None:
    """Write pieces of a table as one CSV, whole or not at all; an `OutputError` if it cannot be written."""
    with whole_file(csv) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        for number, piece in enumerate(pieces):
            piece.to_csv(stream, header=number == 0)
