"""Poses and their legend drawn into frames, with OpenCV alone: it is fast, and other threads can run meanwhile."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from posecli.video.opencv import import_cv2

cv2 = import_cv2()

#: Lines and circles are drawn in sixteenths of a pixel.
SUBPIXEL_BITS = 4
#: Radius of a dot, and height of letters, as a share of the frame's shorter side.
DOT_SHARE = 1 / 110
LETTER_SHARE = 1 / 34
SMALLEST_LETTERS, LARGEST_LETTERS = 11.0, 40.0
#: Height of a capital letter of OpenCV's font at scale 1, px.
HERSHEY_HEIGHT = 21.0
WHITE, BLACK, BAND, INK = (255, 255, 255), (0, 0, 0), (32, 32, 32), (235, 235, 235)

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Color = tuple[int, ...]


class Painter:
    """Draws the rows of a pose table into frames.

    `points` are ``(N, K, 2)`` px of the frames that will be painted, NaN where nothing is drawn; `colors` are ``K`` RGB
    triples; `radius` is that of dots, px; `bones` are pairs of indices among the ``K``, joined by lines; `trail` is for
    how many frames a point leaves a trail behind it.
    """

    def __init__(
        self,
        points: Floats,
        colors: Sequence[Color],
        radius: float,
        bones: Sequence[tuple[int, int]] = (),
        trail: int = 0,
    ) -> None:
        self._colors, self._bones, self._trail = tuple(colors), tuple(bones), trail
        self._radius, self._line = round(radius * (1 << SUBPIXEL_BITS)), max(1, round(radius / 3))
        # OpenCV's whole numbers are the centres of pixels.
        known = np.asarray(np.isfinite(points).all(axis=2))
        limit = 2.0 ** (30 - SUBPIXEL_BITS)
        at = np.clip(np.where(known[..., None], points, 0.0) - 0.5, -limit, limit)
        self._known = known
        self._places = np.round(at * (1 << SUBPIXEL_BITS)).astype(np.int32)

    def paint(self, image: Image, index: int) -> None:
        """Draw one row into ``(H, W, 3)`` uint8 RGB, in place."""
        if self._trail:
            self._paint_trails(image, slice(max(0, index - self._trail), index + 1))
        places, known = self._places[index].tolist(), self._known[index].tolist()
        for start, end in self._bones:
            if known[start] and known[end]:
                for ink, extra in ((BLACK, 2), (WHITE, 0)):  # visible on light and on dark ground
                    ends, thickness = (places[start], places[end]), self._line + extra
                    cv2.line(image, *ends, ink, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        for place, is_known, color in zip(places, known, self._colors, strict=True):
            if is_known:
                cv2.circle(image, place, self._radius, color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
                cv2.circle(image, place, self._radius, WHITE, 1, cv2.LINE_AA, SUBPIXEL_BITS)

    def _paint_trails(self, image: Image, rows: slice) -> None:
        for part, color in enumerate(self._colors):
            # OpenCV 5 draws no lines through points that do not follow one another in memory.
            known, way = self._known[rows, part].tolist(), np.ascontiguousarray(self._places[rows, part])
            for is_known, run in groupby(range(len(known)), known.__getitem__):
                steps = list(run)
                if is_known and len(steps) > 1:
                    line = way[steps[0] : steps[-1] + 1]
                    cv2.polylines(image, [line], False, color, 1, cv2.LINE_AA, SUBPIXEL_BITS)


class Sheet:
    """One frame, or several side by side, with titles above and a legend of the body parts below.

    `canvas` is ``(H, W, 3)`` uint8 RGB, with titles and legend drawn once; `panels` are views into it for the frames. A
    single panel has no title; an empty legend takes no room.
    """

    def __init__(self, width: int, height: int, titles: Sequence[str], legend: Sequence[tuple[str, Color]]) -> None:
        letters = Letters(min(max(min(width, height) * LETTER_SHARE, SMALLEST_LETTERS), LARGEST_LETTERS))
        gap = 2 if len(titles) > 1 else 0
        whole = len(titles) * width + (len(titles) - 1) * gap
        rows = _legend_rows(legend, letters, whole)
        above = letters.row if len(titles) > 1 else 0
        self.canvas: Image = np.empty((above + height + len(rows) * letters.row, whole, 3), np.uint8)
        self.canvas[:] = BAND
        lefts = [place * (width + gap) for place in range(len(titles))]
        self.panels = tuple(self.canvas[above : above + height, left : left + width] for left in lefts)
        for title, left in zip(titles if above else (), lefts, strict=False):
            kept = letters.shortened(title, width - letters.row)
            letters.write(self.canvas[:above, left : left + width], kept, letters.row / 3)
        for number, row in enumerate(rows):
            top = above + height + number * letters.row
            band = self.canvas[top : top + letters.row]
            for name, color, start in row:
                middle = (round(start + letters.row / 2), letters.row // 2)
                cv2.circle(band, middle, round(letters.size * 0.5), color, -1, cv2.LINE_AA)
                cv2.circle(band, middle, round(letters.size * 0.5), WHITE, 1, cv2.LINE_AA)
                letters.write(band, name, start + letters.row)


def _legend_rows(
    legend: Sequence[tuple[str, Color]], letters: Letters, width: int
) -> list[list[tuple[str, Color, float]]]:
    """Names broken into rows that fit, each name with its left end, px."""
    rows: list[list[tuple[str, Color, float]]] = []
    left = float("inf")
    for name, color in legend:
        kept = letters.shortened(name, width - 2 * letters.row)
        needed = letters.row + letters.width(kept) + letters.row / 3
        if left + needed > width:
            rows.append([])
            left = letters.row / 4
        rows[-1].append((kept, color, left))
        left += needed
    return rows


class Letters:
    """Text whose capital letters are `size` px high."""

    def __init__(self, size: float) -> None:
        self.size = size
        self.row = round(size * 2.2)
        self._scale = size / HERSHEY_HEIGHT
        self._thickness = max(1, round(size / 11))

    def width(self, text: str) -> float:
        if not text.isascii():
            return float(_rendered(text, self.size).shape[1])
        return float(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self._scale, self._thickness)[0][0])

    def shortened(self, text: str, width: float) -> str:
        """The text, without its middle if it is too wide."""
        kept = text
        for length in range(len(text), 2, -1):
            if self.width(kept) <= width:
                break
            kept = f"{text[: length // 2]}..{text[len(text) - (length - 1) // 2 :]}"
        return kept

    def write(self, band: Image, text: str, left: float) -> None:
        """Draw a text into a row, vertically centred."""
        if text.isascii():
            base = (round(left), round((len(band) + self.size) / 2))
            cv2.putText(band, text, base, cv2.FONT_HERSHEY_SIMPLEX, self._scale, INK, self._thickness, cv2.LINE_AA)
            return
        coverage = _rendered(text, self.size)[: len(band), : band.shape[1] - round(left), None] / 255
        top = (len(band) - len(coverage)) // 2
        spot = band[top : top + len(coverage), round(left) : round(left) + coverage.shape[1]]
        spot[:] = np.round(spot + (np.array(INK) - spot) * coverage)


def _rendered(text: str, size: float) -> Image:
    """Coverage of letters that OpenCV's font does not have, ``(h, w)`` from 0 to 255."""
    from matplotlib import get_data_path
    from matplotlib.ft2font import FT2Font

    font = FT2Font(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf")
    font.set_size(size * 1.37, 72)  # a capital has 0.73 of the nominal size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that this font lacks too is a box
        font.set_text(text)
        font.draw_glyphs_to_bitmap()
    image: Image = np.asarray(font.get_image(), np.uint8)
    return image
