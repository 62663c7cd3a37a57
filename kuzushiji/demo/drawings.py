"""Simple pictures, as the books have them: hills, water, ships, reeds, pines, houses, birds; and red seals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.strokes import strokes_of
from kuzushiji.demo.hand import make_glyph
from kuzushiji.demo.typesetting import Area, Placed

Floats = NDArray[np.floating[Any]]

_SEAL_WORDS = ("印", "文庫", "蔵書", "図書", "春山", "松月", "竹林", "古書院")
_RIDGE_POINTS = 80


def draw_picture(area: Area, rng: np.random.Generator) -> list[Placed]:
    """Return the lines of a picture that fills `area`."""
    canvas = _Canvas(area, rng)
    motifs = [
        (canvas.hills, 0.85), (canvas.waves, 0.6), (canvas.ship, 0.4), (canvas.house, 0.45), (canvas.pine, 0.55),
        (canvas.reeds, 0.5), (canvas.birds, 0.5), (canvas.moon, 0.3),
    ]  # fmt: skip
    chosen = [motif for motif, chance in motifs if rng.random() < chance] or [canvas.hills]
    for motif in chosen:
        motif()
    return canvas.lines


def draw_seal(x: float, y: float, side: float, rng: np.random.Generator) -> list[Placed]:
    """Return the lines of a square seal with its left top corner at (x, y)."""
    word = _SEAL_WORDS[int(rng.integers(len(_SEAL_WORDS)))]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * side + np.array([x, y])
    lines = [_brush(corners, 0.06 * side, rng)]
    cell = side * 0.9 / len(word)
    for number, character in enumerate(word):
        corner = np.array([x + side * 0.07, y + side * 0.05 + number * cell])
        for stroke in strokes_of(character):
            lines.append(_brush(stroke * np.array([side * 0.86, cell]) + corner, 0.055 * side, rng))
    return lines


def _brush(points: Floats, width: float | Floats, rng: np.random.Generator) -> Placed:
    """Return a line of the brush through points (n, 2), unevenly pressed."""
    widths = (width * np.clip(rng.normal(1, 0.15, len(points)), 0.5, 1.5)).astype(np.float32)
    return Placed("", make_glyph(points.astype(np.float32), widths), 0.0, 0.0)


class _Canvas:
    """The area of a picture: motifs are drawn in shares of its width and height."""

    def __init__(self, area: Area, rng: np.random.Generator) -> None:
        self.area, self.rng = area, rng
        self.size = np.array([area.x1 - area.x0, area.y1 - area.y0])
        self.pen = 0.0048 * float(self.size.min()) + 0.7
        self.lines: list[Placed] = []

    def line(self, xs: Floats | Sequence[float], ys: Floats | Sequence[float], width: float | Floats = 1.0) -> None:
        """Draw a line; x and y as shares of the area, `width` in pens."""
        shares = np.clip(np.stack([np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)], axis=1), 0, 1)
        points = shares * self.size + np.array([self.area.x0, self.area.y0])
        self.lines.append(_brush(points, self.pen * np.asarray(width), self.rng))

    def hills(self) -> None:
        """Draw ridges one behind the other, hatched on their slopes."""
        rng = self.rng
        x = np.linspace(0, 1, _RIDGE_POINTS)
        seen = np.full(_RIDGE_POINTS, 1.0)
        for depth in range(int(rng.integers(1, 4))):
            peak, spread, power = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.35), rng.uniform(0.9, 1.9)
            height = rng.uniform(0.25, 0.5) - 0.05 * depth
            ridge = height * np.exp(-(np.abs((x - peak) / spread) ** power))
            ridge += 0.04 * np.sin(x * rng.uniform(8, 16) + rng.uniform(0, 6)) + np.cumsum(rng.normal(0, 0.004, len(x)))
            top = 0.62 - 0.08 * depth - ridge
            open_sky = top < seen - 0.01
            self._runs(x, top, open_sky, 1.3)
            self._hatch(x, top, seen, open_sky, peak)
            seen = np.minimum(seen, top)

    def _runs(self, x: Floats, y: Floats, visible: NDArray[np.bool_], width: float) -> None:
        """Draw the pieces of a curve that are visible."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], visible, [False]]).astype(int)))
        for start, end in edges.reshape(-1, 2).tolist():
            if end - start > 2:
                self.line(x[start:end], y[start:end], width)

    def _hatch(self, x: Floats, top: Floats, seen: Floats, visible: NDArray[np.bool_], peak: float) -> None:
        places = np.flatnonzero(visible)
        for at in self.rng.choice(places, min(len(places), int(self.rng.integers(4, 16)))).tolist():
            down = np.linspace(0.01, self.rng.uniform(0.03, 0.2), 9)
            lean = (0.25 + 0.5 * self.rng.random()) * np.sign(x[at] - peak)
            ys = top[at] + down
            xs = x[at] + lean * down + 0.004 * np.sin(down * 90 + at)
            kept = (ys < seen[at] - 0.01) & (xs > 0.01) & (xs < 0.99)
            if kept.sum() > 2:
                self.line(xs[kept], ys[kept], np.linspace(0.9, 0.3, 9)[kept])

    def waves(self) -> None:
        """Draw rows of ripples."""
        for _ in range(int(self.rng.integers(5, 16))):
            start, length = self.rng.uniform(0, 0.85), self.rng.uniform(0.08, 0.3)
            x = np.linspace(start, min(1.0, start + length), 40)
            crest = np.abs(np.sin(x * self.rng.uniform(35, 70)))
            self.line(x, self.rng.uniform(0.66, 0.98) - 0.014 * crest, 0.6)

    def ship(self) -> None:
        """Draw a boat with a mast and a bellied sail."""
        size, t = self.rng.uniform(0.14, 0.3), np.linspace(0, 1, 20)
        x, y = self.rng.uniform(0.1, 0.65), self.rng.uniform(0.62, 0.85)
        self.line(x + t * size, y + 0.2 * size * np.sin(np.pi * t) ** 0.7, 1.2)
        self.line(x + t * size, y + 0.05 * size * np.sin(np.pi * t), 0.8)
        self.line([x + size * 0.5] * 2, [y, y - 0.75 * size], 1.0)
        self.line(x + size * (0.5 + 0.32 * np.sin(np.pi * t)), y - size * (0.1 + 0.6 * t), 0.8)
        for share in (0.3, 0.5):
            self.line([x + size * 0.5, x + size * (0.5 + 0.3)], [y - share * size, y - share * size * 0.95], 0.4)

    def house(self) -> None:
        """Draw a thatched hut."""
        size, x, y = self.rng.uniform(0.15, 0.28), self.rng.uniform(0.05, 0.65), self.rng.uniform(0.6, 0.9)
        t = np.linspace(0, 1, 12)
        for number in range(int(self.rng.integers(7, 14))):
            share = number / 12
            self.line(x + size * (0.25 + 0.5 * share + (share - 0.5) * 0.6 * t), y - size * (0.75 - 0.35 * t**0.8), 0.6)
        self.line([x + 0.22 * size, x + 0.78 * size], [y - 0.75 * size] * 2, 1.4)
        self.line([x - 0.05 * size, x + 1.05 * size], [y - 0.4 * size] * 2, 1.2)
        for share in (0.1, 0.35, 0.62, 0.9):
            self.line([x + share * size] * 2, [y - 0.4 * size, y], 0.9)
        self.line([x, x + size], [y, y], 0.8)

    def pine(self) -> None:
        """Draw a crooked trunk with flat clouds of needles."""
        rng = self.rng
        t = np.linspace(0, 1, 24)
        x, y, tall = rng.uniform(0.1, 0.9), rng.uniform(0.8, 1.0), rng.uniform(0.35, 0.6)
        bend = 0.05 * np.sin(t * rng.uniform(3, 7) + rng.uniform(0, 6))
        for side in (-1, 1):
            self.line(x + bend + side * 0.018 * (1.1 - t), y - tall * t, 0.8)
        for share in np.linspace(0.45, 1.0, int(rng.integers(3, 6))):
            trunk_x = x + float(np.interp(share, t, bend))
            middle_x = trunk_x + rng.normal(0, 0.07)
            self.line([trunk_x, middle_x], [y - tall * (share - 0.05), y - tall * share], 0.9)
            for _ in range(int(rng.integers(16, 34))):
                root = middle_x + rng.uniform(-0.06, 0.06), y - tall * share + rng.normal(0, 0.006)
                angle, length = rng.uniform(-2.4, -0.7), rng.uniform(0.015, 0.03)
                tip = root[0] + length * np.cos(angle), root[1] + length * np.sin(angle)
                self.line([root[0], tip[0]], [root[1], tip[1]], 0.5)

    def reeds(self) -> None:
        """Draw a tuft of leaves."""
        rng = self.rng
        root, t = rng.uniform(0.1, 0.9), np.linspace(0, 1, 24)
        for _ in range(int(rng.integers(6, 16))):
            length, bend = rng.uniform(0.12, 0.4), rng.normal(0, 0.18)
            leaf = 0.35 + 1.5 * np.sin(np.pi * (0.1 + 0.9 * t))
            self.line(root + rng.normal(0, 0.03) + bend * t**2, 1 - length * (t - 0.35 * t**3), leaf)

    def birds(self) -> None:
        """Draw a flight of birds far away."""
        rng = self.rng
        x, y, t = rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.3), np.linspace(-1, 1, 11)
        for number in range(int(rng.integers(3, 8))):
            size = rng.uniform(0.012, 0.025)
            at = x + 0.05 * number + rng.normal(0, 0.01), y + 0.03 * abs(number - 3) + rng.normal(0, 0.008)
            self.line(at[0] + size * t, at[1] - size * np.abs(np.sin(t * 2.4)), 0.6)

    def moon(self) -> None:
        """Draw a full moon."""
        angle, radius = np.linspace(0, 2 * np.pi, 40), self.rng.uniform(0.04, 0.08) * float(self.size.min())
        x, y = self.rng.uniform(0.15, 0.85), self.rng.uniform(0.1, 0.25)
        self.line(x + radius / self.size[0] * np.cos(angle), y + radius / self.size[1] * np.sin(angle), 0.8)
