"""Paper, the ground it lies on, and what time and a camera do to it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

_PAPERS_RGB = (
    (233, 214, 176), (219, 203, 176), (243, 227, 184), (226, 219, 205), (205, 180, 140),
    (170, 143, 108), (222, 205, 188), (214, 207, 196), (236, 222, 192), (191, 166, 132),
)  # fmt: skip
_GROUNDS_RGB = ((14, 14, 15), (22, 26, 24), (38, 34, 30), (20, 48, 38), (196, 192, 186), (58, 60, 64), (30, 30, 44))
_INKS_RGB = ((24, 22, 22), (34, 30, 28), (42, 38, 36), (52, 44, 40), (20, 22, 28))
_BROWNING = np.array([1.5, 1.0, 0.75], dtype=np.float32)  # blue, green, red: old paper loses blue first


@dataclass(frozen=True)
class PaperStyle:
    """A book's paper and the light in which it was photographed; colours are blue, green, red, 0 to 255.

    Attributes:
        colour: Mean colour of the paper.
        ground: Colour of what lies under the book.
        ink: Colour of the ink.
        mottle: Strength of cloudy unevenness.
        fibre: Strength of the fibres.
        stains: Mean number of stains a page.
        holes: Mean number of wormholes a page.
        bleed: How far ink shows through from the other side, 0 to 1.
        light: Strength of uneven light.
        blur: Standard deviation of the lens blur on a page of 800 pixels; larger photographs are sharper.
        noise: Standard deviation of the sensor's noise, in grey values.
        quality: Mean JPEG quality.
    """

    colour: tuple[float, float, float]
    ground: tuple[float, float, float]
    ink: tuple[float, float, float]
    mottle: float
    fibre: float
    stains: float
    holes: float
    bleed: float
    light: float
    blur: float
    noise: float
    quality: int


def draw_paper_style(rng: np.random.Generator) -> PaperStyle:
    """Return a new book's paper."""
    return PaperStyle(
        colour=_vary(_PAPERS_RGB, rng, 7),
        ground=_vary(_GROUNDS_RGB, rng, 4),
        ink=_vary(_INKS_RGB, rng, 5),
        mottle=float(rng.uniform(0.01, 0.05)),
        fibre=float(rng.uniform(0.004, 0.014)),
        stains=float(rng.choice([0.2, 0.8, 2.5])),
        holes=float(rng.choice([0.0, 0.3, 3.0])),
        bleed=float(rng.choice([0.03, 0.1, 0.2, 0.3])) * float(rng.uniform(0.6, 1.2)),
        light=float(rng.uniform(0.02, 0.14)),
        blur=float(rng.uniform(0.3, 0.68)),
        noise=float(rng.uniform(1.0, 4.0)),
        quality=int(rng.integers(62, 92)),
    )


def clouds(height: int, width: int, cell: float, rng: np.random.Generator) -> FloatImage:
    """Return smooth noise of mean 0 and standard deviation about 1, (height, width), with spots of `cell` pixels."""
    shape = max(2, round(height / cell) + 1), max(2, round(width / cell) + 1)
    coarse = rng.normal(0, 1, shape).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def make_paper(style: PaperStyle, height: int, width: int, rng: np.random.Generator) -> FloatImage:
    """Return empty paper (height, width, 3), blue, green, red, 0 to 255."""
    tone: FloatImage = np.float32(style.fibre) * _fibres(height, width, rng)
    tone += np.float32(style.mottle) * clouds(height, width, height / 5, rng)
    tone += np.float32(style.mottle / 2) * clouds(height, width, height / 22, rng)
    for _ in range(rng.poisson(style.stains)):
        _add_stain(tone, rng)
    tone -= _edge_browning(height, width, float(rng.uniform(0.02, 0.14)))
    paper = np.exp(tone[..., None] * _BROWNING) * np.array(style.colour, dtype=np.float32)
    return np.asarray(paper, dtype=np.float32)


def add_wormholes(page: FloatImage, style: PaperStyle, rng: np.random.Generator) -> None:
    """Let worms eat winding holes through `page` (and the ink on it), in place."""
    height, width = page.shape[:2]
    for _ in range(rng.poisson(style.holes)):
        n = int(rng.integers(2, 14))
        turn = np.cumsum(rng.normal(0, 0.7, n)) + rng.uniform(0, 2 * np.pi)
        path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], axis=1), axis=0) * height * 0.006
        path += rng.uniform((0, 0), (width, height))
        shade = np.array(style.colour, dtype=np.float32) * np.float32(rng.uniform(0.5, 1.04))
        thickness = max(1, round(height * float(rng.uniform(0.002, 0.006))))
        points = np.rint(path).astype(np.int32)[:, None]
        shadow = (shade * 0.72).tolist()
        cv2.polylines(page, [points - max(1, thickness // 4)], False, shadow, thickness, cv2.LINE_AA)
        cv2.polylines(page, [points], False, shade.tolist(), thickness, cv2.LINE_AA)


def photograph(page: FloatImage, style: PaperStyle, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the photograph of `page`: uneven light, lens blur, noise; (h, w, 3) uint8. `page` is used up."""
    height, width = page.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = 1 + style.light * (np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y) * np.float32(0.6)
    light -= np.float32(style.light * 0.5) * (x * x + y * y) * np.float32(rng.uniform(0, 1))
    page *= light[..., None]
    sigma = max(0.3, style.blur * (height / 800) ** 0.4 * float(rng.uniform(0.8, 1.3)))
    page = cv2.GaussianBlur(page, (0, 0), sigma)
    grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(style.noise)
    page += cv2.GaussianBlur(grain, (0, 0), 0.5)[..., None] * np.float32(1.5)
    return np.clip(page, 0, 255).astype(np.uint8)


def _vary(
    colours: tuple[tuple[int, int, int], ...], rng: np.random.Generator, spread: float
) -> tuple[float, float, float]:
    red, green, blue = np.array(colours[int(rng.integers(len(colours)))]) + rng.normal(0, spread) + rng.normal(0, 2, 3)
    return float(blue), float(green), float(red)


def _fibres(height: int, width: int, rng: np.random.Generator) -> FloatImage:
    noise = rng.standard_normal((height, width), dtype=np.float32)
    unit = height / 800
    laid = cv2.GaussianBlur(noise, (0, 0), sigmaX=6 * unit, sigmaY=0.7 * unit)
    grain = cv2.GaussianBlur(noise[::-1, ::-1], (0, 0), sigmaX=1.4 * unit, sigmaY=1.1 * unit)
    both = laid + np.float32(rng.uniform(0.6, 2.0)) * grain
    return np.asarray(both / max(float(both.std()), 1e-6), dtype=np.float32)


def _add_stain(tone: FloatImage, rng: np.random.Generator) -> None:
    """Darken a blotch with a darker rim."""
    height, width = tone.shape
    size = max(8, round(height * float(rng.uniform(0.03, 0.22))))
    x, y = int(rng.uniform(-size / 2, width)), int(rng.uniform(-size / 2, height))
    grid = np.linspace(-1, 1, size, dtype=np.float32)
    radius = np.hypot(grid[None, :], grid[:, None]) + 0.13 * clouds(size, size, size / 4, rng)
    inside = 1 / (1 + np.exp(np.clip((radius - 0.72) * 26, -30, 30)))
    rim = np.exp(-(((radius - 0.7) / 0.06) ** 2))
    stain = float(rng.uniform(0.03, 0.14)) * (inside + float(rng.uniform(0, 1.2)) * rim)
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + size, width), min(y + size, height)
    if x1 > x0 and y1 > y0:
        tone[y0:y1, x0:x1] -= stain[y0 - y : y1 - y, x0 - x : x1 - x]


def _edge_browning(height: int, width: int, strength: float) -> FloatImage:
    x = np.abs(np.linspace(-1, 1, width, dtype=np.float32))[None, :] ** 6
    y = np.abs(np.linspace(-1, 1, height, dtype=np.float32))[:, None] ** 8
    return np.asarray(np.float32(strength) * np.maximum(x, y), dtype=np.float32)
