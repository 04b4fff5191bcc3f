"""Tables of boxes: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecli.errors import LabelError
from posecli.tables.boxes import boxes_of, read_boxes

HEADER = "frame,x,y,width,height\n"


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_frames_without_a_line_have_no_box(tmp_path: Path) -> None:
    boxes = read_boxes(table(tmp_path / "b.csv", HEADER + "3,10,20.5,30,40\n1,-5,0,8,9\n"))
    np.testing.assert_array_equal(boxes, [[np.nan] * 4, [-5, 0, 8, 9], [np.nan] * 4, [10, 20.5, 30, 40]])


def test_columns_may_stand_in_any_order_and_others_beside_them(tmp_path: Path) -> None:
    text = "score;Height;Width;y;x;frame\n0,9;40;30;20,5;10;0\n"
    np.testing.assert_array_equal(read_boxes(table(tmp_path / "b.csv", text)), [[10, 20.5, 30, 40]])


def test_table_without_lines(tmp_path: Path) -> None:
    assert read_boxes(table(tmp_path / "b.csv", HEADER)).shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the columns frame, x, y, width, height"),
        ("frame,x,y,w,h\n0,1,2,3,4\n", "lacks the columns width, height"),
        (HEADER + "0,1,2,3\n", "line 2 of"),
        (HEADER + "0,1,2,3,0\n", "line 2 of"),
        (HEADER + "0,1,2,3,nan\n", "line 2 of"),
        (HEADER + "0,1,,3,4\n", "line 2 of"),
        (HEADER + "0,,2,3,4\n", "line 2 of"),
        (HEADER + "0.5,1,2,3,4\n", "line 2 of"),
        (HEADER + "-1,1,2,3,4\n", "line 2 of"),
        (HEADER + "inf,1,2,3,4\n", "line 2 of"),
        (HEADER + "0,1e9,2,3,4\n", "line 2 of"),
        (HEADER + "99999999999,1,2,3,4\n", "line 2 of"),
        (HEADER + "0,1,2,3,4\n\n0,1,2,3,4\n", "two boxes of frame 0, the second in line 4"),
    ],
)
def test_what_is_no_table_of_boxes_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LabelError, match=words):
        read_boxes(table(tmp_path / "b.csv", text))


def test_a_folder_has_a_table_for_each_video(tmp_path: Path) -> None:
    table(tmp_path / "day1.csv", HEADER + "0,1,2,3,4\n")
    boxes = boxes_of(tmp_path, Path("elsewhere/day1.mp4"))
    assert boxes is not None
    np.testing.assert_array_equal(boxes, [[1, 2, 3, 4]])
    with pytest.raises(LabelError, match=r"day2\.csv"):
        boxes_of(tmp_path, Path("elsewhere/day2.mp4"))
    assert boxes_of(None, Path("day1.mp4")) is None
