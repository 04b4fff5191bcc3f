"""The pictures of `design.md`, drawn from the code: the floors of the house, and the way of a frame."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "posecli"
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"

#: Each step of a frame: what it is called, what happens, and the modules in which it does.
WAY = (
    ("probe", "packets, times, orientation; first pictures only", ("video/probe.py",)),
    ("decode", "FFmpeg: which pictures, in which order, and when", ("video/pictures.py", "video/timeline.py")),
    ("prepare", "orient, crop, resize, RGB, into a buffer of the batch", ("video/reader.py", "video/geometry.py")),
    ("network", "from uint8 to maps, peaks or logits: one graph", ("engine/", "network/")),
    ("poses", "argmax and refinement, in px of the network's input", ("inference/decode.py",)),
    ("geometry undone", "px of the full, displayed frame: (B, K, 3)", ("inference/step.py",)),
    ("journal", "rows reach the disk as they are made", ("analysis/journal.py",)),
    ("table and manifest", "complete, then renamed", ("tables/pose_table.py", "tables/manifest.py")),
)
#: What lies on an arrow: behind which step, in words.
ARRAYS = {"prepare": "frames (B, H, W, 3) uint8", "network": "scoremap (B, h, w, K), locref (B, h, w, K, 2)"}
#: The stages of a pipeline, which overlap: their first and last step.
STAGES = (
    ("read", "decode", "prepare"),
    ("network", "network", "network"),
    ("decode", "poses", "geometry undone"),
    ("write", "journal", "journal"),
)
#: What is settled before the first batch.
BEFORE = ("model/", "precision/", "inference/batching.py", "analysis/plan.py")


@dataclass
class Drawing:
    """An SVG picture that grows by one shape at a time."""

    width: int
    title: str
    shapes: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, width: float, height: float, fill: str, edge: str) -> None:
        """A rounded rectangle."""
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="{fill}" stroke="{edge}" '
            'stroke-width="1.5"/>'
        )

    def text(self, x: float, y: float, words: str, attributes: str = "") -> None:
        """One line of text, with SVG attributes; ``mono`` among them is a font of fixed width."""
        font = MONO if "mono" in attributes else SANS
        attributes = attributes.replace("mono", "").strip()
        size = "" if "font-size" in attributes else 'font-size="14" '
        fill = "" if "fill" in attributes else 'fill="#333333" '
        self.shapes.append(
            f'<text x="{x}" y="{y}" font-family="{font}" {size}{fill}{attributes}>{escape(words)}</text>'
        )

    def path(self, points: str, color: str = "#4d4d4d", *, head: bool = False) -> None:
        """A line through points, with a head or without."""
        end = ' marker-end="url(#head)"' if head else ""
        self.shapes.append(f'<path d="{points}" fill="none" stroke="{color}" stroke-width="1.8"{end}/>')

    def svg(self, height: int) -> str:
        """The whole file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width="{self.width}" '
            f'height="{height}" role="img" aria-labelledby="title">\n<title id="title">{escape(self.title)}</title>\n'
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="#4d4d4d"/></marker></defs>\n'
            f'<rect width="{self.width}" height="{height}" fill="#ffffff"/>\n'
        )
        return head + "\n".join(self.shapes) + "\n</svg>\n"


def floors() -> list[list[str]]:
    """The rooms of each floor from the top, as the contract of import-linter has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [[room.strip() for room in re.split(r"[|:]", layer)] for layer in contract["layers"]]


def floors_svg() -> str:
    """The house: one row for each floor, with the first sentence of every room."""
    drawing = Drawing(920, "The floors of posecli, from the command line at the top down to the errors")
    y = 16
    for rooms in floors():
        height = 16 + 24 * len(rooms)
        drawing.box(16, y, 888, height, "#e8f1fa", "#0072b2")
        for row, room in enumerate(rooms):
            drawing.text(32, y + 25 + 24 * row, room, 'font-size="15" font-weight="600" fill="#1a1a1a"')
            drawing.text(150, y + 25 + 24 * row, _purpose(room))
        y += height + 10
    drawing.text(460, y + 16, "a room imports only from the floors below it", 'text-anchor="middle" fill="#00614a"')
    return drawing.svg(y + 32)


def _purpose(room: str) -> str:
    module = PACKAGE / room / "__init__.py" if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split()).removesuffix(".").replace("`", "")


def way_svg() -> str:
    """The way of a frame from the video file to the table."""
    drawing = Drawing(920, "The way of a frame: " + ", ".join(name for name, _, _ in WAY))
    drawing.box(300, 16, 180, 38, "#fdf1e3", "#b35900")
    drawing.text(390, 41, "video file", 'font-size="16" font-weight="600" text-anchor="middle"')
    places, y = {}, 54
    for name, words, modules in WAY:
        drawing.path(f"M390 {y} V{y + 30}", head=True)
        places[name] = y = y + 32
        drawing.box(190, y, 400, 60, "#e8f1fa", "#0072b2")
        drawing.text(206, y + 25, name, 'font-size="16" font-weight="600" fill="#1a1a1a"')
        drawing.text(206, y + 46, words)
        for row, module in enumerate(modules):
            drawing.text(614, y + (35 if len(modules) == 1 else 25) + 20 * row, module, "mono")
        y += 60
        if name in ARRAYS:
            drawing.text(404, y + 28, ARRAYS[name], 'font-weight="600" fill="#8a4500"')
            drawing.shapes.append(
                f'<line x1="390" y1="{y}" x2="390" y2="{y + 20}" stroke="#4d4d4d" stroke-width="1.8"/>'
            )
            y += 20
    for stage, first, last in STAGES:
        top, bottom = places[first], places[last] + 60
        drawing.shapes.append(
            f'<path d="M174 {top} H160 V{bottom} H174" fill="none" stroke="#00795a" stroke-width="2"/>'
        )
        style = 'text-anchor="end" font-weight="600" fill="#00614a"'
        drawing.text(148, (top + bottom) / 2 + 5, stage, style)
    drawing.text(24, 30, "stages that overlap:", 'font-weight="600" fill="#00614a"')
    drawing.text(24, 50, "inference/pipeline.py", "mono")
    top = places["network"] - 56
    drawing.box(738, top, 174, 120, "#f3ecf7", "#7b4f94")
    drawing.text(825, top + 24, "before the run", 'font-weight="600" text-anchor="middle" fill="#5f3a75"')
    for row, module in enumerate(BEFORE):
        drawing.text(825, top + 46 + 20 * row, module, 'mono font-size="13" text-anchor="middle"')
    drawing.path(f"M738 {top + 86} H706", head=True)
    return drawing.svg(y + 16)


def named_modules() -> list[str]:
    """Every file and folder of the package that the way of a frame names."""
    return [module for _, _, modules in WAY for module in modules] + [*BEFORE, "inference/pipeline.py"]
