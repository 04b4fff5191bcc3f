"""A report as one HTML page that needs no other file and loads nothing.

>>> print(page("posecli benchmark", [section("What came out", bullets(["1 < 2"]))]).splitlines()[-2])
<ul><li>1 &lt; 2</li></ul>
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path

STYLE_SHEET = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; font-size: 1.2rem; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-size: 13px; } .wide { overflow-x: auto; }
th, td { padding: 0.25rem 0.6rem; text-align: left; border-bottom: 1px solid #eee; white-space: nowrap; }
th { border-bottom: 2px solid #999; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f4f4f4; padding: 0.7rem 1rem; overflow-x: auto; } figure { margin: 1.5rem 0; }
img { max-width: 100%; } figcaption { color: #555; font-size: 13px; }
"""
#: Media types of pictures, by the ending of their files.
PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page; its parts come from the functions below."""
    head = f"<!doctype html><html lang='en'><head><meta charset='utf-8'>{element('title', title)}"
    lines = [head, f"<style>{STYLE_SHEET}</style></head><body>", *parts, "</body></html>"]
    return "\n".join(lines) + "\n"


def element(tag: str, text: str) -> str:
    """Text in an element, such as ``p`` or ``pre``."""
    return f"<{tag}>{escape(text)}</{tag}>"


heading, paragraph, verbatim = (partial(element, tag) for tag in ("h1", "p", "pre"))


def section(title: str, *parts: str) -> str:
    """A title with parts below it."""
    return "\n".join([element("h2", title), *parts])


def bullets(sentences: Iterable[str]) -> str:
    """An unnumbered list of sentences."""
    return f"<ul>{''.join(element('li', sentence) for sentence in sentences)}</ul>"


def figure(picture: Path, caption: str) -> str:
    """A picture with its caption, embedded in the page."""
    content = base64.b64encode(picture.read_bytes()).decode()
    return (
        f"<figure><img alt='{escape(caption, quote=True)}' src='data:{PICTURES[picture.suffix]};base64,{content}'>"
        f"{element('figcaption', caption)}</figure>"
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first the head."""
    head = "".join(element("th", cell) for cell in rows[0])
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows[1:])
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _cell(cell: str) -> str:
    kind = " class='number'" if cell[:1].isdigit() else ""
    return f"<td{kind}>{escape(cell)}</td>"
