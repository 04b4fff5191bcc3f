"""An open field seen from above: a floor with uneven light, walls, drawn trails and clutter."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posecli.synthetic.canvas import Image, Light, Points, coverage, darken, ellipse, ribbon, uneven


@dataclass(frozen=True)
class Arena:
    """An arena without its animal."""

    image: Image
    floor: Points  # (n, 2) outline, px
    top: float  # row of the floor's upper edge, px; above it a wall reflects the animal
    blur: float  # standard deviation of the camera's blur, px


def build_arena(rng: np.random.Generator, width: int, height: int, unit: float, *, gray: bool) -> Arena:
    """An arena of its own; `unit` is frame px per px of a 640x480 frame, and `gray` a camera that sees no colour."""
    floor = _floor_outline(rng, width, height)
    blur = unit * float(rng.uniform(0.5, 1.3))
    light = _floor(rng, width, height, unit)
    _draw_trails(rng, light, floor, unit)
    _scatter(rng, light, floor, unit)
    inside = coverage(floor, width, height, 0.8 * unit)
    edge = coverage(floor, width, height, 4 * unit)
    light *= 1 - 0.25 * (1 - edge) * rng.uniform(0.3, 1.0)
    light = _walls(rng, width, height, unit) * (1 - inside) + light * inside
    _draw_glints(rng, light, floor, unit)
    light = cv2.GaussianBlur(light, (0, 0), blur)
    tint = np.ones(3, np.float32) if gray else (1 + rng.normal(0, 0.06, 3)).astype(np.float32)
    image = np.clip(light[..., None] * tint, 0, 255)
    return Arena(np.rint(image).astype(np.uint8), floor, float(floor[:, 1].min()), blur)


def _floor_outline(rng: np.random.Generator, width: int, height: int) -> Points:
    """A rectangle with lens distortion; sometimes the floor fills the frame."""
    if rng.random() < 0.15:
        low, high = np.array([-0.2, -0.2]), np.array([1.2, 1.2])
    else:
        low, high = rng.uniform([0.0, 0.0], [0.08, 0.14]), 1 - rng.uniform([0.0, 0.0], [0.08, 0.08])
    side = np.linspace(-1, 1, 15)
    end = np.ones_like(side)
    edges = [(side, -end), (end, side), (-side, end), (-end, -side)]
    square = np.concatenate([np.stack(edge, axis=1) for edge in edges])
    square *= 1 - rng.uniform(0, 0.03) * np.prod(square**2, axis=1, keepdims=True)
    square += rng.uniform(-0.015, 0.015, (1, 2)) * square[:, ::-1] * square
    return np.asarray((low + (square + 1) / 2 * (high - low)) * [width, height])


def _floor(rng: np.random.Generator, width: int, height: int, unit: float) -> Light:
    base = rng.uniform(180, 240) if rng.random() < 0.8 else rng.uniform(120, 180)
    light = uneven(rng, (4, 5), width, height) * rng.uniform(8, 22)
    bands = uneven(rng, (5, 2), width, height) * rng.uniform(0, 20)
    texture = uneven(rng, (height // 3, width // 3), width, height) * rng.uniform(0.5, 2.5)
    streaks = cv2.GaussianBlur(rng.standard_normal((height, 8), np.float32), (0, 0), sigmaX=3.0, sigmaY=1.2 * unit)
    streaks = cv2.resize(streaks, (width, height)) * rng.uniform(0, 6)
    stains = uneven(rng, (height // 24, width // 24), width, height) * rng.uniform(0, 4)
    return np.asarray(base + light + bands + texture + streaks + stains, np.float32)


def _draw_trails(rng: np.random.Generator, light: Light, floor: Points, unit: float) -> None:
    """Thin lines in level pieces and slopes, as a printer leaves them on a roll of paper."""
    (left, top), (right, bottom) = floor.min(axis=0), floor.max(axis=0)
    for _ in range(rng.integers(0, 4)):
        pieces = int(rng.integers(3, 9))
        x = np.repeat(np.sort(rng.uniform(left, right, pieces)), 2)
        x[1:-1] += rng.uniform(-12, 12, 2 * pieces - 2) * unit
        y = np.repeat(rng.uniform(top, bottom, pieces), 2)
        y[1::2] += rng.uniform(-3, 3, pieces) * unit
        line = ribbon(np.stack([np.sort(x), y], axis=1), unit * rng.uniform(0.4, 1.1))
        darken(light, line, rng.uniform(0.05, 0.28))
    for _ in range(rng.integers(0, 3)):
        ring = ellipse(rng.uniform([left, top], [right, bottom]), (4 * unit, 3 * unit), 0.0)
        darken(light, ribbon(np.concatenate([ring, ring[:1]]), 0.7 * unit), 0.2)


def _scatter(rng: np.random.Generator, light: Light, floor: Points, unit: float) -> None:
    """Droppings, specks and pale chips."""
    low, high = floor.min(axis=0), floor.max(axis=0)
    for _ in range(rng.integers(0, 12)):
        size = unit * rng.uniform(0.8, 4.5)
        speck = ellipse(rng.uniform(low, high), (size, size * rng.uniform(0.4, 1)), rng.uniform(0, np.pi), 10)
        darken(light, speck, rng.choice([-0.15, 0.15, 0.3, 0.7]))
    if rng.random() < 0.2:
        start, stop = rng.uniform(low, high, (2, 2))
        middle = (start + stop) / 2 + rng.normal(0, 60 * unit, 2)
        t = np.linspace(0, 1, 24)[:, None]
        cable = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * stop
        darken(light, ribbon(cable, unit * rng.uniform(1, 3)), rng.uniform(0.2, 0.7))


def _walls(rng: np.random.Generator, width: int, height: int, unit: float) -> Light:
    """Walls and what is behind them: darker, uneven, with a few straight edges."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    level = rng.uniform(45, 135)
    slope = rng.uniform(-45, 45, 2)
    light = level + slope[0] * (columns / width - 0.5) + slope[1] * (rows / height - 0.5)
    light += uneven(rng, (4, 4), width, height) * 8
    for _ in range(rng.integers(1, 4)):
        at = rng.uniform(0, 0.1) * height if rng.random() < 0.6 else rng.uniform(0.93, 1.0) * height
        edge = np.array([[0.0, at], [float(width), at + rng.normal(0, 4 * unit)]])
        darken(light, ribbon(edge, unit * rng.uniform(0.5, 3)), rng.uniform(-0.35, 0.5))
    return np.asarray(light, np.float32)


def _draw_glints(rng: np.random.Generator, light: Light, floor: Points, unit: float) -> None:
    """Reflections of lamps in a wall."""
    (left, top), (right, bottom) = floor.min(axis=0), floor.max(axis=0)
    row = rng.choice([top, bottom]) + unit * rng.uniform(-6, 6)
    for _ in range(rng.integers(0, 5)):
        start, length = rng.uniform(left, right), unit * rng.uniform(6, 40)
        glint = ribbon(np.array([[start, row], [start + length, row]]), unit * rng.uniform(1, 3.5))
        height, width = light.shape
        light += coverage(glint, width, height, 0.0) * np.float32(rng.uniform(60, 160))
