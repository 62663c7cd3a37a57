"""Simple pictures, as the books have them: mountains, ships, reeds, waves; and red seals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.hand import make_glyph
from kuzushiji.demo.layout import Area, Placed
from kuzushiji.demo.strokes import strokes_of

Floats = NDArray[np.floating[Any]]

_SEAL_WORDS = ("印", "文庫", "蔵書", "図書", "春山", "松月", "竹林")


def draw_picture(area: Area, rng: np.random.Generator) -> list[Placed]:
    """Return the lines of a picture that fills `area`."""
    lines = _mountains(area, rng)
    lines += _waves(area, rng) if rng.random() < 0.6 else []
    lines += _ship(area, rng) if rng.random() < 0.5 else []
    lines += _reeds(area, rng) if rng.random() < 0.7 else []
    return lines


def draw_seal(x: float, y: float, side: float, rng: np.random.Generator) -> list[Placed]:
    """Return the lines of a square seal with its left top corner at (x, y)."""
    word = _SEAL_WORDS[int(rng.integers(len(_SEAL_WORDS)))]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float32) * side + np.array(
        [x, y], dtype=np.float32
    )
    lines = [_brush(corners, 0.06 * side, rng)]
    cell = side * 0.9 / len(word)
    for number, character in enumerate(word):
        for stroke in strokes_of(character):
            points = stroke * np.array([side * 0.86, cell], dtype=np.float32) + np.array(
                [x + side * 0.07, y + side * 0.05 + number * cell]
            )
            lines.append(_brush(points, 0.055 * side, rng))
    return lines


def _brush(points: Floats, width: float, rng: np.random.Generator) -> Placed:
    widths = (width * np.clip(rng.normal(1, 0.15, len(points)), 0.5, 1.5)).astype(np.float32)
    return Placed("", make_glyph(points.astype(np.float32), widths), 0.0, 0.0)


def _curve(xs: Floats, ys: Floats, width: float, rng: np.random.Generator) -> Placed:
    return _brush(np.stack([xs, ys], axis=1), width, rng)


def _mountains(area: Area, rng: np.random.Generator) -> list[Placed]:
    lines = []
    w, h = area.x1 - area.x0, area.y1 - area.y0
    for _ in range(int(rng.integers(1, 4))):
        n = 60
        x = np.linspace(0, 1, n)
        peak, spread = rng.uniform(0.2, 0.8), rng.uniform(0.15, 0.4)
        ridge = np.exp(-(np.abs((x - peak) / spread) ** rng.uniform(1.0, 1.8)))
        ridge = ridge + np.cumsum(rng.normal(0, 0.012, n))
        top = area.y0 + h * (0.55 - 0.5 * rng.uniform(0.4, 1.0) * ridge)
        lines.append(_curve(area.x0 + x * w, top, 0.006 * h + 0.8, rng))
        for start in rng.choice(np.arange(5, n - 5), 6, replace=False):
            length = int(rng.integers(3, 6))
            fall = np.linspace(0, rng.uniform(0.05, 0.2) * h, length)
            xs = area.x0 + x[start] * w + np.linspace(0, rng.uniform(-0.05, 0.05) * w, length)
            lines.append(_curve(xs, np.maximum(top[start], area.y0) + fall + 0.02 * h, 0.003 * h + 0.6, rng))
    return lines


def _waves(area: Area, rng: np.random.Generator) -> list[Placed]:
    lines = []
    w, h = area.x1 - area.x0, area.y1 - area.y0
    for _ in range(int(rng.integers(4, 12))):
        x0, length = rng.uniform(0, 0.8), rng.uniform(0.1, 0.3)
        x = np.linspace(x0, min(1.0, x0 + length), 30)
        y = rng.uniform(0.65, 0.98) + 0.012 * np.abs(np.sin(x * rng.uniform(30, 60)))
        lines.append(_curve(area.x0 + x * w, area.y0 + y * h, 0.003 * h + 0.6, rng))
    return lines


def _ship(area: Area, rng: np.random.Generator) -> list[Placed]:
    w, h = area.x1 - area.x0, area.y1 - area.y0
    size = rng.uniform(0.15, 0.3) * min(w, h)
    x, y = area.x0 + rng.uniform(0.2, 0.6) * w, area.y0 + rng.uniform(0.6, 0.8) * h
    t = np.linspace(0, 1, 20)
    hull = _curve(x + t * size, y + 0.22 * size * np.sin(np.pi * t) ** 0.7, 0.03 * size, rng)
    deck = _curve(x + t * size, y + 0.05 * size * np.sin(np.pi * t), 0.02 * size, rng)
    mast = _brush(
        np.array([[x + size * 0.5, y], [x + size * 0.5, y - 0.7 * size]], dtype=np.float32), 0.025 * size, rng
    )
    sail_x = x + size * (0.5 + 0.32 * np.sin(np.pi * t))
    sail = _curve(sail_x, y - size * (0.1 + 0.55 * t), 0.02 * size, rng)
    return [hull, deck, mast, sail]


def _reeds(area: Area, rng: np.random.Generator) -> list[Placed]:
    lines = []
    w, h = area.x1 - area.x0, area.y1 - area.y0
    root = area.x0 + rng.uniform(0.1, 0.9) * w
    for _ in range(int(rng.integers(6, 18))):
        t = np.linspace(0, 1, 24)
        length, bend = rng.uniform(0.15, 0.45) * h, rng.normal(0, 0.2) * w
        xs = root + rng.normal(0, 0.04) * w + bend * t**2
        ys = area.y1 - length * (t - 0.35 * t**3)
        points = np.stack([xs, ys], axis=1).clip((area.x0, area.y0), (area.x1, area.y1)).astype(np.float32)
        widths = ((0.012 * h + 0.6) * np.sin(np.pi * (0.15 + 0.85 * t)) + 0.4).astype(np.float32)
        lines.append(Placed("", make_glyph(points, widths), 0.0, 0.0))
    return lines
