"""Tables of boxes: where the animal is in each frame of a video, for networks that look at nothing else.

A CSV table with the columns frame, x, y, width and height, in px of the displayed frame; x and y are those of the box's
upper left corner, and frames count from 0. Frames without a line are those in which the animal is not seen. Further
columns are for people.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError, UsageError
from posecli.support.textfile import csv_rows, number_in, read_text, unreadable

COLUMNS = ("frame", "x", "y", "width", "height")
#: No frame is so large, and no video so long: a week at 25 frames a second.
LARGEST_PX, MOST_FRAMES = 1 << 14, 1 << 24


def refuse_shared(path: Path | None, videos: int) -> None:
    """Refuse a table of boxes that would be that of several videos."""
    if path is not None and videos > 1 and not path.is_dir():
        raise UsageError(
            f"'{path}' has the boxes of one video, and there are {videos}: give a folder with a table <video>.csv for "
            "each"
        )


def boxes_path(path: Path, video: Path) -> Path:
    """The table of a video: the file that was named, or the one of the video's name in a folder."""
    return path / f"{video.stem}.csv" if path.is_dir() else path


def boxes_of(path: Path | None, video: Path) -> npt.NDArray[np.float64] | None:
    """Those of a video, as `read_boxes` has them; ``None`` where no table was named."""
    return None if path is None else read_boxes(boxes_path(path, video))


def boxes_sha256(path: Path) -> str:
    """Hash of a table; `LabelError` if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise unreadable(path, error, LabelError) from error


def read_boxes(path: Path) -> npt.NDArray[np.float64]:
    """Read a table as ``(N, 4)`` x, y, width and height, of frames 0 to N - 1; NaN where the animal is not seen.

    A `LabelError` if it is no such table, or has a line that is not a box of a frame.
    """
    rows = csv_rows(read_text(path, LabelError), path, LabelError)
    names = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    if missing := [name for name in COLUMNS if name not in names]:
        raise LabelError(
            f"'{path}' is not a table of boxes, it lacks the columns {', '.join(missing)}: give a CSV table with "
            f"{', '.join(COLUMNS)}"
        )
    places = [names.index(name) for name in COLUMNS]
    found: dict[int, tuple[float, ...]] = {}
    for line, cells in rows[1:]:
        frame, box = _box(path, line, [cells[place] if place < len(cells) else "" for place in places])
        if frame in found:
            raise LabelError(f"'{path}' has two boxes of frame {frame}, the second in line {line}: leave one out")
        found[frame] = box
    boxes = np.full((max(found, default=-1) + 1, 4), np.nan)
    boxes[list(found)] = np.array(list(found.values())).reshape(-1, 4)
    return boxes


def _box(path: Path, line: int, cells: list[str]) -> tuple[int, tuple[float, ...]]:
    try:
        frame, x, y, width, height = map(number_in, cells)
        is_frame = frame == int(frame) and 0 <= frame < MOST_FRAMES
        is_box = all(abs(each) <= LARGEST_PX for each in (x, y)) and all(
            0 < side <= LARGEST_PX for side in (width, height)
        )
    except (ValueError, OverflowError):
        is_frame = is_box = False
    if not (is_frame and is_box):
        raise LabelError(
            f"line {line} of '{path}' ({', '.join(cell[:20] for cell in cells)}) is not the box of a frame: give its "
            "number, x and y in px, and a width and height above 0"
        )
    return int(frame), (x, y, width, height)
