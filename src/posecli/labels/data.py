"""Labelled frames as values, their images, and which of them are held out."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import yaml

from posecli.errors import LabelError, UsageError
from posecli.support.files import write_whole
from posecli.support.yamlfile import read_yaml
from posecli.video.opencv import import_cv2

#: A PNG begins with this, a length and a name, then width and height as 32-bit integers.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_SIZE = slice(16, 24)


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image as the network sees it: ``(H, W, 3)`` uint8 RGB."""
    return np.ascontiguousarray(read_bgr(path)[..., ::-1])


def read_bgr(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image as OpenCV does: ``(H, W, 3)`` uint8 BGR."""
    cv2 = import_cv2()
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise _unreadable(path, error) from error
    image: npt.NDArray[np.uint8] | None = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise LabelError(f"image '{path}' is damaged or not an image: copy it again, or delete its row from the labels")
    return image


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, px; a PNG is not decoded for it."""
    try:
        with path.open("rb") as stream:
            start = stream.read(PNG_SIZE.stop)
    except OSError as error:
        raise _unreadable(path, error) from error
    if start.startswith(PNG_SIGNATURE) and len(start) == PNG_SIZE.stop:
        width, height = struct.unpack(">II", start[PNG_SIZE])
        return width, height
    height, width = read_bgr(path).shape[:2]
    return width, height


def _unreadable(path: Path, error: OSError) -> LabelError:
    return LabelError(f"image '{path}' cannot be read ({error.strerror or error}): check the file")


@dataclass(frozen=True)
class LabeledFrame:
    """One labelled image."""

    image: Path
    name: str  #: ``labeled-data/<video>/<file>``, with forward slashes: what identifies the frame in a split.
    #: ``(K, 2)`` float64: x px, y px; NaN where a body part was not labelled, which says that it cannot be seen.
    points: npt.NDArray[np.float64]

    @property
    def video(self) -> str:
        """Name of the video that it was taken from, without ending.

        >>> LabeledFrame(Path("img0047.png"), "labeled-data/m1/img0047.png", np.zeros((1, 2))).video
        'm1'
        """
        return PurePosixPath(self.name).parent.name

    @property
    def number(self) -> int:
        """Number of the frame in its video, in which its image's name ends; `LabelError` if it ends in none."""
        found = re.search(r"(\d+)$", PurePosixPath(self.name).stem)
        if found is None:
            raise LabelError(f"image '{self.name}' does not end in the number of its frame: it cannot be placed")
        return int(found[1])


@dataclass(frozen=True)
class LabeledData:
    """Labelled images of one project.

    >>> frames = (LabeledFrame(Path("img0.png"), "labeled-data/m1/img0.png", np.full((2, 2), np.nan)),)
    >>> LabeledData(("snout", "tail"), frames, "me")
    LabeledData(1 frames, 0 points of 2 body parts, by me)
    """

    bodyparts: tuple[str, ...]  #: ``K`` names, in the order of the points.
    frames: tuple[LabeledFrame, ...]  #: Sorted by name.
    scorer: str  #: Who labelled.
    notes: tuple[str, ...] = ()  #: What was left out while reading, a sentence each, for people.

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
        """Names of all frames, in their order."""
        return tuple(frame.name for frame in self.frames)

    def select(self, names: Iterable[str]) -> LabeledData:
        """The frames of these names, in the order of the data."""
        wanted = set(names)
        return replace(self, frames=tuple(frame for frame in self.frames if frame.name in wanted))


def split_frames(data: LabeledData, held_out: Sequence[str] | float, seed: int = 0) -> tuple[LabeledData, LabeledData]:
    """Split into frames to train on and frames to test on.

    Parameters
    ----------
    data
        All frames.
    held_out
        Names of the frames to test on, in full or as far as they are unique (``img0007.png``), possibly none; or the
        fraction of frames to draw at random, between 0 and 1: at least one frame.
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
        if not 0 < held_out < 1:
            raise UsageError(f"held-out fraction {held_out:g} is out of range: give a number between 0 and 1")
        order = np.random.default_rng(seed).permutation(len(data))
        chosen = {data.names[place] for place in order[: max(1, round(len(data) * held_out))]}
    else:
        chosen = {_full_name(data, name) for name in held_out}
    train = data.select(name for name in data.names if name not in chosen)
    if not train.frames:
        raise UsageError(f"holding out {len(chosen)} of {len(data)} labelled frames leaves none: hold out fewer")
    return train, data.select(chosen)


def read_split(path: Path, data: LabeledData) -> tuple[LabeledData, LabeledData]:
    """Frames to train on and to test on, by the lists ``train`` and ``test`` of a YAML file; others are in neither."""
    content = read_yaml(path, UsageError)
    named = all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in content.values())
    if set(content) != {"train", "test"} or not named:
        raise UsageError(f"'{path}' is not a split: expected two lists of frame names, 'train' and 'test'")
    train, test = ({_full_name(data, name) for name in content[key]} for key in ("train", "test"))
    if both := sorted(train & test):
        raise UsageError(f"'{path}' has '{both[0]}' in both lists: keep it in one, or the test error means nothing")
    return data.select(train), data.select(test)


def write_split(path: Path, train: Sequence[str], test: Sequence[str]) -> None:
    """Write the file that `read_split` reads: names of the images trained on and held out."""
    content = {"train": list(train), "test": list(test)}
    write_whole(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def _full_name(data: LabeledData, name: str) -> str:
    wanted = name.replace("\\", "/")
    found = [full for full in data.names if full == wanted or full.endswith(f"/{wanted}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"frame '{name}' could be '{found[0]}' or '{found[1]}': give its name in full")
    raise UsageError(f"frame '{name}' is not among the labelled frames ('{data.names[0]}', ...): correct its name")
