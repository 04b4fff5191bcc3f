"""Pose tables: written row by row as poses are made, and under their final name only when whole.

The layout is DeepLabCut's single-animal table (key, column levels and order, one float64 block, plain index),
so that its own steps and the field's tools open it. The frames' presentation times lie in the same file as a
plain array, ``/posecli/seconds``, which pandas does not look at; the time of frame n stands at place n.
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
from posecli.support.files import move_into_place, partial_path
from posecli.tables.hdf5 import PlainTable, read_plain_pieces, read_plain_table

KEY = "df_with_missing"
SECONDS_NODE = "/posecli/seconds"
#: Column levels of a pose table, by how many there are.
LEVEL_NAMES = {3: ("scorer", "bodyparts", "coords"), 4: ("scorer", "individuals", "bodyparts", "coords")}
#: pandas from 3.1 on leaves this mark out, and older ones then look for the data under another name.
PANDAS_VERSION_MARK = "0.15.2"
#: Rows that are handed to the disk at once: pandas takes milliseconds per call, however few they are.
CHUNK_ROWS = 1024
#: Rows that are read back at once, to check them or to write them as text.
READ_CHUNK_ROWS = 8192
#: What a table may take on the disk besides its rows: chunks that are begun, attributes, indexes.
OVERHEAD_BYTES = 256 << 10


def pose_columns(scorer: str, bodyparts: tuple[str, ...], num_outputs: int = 1) -> pd.MultiIndex:
    """Column levels scorer, bodyparts, coords.

    >>> [coord for *_, coord in pose_columns("DLC_x", ("snout",), num_outputs=2)]
    ['x', 'y', 'likelihood', 'x2', 'y2', 'likelihood2']
    """
    coords = [
        f"{coord}{'' if rank == 1 else rank}"
        for rank in range(1, num_outputs + 1)
        for coord in ("x", "y", "likelihood")
    ]
    return pd.MultiIndex.from_product([[scorer], bodyparts, coords], names=["scorer", "bodyparts", "coords"])


class PoseTableWriter:
    """Appends poses to a table that is not yet under its final name.

    Rows go to the file `partial_path`, which no tool takes for a table. `close` makes it whole; giving it its
    final name is left to the caller, with `move_into_place`.

    Parameters
    ----------
    path
        The final name.
    columns
        From `pose_columns`.

    Attributes
    ----------
    rows
        Rows appended so far.

    Raises
    ------
    OutputError
        If the folder cannot be written to, or, from any method, if the disk refuses.
    """

    def __init__(self, path: Path, columns: pd.MultiIndex) -> None:
        self.partial_path = partial_path(path)
        self.rows = 0
        self._columns = columns
        self._waiting: list[npt.NDArray[np.float64]] = []
        self._frames: list[npt.NDArray[np.int64]] = []
        self._written = 0
        self._checksum = 0
        try:
            # A plain file first: HDF5's own words for a refused one do not name the reason.
            self.partial_path.write_bytes(b"")
            self._store = pd.HDFStore(str(self.partial_path), mode="w")
        except OSError as error:
            raise OutputError(
                f"'{path}' cannot be written ({error.strerror or error}): choose another folder with --out-dir"
            ) from error

    def append(self, pose: npt.NDArray[np.float64], frames: npt.NDArray[np.int64] | None = None) -> None:
        """Add rows, ``(B, K, N, 3)``, of the frames that follow, or of those of given numbers, ``(B,)``."""
        self._waiting.append(pose.reshape(len(pose), -1).copy())
        self._frames.append(np.arange(self.rows, self.rows + len(pose)) if frames is None else frames)
        self.rows += len(pose)
        # The first rows at once: a disk that refuses should say so now, not minutes later.
        if not self._written or self.rows - self._written >= CHUNK_ROWS:
            self._write()

    def close(self, seconds: npt.NDArray[np.float64]) -> None:
        """Make the table whole: write what is waiting, and the frames' presentation times, by their numbers."""
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
        """Remove what was written."""
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
        """Take room on the disk ahead of HDF5, which goes on without a word when it is refused any."""
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
    """Checksum of a table's rows as they are on the disk."""
    checksum = 0
    with pd.HDFStore(str(path), mode="r") as store:
        for piece in store.select(KEY, chunksize=READ_CHUNK_ROWS):
            checksum = zlib.crc32(piece.to_numpy().tobytes(), checksum)
    return checksum


def read_pose_table(path: str | Path, key: str | None = None, scorer: str | None = None) -> pd.DataFrame:
    """Read a pose table, posecli's or DeepLabCut's; as plain data, where pandas' own reader would run what is in it.

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
        One row per frame; column levels scorer, bodyparts, coords, with individuals behind scorer in tables of several
        animals. Numbers are of the type that they are stored in.

    Raises
    ------
    UsageError
        If the file is missing, damaged, or no pose table; or if it leaves a choice that was not made.

    Examples
    --------
    >>> read_pose_table("videoDLC_resnet50_openfieldOct30shuffle1_4000.h5")  # doctest: +SKIP
    """
    choice = TableChoice(key, scorer)
    content = read_plain_table(Path(path), UsageError, choice)
    return _pose_frame(Path(path), content, choice)


def _pose_frame(path: Path, content: PlainTable, choice: TableChoice) -> pd.DataFrame:
    levels = {len(label) for label in content.columns}
    names = LEVEL_NAMES.get(levels.pop()) if len(levels) == 1 else None
    if names is None or any(len(label) != 1 for label in content.index):
        raise UsageError(
            f"'{path}' is no pose table, which has columns of scorer, bodyparts and coords, and one row per frame: "
            "check the path"
        )
    content = of_one_scorer(path, content, choice, UsageError)
    frame = pd.DataFrame(_columns_as_stored(content), index=pd.Index([label for (label,) in content.index]))
    frame.columns = pd.MultiIndex.from_tuples(content.columns, names=names)
    return frame


def _columns_as_stored(content: PlainTable) -> npt.NDArray[Any] | dict[int, npt.NDArray[Any]]:
    """The numbers in the types that they have in the file, of which text shows as many digits as they have."""
    values = content.values  # noqa: PD011  # no pandas object
    if len(set(content.stored)) == 1:
        return values.astype(content.stored[0])
    return {place: values[:, place].astype(dtype) for place, dtype in enumerate(content.stored)}


def of_one_scorer(path: Path, content: PlainTable, choice: TableChoice, failure: type[PoseCliError]) -> PlainTable:
    """The columns of the only scorer, or of the one that was chosen.

    Raises
    ------
    PoseCliError
        `failure`, if there are several and none of them was chosen.
    """
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
    """Write a table as DeepLabCut and pandas write its CSV, piece by piece."""
    pieces = read_plain_pieces(table, UsageError, READ_CHUNK_ROWS, choice)
    pieces_to_csv(csv, (_pose_frame(table, piece, choice) for piece in pieces))


def pieces_to_csv(csv: Path, pieces: Iterable[pd.DataFrame]) -> None:
    """Write what follows one another as one CSV, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    scratch = partial_path(csv)
    try:
        with scratch.open("w", encoding="utf-8", newline="") as stream:
            for number, piece in enumerate(pieces):
                piece.to_csv(stream, header=number == 0)
        move_into_place(scratch, csv)
    except OSError as error:
        raise OutputError(
            f"'{csv}' cannot be written ({error.strerror or error}): check its folder and disk"
        ) from error
    finally:
        scratch.unlink(missing_ok=True)  # it has its final name by now, or is not whole
