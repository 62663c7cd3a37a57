"""A book's hand: how one writer, or block cutter, shapes the strokes of a character."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.strokes import STEP, strokes_of
from kuzushiji.demo.variants import Shape

FloatArray = NDArray[np.float32]

_VERSIONS = 3  # a writer has a few ways of a character, and every instance varies around one of them
_MARK_STROKES = 2  # the voicing marks are the last two strokes of a voiced kana
_PLAIN_STROKES = 7  # beyond so many, cursive abbreviates a kanji
_PARENT_STROKES = 6  # what is left of a kana's parent
_ABBREVIATION = 0.45  # share of the further strokes that the most cursive hand leaves out
_SEMI_VOICED = "ぱぴぷぺぽ"  # their mark is one stroke
_SWELL = 0.2  # how far the pressure comes and goes along a stroke


@dataclass(frozen=True, eq=False)
class Hand:
    """The features of a hand; lengths are in sides of the character's box.

    Attributes:
        seed: Seeds the shapes that this hand gives each character.
        slant: Shear of the columns' axis, positive to the right at the top.
        rise: How far horizontal strokes climb to the right.
        aspect: Width of a character against its height, 1 as printed.
        kana_aspect: Further narrowing of kana.
        thickness: Width of the brush.
        contrast: How much thinner the strokes across the brush are, 0 to 1.
        nib: Direction in which the brush is thinnest, radians.
        taper: How thin a stroke's free end becomes, 0 to 1 of its width.
        join: How readily the end of a stroke flows into the next, 0 to 1.
        smooth: Standard deviation of the low-pass along the joined strokes.
        style: Amplitude of the book's own deformation of each character.
        jitter: Amplitude of the variation from instance to instance.
        link: How readily a character flows into the one below, 0 to 1.
        dryness: How far the brush dries before it is dipped again, 0 to 1.
    """

    seed: int
    slant: float
    rise: float
    aspect: float
    kana_aspect: float
    thickness: float
    contrast: float
    nib: float
    taper: float
    join: float
    smooth: float
    style: float
    jitter: float
    link: float
    dryness: float


@dataclass(frozen=True)
class Glyph:
    """The strokes of one written character in pixels; the origin is the middle of the character's box.

    Attributes:
        points: x, y of the brush, (n, 2).
        widths: Width of the brush at each point, (n,).
        starts: Indices where a stroke begins, ascending, the first 0.
        bounds: xmin, ymin, xmax, ymax of the ink.
        leave: Index of the point from which the brush goes on to the next character.
    """

    points: FloatArray
    widths: FloatArray
    starts: tuple[int, ...]
    bounds: tuple[float, float, float, float]
    leave: int

    @property
    def height(self) -> float:
        """Height of the ink."""
        return self.bounds[3] - self.bounds[1]


def draw_hand(rng: np.random.Generator, *, printed: bool) -> Hand:
    """Return a new hand; block prints are bolder, more even and do not run dry."""
    cursive = float(rng.beta(2.2, 1.6))
    return Hand(
        seed=int(rng.integers(2**31)),
        slant=float(rng.normal(0.05, 0.06)),
        rise=float(rng.uniform(0.02, 0.22)),
        aspect=float(rng.uniform(0.82, 1.08)),
        kana_aspect=float(rng.uniform(0.72, 1.0)),
        thickness=float(rng.uniform(0.08, 0.115) if printed else rng.uniform(0.05, 0.1)),
        contrast=float(rng.uniform(0.45, 0.85)),
        nib=float(rng.normal(-0.75, 0.2)),
        taper=float(rng.uniform(0.08, 0.45)),
        join=0.25 + 0.7 * cursive,
        smooth=0.012 + 0.026 * cursive,
        style=float(rng.uniform(0.02, 0.045)),
        jitter=float(rng.uniform(0.012, 0.028)),
        link=float(rng.uniform(0.1, 0.7) * (0.4 + cursive)),
        dryness=0.0 if printed else float(rng.uniform(0.1, 0.9)),
    )


def write_character(hand: Hand, shape: Shape, size: float, rng: np.random.Generator, tall: float = 1.0) -> Glyph:
    """Return `shape` as `hand` writes it this time.

    Args:
        hand: The hand.
        shape: What is written.
        size: Side of the character's box, pixels.
        rng: Source of chance.
        tall: How far it is drawn out downwards.
    """
    points, pressure, starts, leave = _form(hand, shape, int(rng.integers(_VERSIONS)))
    points = _warp(points, hand.jitter, rng)
    turn, shear = rng.normal(0, 0.03), hand.slant + rng.normal(0, 0.02)
    stretch = np.exp(rng.normal(0, 0.045, 2))
    width = stretch[0] * hand.aspect * (hand.kana_aspect if shape.is_kana else 1.0)
    rise = hand.rise + rng.normal(0, 0.02)
    matrix = np.array([[width, -shear - turn], [turn - rise * width, stretch[1] * tall]], dtype=np.float32)
    points = (points - np.float32(0.5)) @ matrix.T * np.float32(size)
    widths = pressure * np.float32(hand.thickness * size * np.exp(rng.normal(0, 0.07)))
    return make_glyph(points, widths, starts, leave)


def make_glyph(points: FloatArray, widths: FloatArray, starts: tuple[int, ...] = (0,), leave: int = -1) -> Glyph:
    """Return the glyph of these strokes, with its bounds; `leave` counts from the end when negative."""
    half = widths[:, None] / 2
    low, high = (points - half).min(axis=0), (points + half).max(axis=0)
    bounds = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Glyph(points, widths, starts, bounds, leave % len(points))


@lru_cache(maxsize=4096)
def _form(hand: Hand, shape: Shape, version: int) -> tuple[FloatArray, FloatArray, tuple[int, ...], int]:
    """Return points in the unit square, pressures, stroke starts, and the index of the point where the brush leaves."""
    code = ord(shape.character)
    style = np.random.default_rng([hand.seed, code, int(shape.parent)])
    own = np.random.default_rng([hand.seed, code, int(shape.parent), version])
    strokes = list(strokes_of(shape.character))
    lengths = np.cumsum([0, *(len(stroke) for stroke in strokes)])
    warped = _warp(np.concatenate(strokes), hand.style, style)
    warped = _warp(warped, hand.style / 3, own)
    strokes = [warped[a:b] for a, b in zip(lengths[:-1], lengths[1:], strict=True)]
    strokes = _abbreviate(strokes, hand, shape)
    cursive = 1.5 if shape.parent else hand.join
    readiness = 0.7 * style.random(len(strokes)) + 0.3 * own.random(len(strokes))
    lines = _join(strokes, cursive, readiness)
    smooth = _smoothing(hand, shape, lines)
    lines = _refit([(_low_pass(points, smooth), pressure) for points, pressure in lines], strokes)
    leave = sum(len(points) for points, _ in lines) - 1
    if shape.marks:
        lines += _voicing_marks(shape.marks)
    return *_flatten(lines, hand, style), leave


def _abbreviate(strokes: list[FloatArray], hand: Hand, shape: Shape) -> list[FloatArray]:
    """Return the strokes that cursive keeps: the shortest ones of many fall away."""
    kept = _PLAIN_STROKES + (len(strokes) - _PLAIN_STROKES) * (1 - _ABBREVIATION * hand.join)
    count = min(_PARENT_STROKES if shape.parent else round(kept), len(strokes))
    lengths = np.array([len(stroke) for stroke in strokes])
    chosen = np.sort(np.argsort(-lengths, kind="stable")[:count]) if len(strokes) > count else range(len(strokes))
    return [strokes[index] for index in chosen]


def _smoothing(hand: Hand, shape: Shape, lines: list[tuple[FloatArray, FloatArray]]) -> float:
    """Return the low-pass of a shape: the longer the way of a kana's parent, the more its corners are cut."""
    if not shape.parent:
        return hand.smooth
    way = STEP * sum(len(points) for points, _ in lines)
    return (0.6 * hand.smooth + 0.032) * float(np.clip(way / 3.5, 0.6, 2.2))


def _refit(
    lines: list[tuple[FloatArray, FloatArray]], strokes: list[FloatArray]
) -> list[tuple[FloatArray, FloatArray]]:
    """Return the lines stretched to the extent of the strokes, which smoothing had shrunk."""
    before, after = np.concatenate(strokes), np.concatenate([points for points, _ in lines])
    low, size = before.min(axis=0), np.ptp(before, axis=0)
    now_low, now_size = after.min(axis=0), np.ptp(after, axis=0)
    factor = np.clip(size / np.maximum(now_size, 1e-3), 0.7, 1.6).astype(np.float32)
    middle, now_middle = low + size / 2, now_low + now_size / 2
    return [((points - now_middle) * factor + middle, pressure) for points, pressure in lines]


def _join(
    strokes: list[FloatArray], join: float, readiness: NDArray[np.float64]
) -> list[tuple[FloatArray, FloatArray]]:
    """Return lines (points, pressure) in which strokes flow into each other where the hand is ready for it."""
    lines = [(strokes[0], np.ones(len(strokes[0]), dtype=np.float32))]
    for stroke, ready in zip(strokes[1:], readiness[1:], strict=True):
        points, pressure = lines[-1]
        gap = float(np.hypot(*(stroke[0] - points[-1])))
        full = np.ones(len(stroke), dtype=np.float32)
        if ready > join * np.exp(-((gap / 0.75) ** 2)):
            lines.append((stroke, full))
            continue
        bridge = _bridge(points, stroke, gap)
        weight = np.full(len(bridge), 0.35 + 0.45 * join * np.exp(-gap / 0.4), dtype=np.float32)
        lines[-1] = (np.concatenate([points, bridge, stroke]), np.concatenate([pressure, weight, full]))
    return lines


def _bridge(before: FloatArray, after: FloatArray, gap: float) -> FloatArray:
    """Return the way of the brush from the end of one stroke to the start of the next, ends left out."""
    leave, arrive = _unit(before[-1] - before[-min(4, len(before))]), _unit(after[min(3, len(after) - 1)] - after[0])
    n = max(2, int(gap / STEP))
    t = np.linspace(0, 1, n + 2, dtype=np.float32)[1:-1, None]
    pull = np.float32(0.55 * gap)
    a, b, c = before[-1], before[-1] + leave * pull, after[0] - arrive * pull
    return np.asarray((1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * after[0])


def _unit(vector: FloatArray) -> FloatArray:
    return vector / max(float(np.hypot(*vector)), 1e-6)


def _low_pass(points: FloatArray, sigma: float) -> FloatArray:
    """Return the line smoothed by a Gaussian of `sigma`, its ends kept in place."""
    radius = min(int(np.ceil(2.5 * sigma / STEP)), len(points) - 1)
    if radius < 1:
        return points
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) * STEP / sigma) ** 2)
    kernel /= kernel.sum()
    head = 2 * points[0] - points[radius:0:-1]
    tail = 2 * points[-1] - points[-2 : -radius - 2 : -1]
    padded = np.concatenate([head, points, tail])
    return np.stack([np.convolve(padded[:, k], kernel, mode="valid") for k in range(2)], axis=1).astype(np.float32)


def _voicing_marks(voiced: str) -> list[tuple[FloatArray, FloatArray]]:
    count = 1 if voiced in _SEMI_VOICED else _MARK_STROKES
    marks = strokes_of(voiced)[-count:]
    return [(stroke, np.full(len(stroke), 0.9, dtype=np.float32)) for stroke in marks]


def _flatten(
    lines: list[tuple[FloatArray, FloatArray]], hand: Hand, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, tuple[int, ...]]:
    """Return all lines one after the other, with the width of the brush relative to the hand's thickness."""
    widths = [_brush_width(points, pressure, hand, rng) for points, pressure in lines]
    starts = np.cumsum([0, *(len(points) for points, _ in lines)])[:-1]
    return np.concatenate([points for points, _ in lines]), np.concatenate(widths), tuple(starts.tolist())


def _brush_width(points: FloatArray, pressure: FloatArray, hand: Hand, rng: np.random.Generator) -> FloatArray:
    """Return the width along a line: pressure, the nib's direction, a pressed entry, a thinning exit."""
    step = np.gradient(points, axis=0)
    direction = np.arctan2(step[:, 1], step[:, 0])
    nib = 1 - hand.contrast * np.abs(np.cos(direction - hand.nib)) ** 2
    along = np.arange(len(points), dtype=np.float32) * STEP
    left = along[::-1]
    entry = 1 + 0.25 * np.exp(-((along / 0.05) ** 2)) - 0.35 * np.exp(-((along / 0.015) ** 2))
    leaving = step[-1] if len(points) > 1 else np.zeros(2)
    sweep = 1.0 if leaving[1] > abs(leaving[0]) * 0.3 else 0.6  # sweeps thin out downwards; others end pressed
    reach = 0.12 + 0.15 * sweep
    fade = 1 - (1 - hand.taper) * sweep * np.clip(1 - left / reach, 0, 1) ** 1.5
    smooth_pressure = _low_pass(np.stack([pressure, pressure], axis=1), 0.04)[:, 0]
    swell = np.exp(_SWELL * np.sin(along * rng.uniform(3, 9) + rng.uniform(0, 2 * np.pi)))
    return np.asarray(smooth_pressure * nib * entry * fade * swell, dtype=np.float32).clip(0.12, 1.5)


def _warp(points: FloatArray, amplitude: float, rng: np.random.Generator) -> FloatArray:
    """Return points moved by a smooth random field of about `amplitude`."""
    frequency = rng.uniform(0.4, 1.3, (2, 4)).astype(np.float32) * np.float32(2 * np.pi)
    frequency *= rng.choice(np.array([-1, 1], dtype=np.float32), (2, 4))
    phase = rng.uniform(0, 2 * np.pi, 4).astype(np.float32)
    waves = np.sin(points @ frequency + phase)
    mixing = rng.normal(0, amplitude / np.sqrt(2), (4, 2)).astype(np.float32)
    return np.asarray(points + waves @ mixing, dtype=np.float32)
