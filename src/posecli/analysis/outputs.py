"""The files of one video's result: their names, and the one that only DeepLabCut needs."""

from __future__ import annotations

import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

from posecli.errors import OutputError, UsageError
from posecli.model.description import ModelDescription
from posecli.support.files import make_folder, partial_path
from posecli.tables.pose_table import OVERHEAD_BYTES
from posecli.video.probe import VideoInfo

#: What a number takes in a CSV, comma included, at most on the average.
CSV_VALUE_BYTES = 20


@dataclass(frozen=True)
class OutputPaths:
    """Where a video's results go; all names begin with the video's own, as the field's tools expect.

    Attributes
    ----------
    table
        The table, ``<video><scorer>.h5``.
    manifest
        What was done, ``.json``.
    side
        For poses what DeepLabCut's labelled-video step asks for, ``_meta.pickle``; for behaviours the ethogram,
        ``.png``.
    csv
        The table as text, where asked for.
    journal
        While the video is being analysed: the rows that are there, ``.rows.partial``.
    lock
        While the video is being analysed: who is at it, ``.lock``.
    """

    table: Path
    manifest: Path
    side: Path
    csv: Path
    journal: Path
    lock: Path

    @classmethod
    def plan(cls, video: Path, scorer: str, out_dir: Path | None, side_ending: str = "_meta.pickle") -> OutputPaths:
        """Names in the video's folder, or in `out_dir`.

        >>> OutputPaths.plan(Path("a/m1.mp4"), "DLC_x", None).table.as_posix()
        'a/m1DLC_x.h5'
        """
        stem = f"{video.stem}{scorer}"
        folder = out_dir or video.parent
        endings = (".h5", ".json", side_ending, ".csv", ".rows.partial", ".lock")
        return cls(*(folder / f"{stem}{ending}" for ending in endings))

    def make_folder(self) -> None:
        """Create the folder, parents too."""
        make_folder(self.table.parent)

    def refuse_read_only_folder(self) -> None:
        """Say at once what the first write would find out."""
        folder = next(parent for parent in self.table.parents if parent.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"folder '{folder}' cannot be written to: choose another for the results with --out-dir")

    def refuse_full_disk(self, rows: int, rows_before: int, row_bytes: int, *, csv: bool) -> None:
        """Refuse to begin what its disk has no room for.

        Parameters
        ----------
        rows, rows_before
            Of the whole table, and of those in the journal already.
        row_bytes
            Of one row in the journal; in the table it has an index and a time too.
        csv
            Whether the table is to be written as text as well.

        Raises
        ------
        OutputError
            With what is needed and what is free.
        """
        need = (rows - rows_before) * row_bytes + rows * (row_bytes + 16) + 2 * OVERHEAD_BYTES
        need += rows * row_bytes // 8 * CSV_VALUE_BYTES if csv else 0
        free = shutil.disk_usage(self.table.parent).free
        if need > free:
            raise OutputError(
                f"'{self.table}' and its journal need up to {need / 2**20:.1f} MiB, and their disk has "
                f"{free / 2**20:.1f} MiB left: free some, or choose another folder with --out-dir"
            )

    def remove_partial(self) -> None:
        """Remove what was begun of the files beside the table."""
        for path in (self.manifest, self.side):
            partial_path(path).unlink(missing_ok=True)


def plan_outputs(
    videos: list[Path], scorer: str, out_dir: Path | None, side_ending: str = "_meta.pickle"
) -> list[OutputPaths]:
    """Names for every video.

    Raises
    ------
    UsageError
        If two videos would write to the same table.
    """
    rivals: dict[Path, Path] = {}
    outputs = []
    for video in videos:
        paths = OutputPaths.plan(video, scorer, out_dir, side_ending)
        rival = rivals.setdefault(paths.table, video)
        if rival is not video:
            raise UsageError(
                f"'{rival}' and '{video}' would both write '{paths.table}': analyse them into different folders "
                "with --out-dir, or rename one"
            )
        outputs.append(paths)
    return outputs


def deeplabcut_meta(info: VideoInfo, model: ModelDescription, rows: int, batch_size: int, seconds: float) -> bytes:
    """DeepLabCut's ``_meta.pickle``: built-in types only, written and never read by posecli.

    It says that nothing was cropped, whatever was: our coordinates are the full frame's already, and
    DeepLabCut would add the offset a second time.
    """
    data = {
        "Scorer": model.scorer,
        "DLC-model-config file": {"net_type": model.net_type, "all_joints_names": list(model.bodyparts)},
        "fps": float(info.frame_rate),
        "batch_size": batch_size,
        "frame_dimensions": (info.height, info.width),
        "nframes": rows,
        "run_duration": seconds,
        "cropping": False,
        "cropping_parameters": [0, info.width, 0, info.height],
    }
    return pickle.dumps({"data": data}, protocol=4)
