"""The look of figures."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from posecli.support.figures import house_style, new_figure, save_figure

TITLE = "home-cage, 224x224 px, chunks of 64 every 64, batch 1, openvino fp32: every repeat, batch by batch"


def test_no_title_is_cut_off(tmp_path: Path) -> None:
    with house_style():
        figure = new_figure(5, 3)
        title = figure.subplots().set_title(TITLE)
        png, svg = save_figure(figure, tmp_path / "long")
    extent = title.get_window_extent()
    assert figure.bbox.x0 <= extent.x0
    assert extent.x1 <= figure.bbox.x1
    assert extent.y1 <= figure.bbox.y1
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")


def test_a_short_title_stays_in_one_line(tmp_path: Path) -> None:
    heights = []
    for words in ("short", TITLE):
        with house_style():
            figure = new_figure(5, 3)
            title = figure.subplots().set_title(words)
            save_figure(figure, tmp_path / "either")
        heights.append(title.get_window_extent().height)
    assert heights[1] > 1.8 * heights[0]
