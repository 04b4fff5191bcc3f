"""Dots, trails, skeleton lines and letters in frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from posecli.plots.painting import Letters, Painter, Sheet

RED, BLUE = (255, 0, 0), (0, 0, 255)


def blank() -> npt.NDArray[np.uint8]:
    return np.zeros((120, 160, 3), np.uint8)


def test_missing_points_are_not_drawn() -> None:
    image = blank()
    Painter(np.array([[[20.0, 20.0], [60.0, np.nan]]]), [RED, BLUE], 4).paint(image, 0)
    assert tuple(image[20, 20]) == RED
    assert not image[40:, 40:].any()


def test_point_far_outside_the_frame_does_no_harm() -> None:
    image = blank()
    Painter(np.array([[[1e12, -1e12], [20.0, 20.0]]]), [RED, BLUE], 4, [(0, 1)]).paint(image, 0)
    assert tuple(image[20, 20]) == BLUE


def test_trail_follows_the_way_of_the_last_frames() -> None:
    image = blank()
    points = np.array([[[10.0 + 20 * step, 30.0]] for step in range(5)])
    Painter(points, [RED], 2, trail=2).paint(image, 4)
    assert image[29, 70].any()
    assert not image[:, :45].any()


def test_trail_has_a_gap_where_a_point_was_not_known() -> None:
    image = blank()
    points = np.array([[[10.0 + 20 * step, 30.0]] for step in range(6)])
    points[2] = np.nan
    Painter(points, [RED], 2, trail=9).paint(image, 5)
    assert image[29, 20].any()
    assert image[29, 80].any()
    assert not image[:, 33:67].any()


def test_bone_with_one_end_unknown_is_left_out() -> None:
    image = blank()
    points = np.array([[[20.0, 60.0], [140.0, 60.0]], [[20.0, 60.0], [np.nan, np.nan]]])
    painter = Painter(points, [RED, BLUE], 3, [(0, 1)])
    painter.paint(image, 1)
    assert not image[:, 60:].any()
    painter.paint(image, 0)
    assert image[59:61, 80].any()


def test_legend_names_every_body_part_in_its_colour_within_the_frame() -> None:
    legend = [(f"body part {number}", (10 * number, 200, 100)) for number in range(9)]
    sheet = Sheet(200, 120, ["one"], legend)
    below = sheet.canvas[120:]
    assert sheet.canvas.shape[1] == 200
    assert all((below == colour).all(axis=2).any() for _, colour in legend)


def test_panels_are_parts_of_the_canvas() -> None:
    sheet = Sheet(100, 80, ["a very long title of a table that does not fit", "b"], [])
    left, right = sheet.panels
    assert left.shape == right.shape == (80, 100, 3)
    right[:] = 77
    assert (sheet.canvas[-80:, -100:] == 77).all()
    assert not (left == 77).any()


@pytest.mark.parametrize("text", ["snout", "Pfötchen"])
def test_letters_are_where_they_are_said_to_be(text: str) -> None:
    letters = Letters(14)
    band = np.zeros((letters.row, 200, 3), np.uint8)
    letters.write(band, text, 10)
    columns = np.flatnonzero(band.any(axis=(0, 2)))
    assert columns[0] >= 8
    assert abs(columns[-1] - (10 + letters.width(text))) < 6
    rows = np.flatnonzero(band.any(axis=(1, 2)))
    assert rows[0] > 0
    assert rows[-1] < letters.row


def test_long_text_loses_its_middle() -> None:
    letters = Letters(14)
    short = letters.shortened("m3v1mp4DLC_resnet50_openfieldOct30shuffle1_4000", 150)
    assert letters.width(short) <= 150
    assert short.startswith("m3v1")
    assert short.endswith("000")
    assert ".." in short
