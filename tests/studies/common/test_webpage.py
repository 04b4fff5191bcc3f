"""Reports as one page: whole, escaped, and with nothing to load."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

import pytest

from posecli.studies.common import webpage


class Outline(HTMLParser):
    """Checks that elements are closed in turn, and keeps texts and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        self.sources += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_every_part_is_closed_and_its_text_kept() -> None:
    strange = "<script>alert('1 & 2')</script>"
    parts = [
        webpage.heading(strange),
        webpage.section(strange, webpage.paragraph(strange), webpage.bullets([strange]), webpage.verbatim(strange)),
        webpage.table([[strange, "px"], [strange, "3.5"]]),
    ]
    outline = Outline(webpage.page(strange, parts))
    assert outline.open == []
    assert outline.texts.count(strange) == 8


def test_numbers_stand_at_the_right() -> None:
    assert webpage.table([["speed"], ["3.5 fps"], ["fast"]]).count("class='number'") == 1


@pytest.mark.parametrize(("ending", "kind"), [("png", "image/png"), ("svg", "image/svg+xml")])
def test_a_picture_is_in_the_page(tmp_path: Path, ending: str, kind: str) -> None:
    picture = tmp_path / f"figure.{ending}"
    picture.write_bytes(b"content")
    (source,) = Outline(webpage.figure(picture, 'a "caption"')).sources
    head, _, content = source.partition(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(content) == b"content"
