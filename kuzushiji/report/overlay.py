"""A page with what was read on it, as pixels: the page with its boxes, and beside it what they were read as."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.strokes import strokes_of
from kuzushiji.errors import InputError
from kuzushiji.report.marks import Mark

COLORS = {"right": (26, 127, 55), "wrong": (207, 34, 46), "missed": (188, 76, 0), "read": (5, 80, 174)}
"""RGB by kind of mark."""

_PAPER = 255
_GAP = 12


def overlay(image: NDArray[np.uint8], marks: Sequence[Mark], *, height: int) -> NDArray[np.uint8]:
    """Return the page with its boxes on the left, and on the right the characters where they stand on the page.

    Characters are drawn stroke by stroke (KanjiVG), so no font is needed; one without strokes is left out. A missed
    one is drawn as what is there.

    Args:
        image: (h, w, 3) RGB page.
        marks: Boxes in pixels of `image`.
        height: Height of the picture, pixels; the page is scaled down to it, never up.

    Returns:
        (height or less, twice the width and a gap, 3) RGB.
    """
    scale = min(1.0, height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    left = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    right = np.full_like(left, _PAPER)
    for mark in marks:
        x, y, w, h = (value * scale for value in (mark.x, mark.y, mark.w, mark.h))
        corners = (round(x), round(y)), (round(x + w), round(y + h))
        cv2.rectangle(left, *corners, COLORS[mark.kind], 1)
        _write(right, mark.char, x, y, w, h, COLORS[mark.kind])
    gap = np.full((size[1], _GAP, 3), _PAPER, np.uint8)
    return np.hstack([left, gap, right])


def _write(page: NDArray[np.uint8], char: str, x: float, y: float, w: float, h: float, color: tuple[int, ...]) -> None:
    """Draw a character in the middle of a box, as large as fits with its proportions kept."""
    try:
        strokes = strokes_of(char) if len(char) == 1 else ()
    except InputError:
        return
    size = max(w, h)
    start = np.array([x + (w - size) / 2, y + (h - size) / 2])
    fraction_bits = 4
    for stroke in strokes:
        points = ((start + stroke * size) * (1 << fraction_bits)).round().astype(np.int32)
        cv2.polylines(page, [points[:, None]], False, color, max(1, round(len(page) / 400)), cv2.LINE_AA, fraction_bits)
