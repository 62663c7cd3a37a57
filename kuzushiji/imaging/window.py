"""Rectangles of a page, and pictures of them in another size."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture (h, w, 3), RGB."""


@dataclass(frozen=True)
class Window:
    """Part of a page in whole pixels; x0 y0 may be negative, and x1 y1 (exclusive) beyond the page."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        """Pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """Pixels."""
        return self.y1 - self.y0

    def within(self, page_width: int, page_height: int) -> "Window":
        """Return the part of the window that is on the page; without area where there is none."""
        x0, y0 = min(max(self.x0, 0), page_width), min(max(self.y0, 0), page_height)
        return Window(x0, y0, max(min(self.x1, page_width), x0), max(min(self.y1, page_height), y0))


def even(length: float) -> int:
    """Return the even number of pixels next to a length; at least 2."""
    return max(2 * round(length / 2), 2)


def cut(page: Image, window: Window) -> Image:
    """Return the window of a page in its own pixels, black where it lies beyond the page, as the ground around one."""
    inner = window.within(page.shape[1], page.shape[0])
    return pad(page[inner.y0 : inner.y1, inner.x0 : inner.x1], inner, window)


def pad(part: Image, inner: Window, window: Window) -> Image:
    """Return the picture of a window, black but for the part that is there.

    Args:
        part: Picture of `inner`.
        inner: Where it lies: within the window.
        window: What is wanted.
    """
    if inner == window:
        return part
    left, top = inner.x0 - window.x0, inner.y0 - window.y0
    picture = np.zeros((window.height, window.width, 3), np.uint8)
    picture[top : top + inner.height, left : left + inner.width] = part
    return picture


def resize(image: Image, width: int, height: int) -> Image:
    """Return the picture in another size, interpolated between pixels; halved before that while it is twice as large.

    So every pixel counts, as in OpenCV's average over areas (`cv2.INTER_AREA`), which takes four to six times as long:
    it was half of what a training crop cost. Halving is quick for even sides only; others get that average.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        if image.shape[0] % 2 or image.shape[1] % 2:
            return _scaled(image, width, height, cv2.INTER_AREA)
        image = _scaled(image, image.shape[1] // 2, image.shape[0] // 2, cv2.INTER_AREA)
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    return _scaled(image, width, height, cv2.INTER_LINEAR)


def _scaled(image: Image, width: int, height: int, interpolation: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
