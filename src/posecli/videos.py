"""Which videos are meant: files, folders, patterns and lists."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from posecli.errors import VideoError

#: Endings by which videos are known in folders, in any case. A file that is named by itself may have any ending.
VIDEO_SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mj2", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv", ".y4m"),
)
#: The usual ones, for messages.
KNOWN = ".mp4, .avi, .mkv, .mov"
#: What labelled videos are called, DeepLabCut's and posecli's: they lie beside the videos that they were made from.
LABELLED_ENDINGS = ("labeled", "labelled")
LARGEST_LIST_BYTES = 64 << 20


def evenly_chosen(videos: Sequence[Path], most: int) -> list[Path]:
    """At most so many of the videos, from the first to the last.

    >>> [path.name for path in evenly_chosen([Path(f"{number}.mp4") for number in range(9)], 3)]
    ['0.mp4', '4.mp4', '8.mp4']
    """
    count = min(len(videos), most)
    return [videos[round(rank * (len(videos) - 1) / max(count - 1, 1))] for rank in range(count)]


def find_videos(arguments: Iterable[str | Path], *, recursive: bool = False) -> list[Path]:
    """The videos that arguments mean, each once, in the order given; within folders and patterns in natural order.

    Parameters
    ----------
    arguments
        Each a file; a folder, for the videos in it; a pattern such as ``day*/*.avi`` (``**`` for folders of any depth);
        or ``@list.txt``, a text file with one of these per line, where blank lines and those that begin with ``#``
        do not count.
    recursive
        Look for videos in the folders of folders too. Hidden files and labelled videos are passed over.

    Returns
    -------
    list of Path
        A file that is named by itself is among them even if it does not exist.

    Raises
    ------
    VideoError
        If a folder or a list holds no video, or no video fits a pattern.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        for video in _meant(str(argument), recursive):
            found.setdefault(video.parent.resolve() / video.name, video)
    return list(found.values())


def natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which ``m2`` comes before ``m10``.

    >>> [path.name for path in sorted(map(Path, ["m10.avi", "m2.avi", "M1.avi"]), key=natural_order)]
    ['M1.avi', 'm2.avi', 'm10.avi']
    """
    pieces = re.findall(r"[0-9]+|[^0-9]+", path.as_posix().casefold())
    return [
        (0, int(piece), "") if piece.isdecimal() and piece.isascii() else (1, 0, piece) for piece in pieces
    ], path.as_posix()


def _meant(argument: str, recursive: bool) -> Iterator[Path]:
    path = Path(argument)
    if argument.startswith("@") and not path.exists():
        yield from _listed(Path(argument[1:]), recursive)
    elif path.is_dir():
        yield from _in_folder(path, recursive)
    elif glob.has_magic(argument) and not path.exists():
        yield from _matching(argument, recursive)
    else:
        yield path


def _listed(path: Path, recursive: bool) -> Iterator[Path]:
    try:
        if path.stat().st_size > LARGEST_LIST_BYTES:
            raise VideoError(f"list '{path}' is too large to be a list of videos: check the path")
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is no text in UTF-8"
        raise VideoError(f"list '{path}' cannot be read ({reason}): give a text file with one video per line") from None
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise VideoError(f"list '{path}' names no video: write one per line")
    for entry in entries:
        yield from _meant(f"./{entry}" if entry.startswith("@") else entry, recursive)


def _in_folder(folder: Path, recursive: bool) -> list[Path]:
    videos = sorted(_files_in(folder, recursive), key=natural_order)
    if not videos:
        advice = "check the path" if recursive else "check the path, or pass --recursive to look in its folders too"
        raise VideoError(f"folder '{folder}' holds no video (no {KNOWN} or the like): {advice}")
    return videos


def _files_in(folder: Path, recursive: bool) -> Iterator[Path]:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise VideoError(f"folder '{folder}' cannot be read: check its permissions")
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        yield from (path for name in names if _is_video(path := Path(place) / name))


def _matching(pattern: str, recursive: bool) -> list[Path]:
    # Not Path.glob, which knows no absolute patterns.
    matches = sorted(map(Path, glob.iglob(pattern, recursive=True)), key=natural_order)  # noqa: PTH207
    videos = []
    for match in matches:
        if match.is_dir():
            videos += sorted(_files_in(match, recursive), key=natural_order)
        elif _is_video(match):
            videos.append(match)
    if not videos:
        raise VideoError(
            f"no video fits the pattern '{pattern}' (no {KNOWN} or the like): check it, and that it is quoted"
        )
    return videos


def _is_video(path: Path) -> bool:
    """Whether a file that nobody named by itself is to be taken; some systems put ``._m1.mp4`` beside ``m1.mp4``."""
    named_so = path.suffix.casefold() in VIDEO_SUFFIXES and not path.name.startswith(".")
    return named_so and not path.stem.casefold().endswith(LABELLED_ENDINGS)
