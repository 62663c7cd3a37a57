"""The strokes of the brush as ink on a page, and where on it each character came to lie."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.frame import Bend
from kuzushiji.demo.hand import Glyph, make_glyph
from kuzushiji.demo.imitation import Stamp
from kuzushiji.demo.typesetting import Placed

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


_INKED = 96  # of 255: from here on a pixel belongs to the character
_DRY_START, _DRY_SLOPE, _DRY_REST = 1.6, 2.2, 0.12


@dataclass
class Ink:
    """The ink on a page so far.

    Attributes:
        black: How much ink covers each pixel, (h, w) uint8.
        fibre: Where a dry brush leaves the paper bare, (h, w), 0 to 1.
        bend: How the sheet lies under the camera.
    """

    black: NDArray[np.uint8]
    fibre: NDArray[np.float32]
    bend: Bend

    def fresh(self) -> "Ink":
        """Return the same sheet without ink."""
        return Ink(np.zeros_like(self.black), self.fibre, self.bend)

    def put(self, placed: Placed | Stamp, load: float, dry: float) -> tuple[int, int, int, int] | None:
        """Add a glyph, or ink that is drawn already.

        Args:
            placed: The glyph or the ink, and its place on the flat sheet.
            load: How much ink the brush gives, 0 to 1.
            dry: How far it leaves the hollows of the paper bare, 0 to 1.

        Returns:
            x, y, width, height of its ink in the picture, or None when nothing of it is in the picture.
        """
        if isinstance(placed, Stamp):
            height, width = placed.ink.shape
            middle = np.array([[placed.x + width / 2, placed.y + height / 2]], dtype=np.float32)
            x, y = np.rint(self.bend.apply(middle)[0] - np.array([width / 2, height / 2])).astype(int).tolist()
            return self._add(placed.ink, x, y, load, dry)
        points = self.bend.apply(placed.glyph.points + np.array([placed.x, placed.y], dtype=np.float32))
        return self._add(*coverage(make_glyph(points, placed.glyph.widths, placed.glyph.starts)), load, dry)

    def _add(
        self, cover: NDArray[np.uint8], x: int, y: int, load: float, dry: float
    ) -> tuple[int, int, int, int] | None:
        height, width = self.black.shape
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + cover.shape[1], width), min(y + cover.shape[0], height)
        if x1 <= x0 or y1 <= y0:
            return None
        cover = cover[y0 - y : y1 - y, x0 - x : x1 - x]
        bare = np.clip(_DRY_START - np.float32(_DRY_SLOPE * dry) * self.fibre[y0:y1, x0:x1], _DRY_REST, 1.0)
        region = self.black[y0:y1, x0:x1]
        np.maximum(region, (cover * bare * np.float32(load)).astype(np.uint8), out=region)
        rows, columns = np.flatnonzero(cover.max(axis=1) >= _INKED), np.flatnonzero(cover.max(axis=0) >= _INKED)
        if len(rows) == 0:
            return None
        box = x0 + columns[0], y0 + rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
        return int(box[0]), int(box[1]), int(box[2]), int(box[3])
