"""Which videos are meant, by files, folders, patterns and lists, and what is left out on the way."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from posecli.errors import VideoError
from posecli.support.textfile import read_text

#: Endings of the formats that posecli opens, as cameras, phones, recorders and editors write them, in any case. A file
#: that is named by itself may have any ending.
_ENDINGS = (
    "3g2 3gp asf avi dav divx f4v flv gxf m4v mj2 mk3d mkv mov mp4 mxf nut ogm ogv qt rm rmvb webm wmv wtv y4m "
    # MPEG streams, among them those of camcorders and disks; without a container; high-speed cameras
    "m1v m2p m2t m2ts m2v mod mpe mpeg mpg mpv mts tod trp ts vob "
    "264 265 266 av1 avc dv h264 h265 h266 hevc ivf mjpeg mjpg obu vc1 vvc "
    "cine mlv"
)
VIDEO_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())
KNOWN = ".mp4, .avi, .mkv, .mov"  #: The usual ones, for messages.
#: How the names of labelled videos end, DeepLabCut's and posecli's: they lie beside the videos.
LABELED_ENDINGS = ("labeled", "labelled")
#: What posecli or DeepLabCut writes beside videos, which is not reported as left out.
RESULT_SUFFIXES = frozenset((".h5", ".json", ".pickle", ".csv", ".parquet", ".nwb", ".partial", ".lock"))
LARGEST_LIST_BYTES = 64 << 20
MOST_NAMED = 6  #: Names and endings in a line for people.


@dataclass(frozen=True)
class FoundVideos:
    """The videos that arguments mean, and what was left out on the way."""

    videos: tuple[Path, ...]  #: Each once, in the order given; within folders and patterns in natural order.
    labeled: tuple[Path, ...] = ()  #: Files that end as videos do.
    hidden: tuple[Path, ...] = ()
    #: Number of other files, but for results, by their ending in lower case.
    others: Counter[str] = field(default_factory=Counter)
    folders: tuple[Path, ...] = ()  #: Folders inside searched ones that were not searched.

    @property
    def passed_over(self) -> str:
        """What was left out, in a line; empty if nothing was.

        >>> FoundVideos((), (Path("m1_labeled.mp4"),), others=Counter({".txt": 2, "": 1})).passed_over
        '1 labelled video (m1_labeled.mp4), 3 files that do not end as videos (2 .txt, 1 without)'
        """
        endings = [f"{count} {ending or 'without'}" for ending, count in self.others.most_common()]
        parts = (
            (len(self.labeled), "labelled video", "", [path.name for path in self.labeled]),
            (len(self.hidden), "hidden file", "", [path.name for path in self.hidden]),
            (self.others.total(), "file", " that do not end as videos", endings),
            (len(self.folders), "folder", "", [path.name for path in self.folders]),
        )
        words = (f"{n} {noun}{'s' if n > 1 else ''}{more} ({_few(names)})" for n, noun, more, names in parts if n)
        return ", ".join(words)

    def passed_over_as_dict(self) -> dict[str, Any]:
        paths = {"labelled": self.labeled, "hidden": self.hidden, "folders": self.folders}
        return {name: [str(path) for path in found] for name, found in paths.items()} | {"endings": dict(self.others)}


def _few(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMED], "..."] if len(names) > MOST_NAMED else names)


def evenly_chosen(videos: Sequence[Path], most: int) -> list[Path]:
    """At most so many of the videos, evenly spaced from the first to the last.

    >>> [path.name for path in evenly_chosen([Path(f"{number}.mp4") for number in range(9)], 3)]
    ['0.mp4', '4.mp4', '8.mp4']
    """
    count = min(len(videos), most)
    return [videos[round(rank * (len(videos) - 1) / max(count - 1, 1))] for rank in range(count)]


def find_videos(arguments: Iterable[str | Path], *, recursive: bool = False) -> FoundVideos:
    """The videos that arguments mean; a `VideoError` if one of them means none.

    Each is a file, even if it does not exist; a folder, for the videos in it (and in its folders, if `recursive`); a
    pattern such as ``day*/*.avi`` (``**`` for folders of any depth); or ``@list.txt``, a text file with one of these
    per line, but for blank lines and those that begin with ``#``. Hidden files and labelled videos are left out.
    """
    search = _Search(recursive)
    found: dict[Path, Path] = {}
    for argument in arguments:
        for video in search.meant(str(argument)):
            found.setdefault(search.place(video), video)
    return search.result(found)


def natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which ``m2`` comes before ``m10``.

    >>> [path.name for path in sorted(map(Path, ["m10.avi", "m2.avi", "M1.avi"]), key=natural_order)]
    ['M1.avi', 'm2.avi', 'm10.avi']
    """
    pieces = re.findall(r"[0-9]+|[^0-9]+", path.as_posix().casefold())
    return [
        (0, int(piece), "") if piece.isdecimal() and piece.isascii() else (1, 0, piece) for piece in pieces
    ], path.as_posix()


class _Search:
    """Looks for videos, and remembers what it leaves out."""

    def __init__(self, recursive: bool) -> None:
        self._recursive = recursive
        self._files: dict[Path, Path] = {}
        self._folders: dict[Path, Path] = {}
        self._looked_into: set[Path] = set()
        self._resolved: Callable[[Path], Path] = cache(Path.resolve)

    def place(self, path: Path) -> Path:
        """One name for a file or folder, however it is reached; links to it are files of their own."""
        return self._resolved(path.parent) / path.name

    def meant(self, argument: str) -> Iterator[Path]:
        """The videos that one argument means."""
        path = Path(argument)
        if argument.startswith("@") and not path.exists():
            yield from self._listed(Path(argument[1:]))
        elif path.is_dir():
            yield from self._in_folder(path)
        elif glob.has_magic(argument) and not path.exists():
            yield from self._matching(argument)
        else:
            yield path

    def result(self, videos: dict[Path, Path]) -> FoundVideos:
        """These videos, and what was left out and is not among them."""
        files = sorted((path for place, path in self._files.items() if place not in videos), key=natural_order)
        folders = (path for place, path in self._folders.items() if place not in self._looked_into)
        alike = [path for path in files if _ends_as_video(path)]
        hidden = tuple(path for path in alike if path.name.startswith("."))
        labeled = tuple(path for path in alike if not path.name.startswith("."))
        endings = (path.suffix.casefold() for path in files if not _ends_as_video(path))
        others = Counter(sorted(ending for ending in endings if ending not in RESULT_SUFFIXES))
        return FoundVideos(tuple(videos.values()), labeled, hidden, others, tuple(sorted(folders, key=natural_order)))

    def _listed(self, path: Path) -> Iterator[Path]:
        if path.is_file() and path.stat().st_size > LARGEST_LIST_BYTES:
            raise VideoError(f"list '{path}' is too large to be a list of videos: check the path")
        try:
            lines = [line.strip() for line in read_text(path, VideoError).splitlines()]
        except VideoError as error:
            raise VideoError(f"list {error}") from None
        entries = [line for line in lines if line and not line.startswith("#")]
        if not entries:
            raise VideoError(f"list '{path}' names no video: write one per line")
        for entry in entries:
            yield from self.meant(f"./{entry}" if entry.startswith("@") else entry)

    def _in_folder(self, folder: Path) -> list[Path]:
        videos = sorted(self._files_in(folder), key=natural_order)
        if not videos:
            deeper = "" if self._recursive else ", or pass --recursive to look in its folders too"
            raise VideoError(f"folder '{folder}' holds no video ({self._instead()}): check the path{deeper}")
        return videos

    def _files_in(self, folder: Path) -> Iterator[Path]:
        if not os.access(folder, os.R_OK | os.X_OK):
            raise VideoError(f"folder '{folder}' cannot be read: check its permissions")
        for place, folders, names in os.walk(folder):
            here = Path(place)
            self._looked_into.add(self._resolved(here))
            self._folders |= {self.place(here / name): here / name for name in folders}
            folders[:] = [name for name in folders if self._recursive and not name.startswith(".")]
            yield from (path for name in names if self._takes(path := here / name))

    def _matching(self, pattern: str) -> list[Path]:
        # Not Path.glob, which knows no absolute patterns.
        matches = sorted(map(Path, glob.iglob(pattern, recursive=True)), key=natural_order)  # noqa: PTH207
        videos: list[Path] = []
        for match in matches:
            found = self._files_in(match) if match.is_dir() else [match] if self._takes(match) else []
            videos += sorted(found, key=natural_order)
        if not videos:
            raise VideoError(
                f"no video fits the pattern '{pattern}' ({self._instead()}): check it, and that it is quoted"
            )
        return videos

    def _takes(self, path: Path) -> bool:
        """Whether a file that was not named by itself is a video; some systems put ``._m1.mp4`` beside ``m1.mp4``."""
        is_labeled = path.stem.casefold().endswith(LABELED_ENDINGS)
        if _ends_as_video(path) and not path.name.startswith(".") and not is_labeled:
            return True
        self._files[self.place(path)] = path
        return False

    def _instead(self) -> str:
        """What there is instead of videos."""
        there = self.result({}).passed_over
        return f"no {KNOWN} or the like" + (f"; passed over: {there}" if there else "")


def _ends_as_video(path: Path) -> bool:
    return path.suffix.casefold() in VIDEO_SUFFIXES
