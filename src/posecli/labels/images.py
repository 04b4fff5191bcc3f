"""Labelled images: their pixels and their sizes. What cannot be read is a `LabelError`."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
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
