"""Strokes -> ink: how the brush's path covers the pixels of a page."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.hand import Glyph

_SHIFT = 4  # cv2 takes coordinates in sixteenths of a pixel
_FINE_WIDTH = 10.0  # a stroke is at least so many pixels wide where it is drawn, before it is scaled down
_MAX_SUPERSAMPLE = 4
_SEGMENT = 1.6  # pixels: shorter segments are not worth drawing


def coverage(glyph: Glyph) -> tuple[NDArray[np.uint8], int, int]:
    """Return how much of each pixel a glyph covers.

    Args:
        glyph: The strokes, in pixels of the page.

    Returns:
        The coverage (h, w), 0 to 255, and x, y of its left top pixel on the page (may lie outside).
    """
    x0, y0 = int(np.floor(glyph.bounds[0])) - 1, int(np.floor(glyph.bounds[1])) - 1
    x1, y1 = int(np.ceil(glyph.bounds[2])) + 1, int(np.ceil(glyph.bounds[3])) + 1
    times = int(np.clip(np.ceil(_FINE_WIDTH / max(float(glyph.widths.mean()), 0.5)), 1, _MAX_SUPERSAMPLE))
    fine = np.zeros(((y1 - y0) * times, (x1 - x0) * times), dtype=np.uint8)
    _draw_lines(fine, glyph, (-x0, -y0), times)
    if times == 1:
        return cv2.GaussianBlur(fine, (3, 3), 0.6), x0, y0
    return cv2.resize(fine, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA), x0, y0


def _draw_lines(fine: NDArray[np.uint8], glyph: Glyph, offset: tuple[int, int], times: int) -> None:
    # pixel centres lie at half coordinates: a point at x covers the pixel floor(x)
    scaled = (glyph.points + np.array(offset, dtype=np.float32)) * np.float32(times) - np.float32(0.5)
    points = np.rint(scaled * (1 << _SHIFT)).astype(np.int32).tolist()
    widths = np.maximum(np.rint(glyph.widths * times), 1).astype(np.int32).tolist()
    length = float(np.hypot(*(glyph.points[1] - glyph.points[0]))) if len(points) > 1 else 1.0
    every = max(1, int(_SEGMENT / max(length, 0.1)))
    for start, end in zip(glyph.starts, (*glyph.starts[1:], len(points)), strict=True):
        last = start
        for at in [*range(start + every, end - 1, every), end - 1]:
            cv2.line(fine, points[last], points[at], 255, (widths[last] + widths[at] + 1) // 2, cv2.LINE_8, _SHIFT)
            last = at
