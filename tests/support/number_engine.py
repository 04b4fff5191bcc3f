"""Frames that carry their number with a check, and an engine whose poses are the numbers that it reads.

A pose lies in the cell that the number counts to, row by row, with a likelihood of 1; a frame whose number cannot be
read has its pose in the first cell, with a likelihood of a quarter. So a table tells which picture stands in which row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, Shape
from posecli.engine.outputs import Maps
from posecli.model.folder import AnyFolder, ModelFolder
from posecli.options import EngineOptions, FixedPrecision
from support import clips
from support.fake_engine import STRIDE

Images = npt.NDArray[np.uint8]

#: Bits of a number; as many follow that are its opposite.
NUMBER_BITS = clips.BITS // 2
LARGEST_NUMBER = (1 << NUMBER_BITS) - 1
UNREADABLE = -1


def checked_frames(count: int, height: int = 64, width: int = 96) -> Images:
    """``(count, height, width, 3)`` RGB: number and check as bars along the top, moving texture below."""
    assert count <= LARGEST_NUMBER
    rows, columns = np.mgrid[:height, :width]
    frames = np.empty((count, height, width, 3), np.uint8)
    cell = width // clips.BITS
    for number, frame in enumerate(frames):
        frame[:] = (60 + 50 * np.sin((columns + 3 * number) / 9) + 40 * np.cos((rows - 2 * number) / 7))[..., None]
        frame[:12] = 40
        code = number | (number ^ LARGEST_NUMBER) << NUMBER_BITS
        for bit in range(clips.BITS):
            if code >> bit & 1:
                frame[:12, bit * cell : (bit + 1) * cell] = 255
    return frames


def read_checked(image: Images) -> int:
    """The number that a frame carries; `UNREADABLE` where bars or check are spoilt."""
    cell = image.shape[1] // clips.BITS
    bars = image[2:10, : clips.BITS * cell].reshape(8, clips.BITS, cell, 3)[:, :, 2:-2].mean(axis=(0, 2, 3))
    if ((bars > 110) & (bars < 190)).any():
        return UNREADABLE
    code = sum(1 << bit for bit in range(clips.BITS) if bars[bit] > 150)
    number = code & LARGEST_NUMBER
    return number if code >> NUMBER_BITS == number ^ LARGEST_NUMBER else UNREADABLE


def numbers_of(poses: npt.NDArray[np.float64], width: int) -> list[int | None]:
    """What each row of ``(N, K, 3)`` poses says: the number of its picture, `UNREADABLE`, or ``None`` for no pose."""
    x, y, likelihood = poses[:, 0].T
    found: list[int | None] = []
    for column, row, sure in zip(x, y, likelihood, strict=True):
        if np.isnan(column):
            found.append(None)
        else:
            found.append(int(row // STRIDE) * _columns(width) + int(column // STRIDE) if sure > 0.5 else UNREADABLE)
    return found


def _columns(width: int) -> int:
    return 2 * -(-width // 16)


class NumberEngine:
    """Scoremaps that are zero but for the cell of the frame's number."""

    def __init__(self, folder: ModelFolder, shape: Shape, options: EngineOptions) -> None:
        self.info = EngineInfo("numbers", "0", "CPU", options.fixed_precision, options.threads or 1)
        self._cells = (2 * -(-shape[0] // 16), _columns(shape[1]))
        self._bodyparts = len(folder.description.bodyparts)

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """It is exact."""
        return None if precision == "fp32" else f"the engine of numbers does not compute in {precision}"

    def warm_up(self, batch_size: int) -> None:
        """Nothing to do."""

    def __call__(self, images: Images) -> Maps:
        scores = np.zeros((len(images), *self._cells, self._bodyparts), np.float32)
        for image, score in zip(images, scores, strict=True):
            number = read_checked(image)
            row, column = divmod(max(number, 0), self._cells[1])
            score[row, column] = 0.25 if number == UNREADABLE else 1.0
        return Maps(scores, np.zeros((*scores.shape, 2), np.float32))
