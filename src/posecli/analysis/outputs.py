"""The files of one video's result: their names, and whether there is room for them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from posecli.errors import OutputError
from posecli.options import AnalyzeOptions, RunOptions

#: What a number takes in a CSV, comma included, at most on the average.
CSV_VALUE_BYTES = 20


@dataclass(frozen=True)
class VideoFiles:
    """A video and where its results go; all names begin with the video's own, as the field's tools expect."""

    video: Path
    #: ``<video><scorer>.h5``
    table: Path
    #: What DeepLabCut's labelled-video step asks for, ``_meta.pickle``; of behaviours the ethogram, ``.png``.
    side: Path

    @classmethod
    def plan(cls, video: Path, scorer: str, options: RunOptions) -> VideoFiles:
        """Names in the video's folder, or in that of the options.

        >>> VideoFiles.plan(Path("a/m1.mp4"), "DLC_x", AnalyzeOptions()).table.as_posix()
        'a/m1DLC_x.h5'
        """
        stem = (options.out_dir or video.parent) / f"{video.stem}{scorer}"
        side = "_meta.pickle" if isinstance(options, AnalyzeOptions) else ".png"
        return cls(video, Path(f"{stem}.h5"), Path(f"{stem}{side}"))

    @property
    def manifest(self) -> Path:
        """Provenance of the table, ``.json``."""
        return self.table.with_suffix(".json")

    @property
    def csv(self) -> Path:
        """The table as text, where asked for."""
        return self.table.with_suffix(".csv")

    @property
    def journal(self) -> Path:
        """While the video is being analysed: the rows that are there."""
        return self.table.with_suffix(".rows.partial")

    @property
    def lock(self) -> Path:
        """While the video is being analysed: who is at it."""
        return self.table.with_suffix(".lock")

    def check_writable(self) -> None:
        """Say at once what the first write would find out."""
        folder = next(parent for parent in self.table.parents if parent.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"folder '{folder}' cannot be written to: choose another for the results with --out-dir")

    def check_free_space(self, rows: int, rows_before: int, row_bytes: int, *, csv: bool) -> None:
        """Refuse to begin what its disk has no room for.

        A row takes `row_bytes` in the journal, which has `rows_before` already; in the table it has an index and a time
        too.
        """
        from posecli.tables.pose_table import OVERHEAD_BYTES

        need = (rows - rows_before) * row_bytes + rows * (row_bytes + 16) + 2 * OVERHEAD_BYTES
        need += rows * row_bytes // 8 * CSV_VALUE_BYTES if csv else 0
        free = shutil.disk_usage(self.table.parent).free
        if need > free:
            raise OutputError(
                f"'{self.table}' and its journal need up to {need / 2**20:.1f} MiB, and their disk has "
                f"{free / 2**20:.1f} MiB left: free some, or choose another folder with --out-dir"
            )
