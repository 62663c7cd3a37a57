"""Pages that are not shaped like pages, such as strips and hand-scrolls, as tiles that are.

The networks were trained on pages of books and scale a picture by its sides: a strip would become huge, and the
characters of a scroll would become dots.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_LONGEST = 2.2
"""Longer side by shorter side of what is read as a whole: two pages side by side have about 1.5."""

_TILE = 1.5
"""The same of a tile, without its overlap."""

_LEAST_SIDE = 640
"""Pixels that the shorter side of a tile counts at least: a single line of characters is not as high as a page."""

_SMALL = 0.025
"""Longer side of a character by that of its tile, below which it is small."""

_OVERLAP = 0.15
"""Share of a tile's longer side that it sees beyond itself: more than the size of a character."""


@dataclass(frozen=True)
class Tile:
    """A part of a page.

    Attributes:
        core: x0 y0 x1 y1, pixels: characters whose middles lie here are read in this tile.
        window: x0 y0 x1 y1, pixels: what the tile sees of the page.
        size: Width and height of the picture, pixels; what the page does not fill is paper.
    """

    core: tuple[int, int, int, int]
    window: tuple[int, int, int, int]
    size: tuple[int, int]

    def picture(self, page: Image) -> Image:
        """Return the tile (h, w, 3) of a page; the page itself where it is the whole."""
        x0, y0, x1, y1 = self.window
        width, height = self.size
        if (width, height) == (x1 - x0, y1 - y0):
            whole = (x0, y0, x1, y1) == (0, 0, page.shape[1], page.shape[0])
            return page if whole else np.ascontiguousarray(page[y0:y1, x0:x1])
        part = page[y0:y1, x0:x1]
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = np.median(part.reshape(-1, 3)[:: max(part.size // 300_000, 1)], axis=0)
        picture[: y1 - y0, : x1 - x0] = part
        return picture

    def owns(self, boxes_xywh: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return (n,) which boxes (n, 4) of the page have their middles in the core."""
        x, y = (2 * boxes_xywh[:, :2] + boxes_xywh[:, 2:]).T / 2
        x0, y0, x1, y1 = self.core
        found: NDArray[np.bool_] = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        return found


def tiles_of(width: int, height: int, finer: int = 1) -> list[Tile]:
    """Return the tiles of a page, pixels: one of all of it, unless it is long and narrow.

    Each place of the page is in the core of one tile.

    Args:
        width: Of the page, pixels.
        height: Pixels.
        finer: Into how many parts each side of each tile is cut.
    """
    short, long = sorted((width, height))
    n_long = max(round(long / max(short, _LEAST_SIDE) / _TILE), 1) if long > _LONGEST * short else 1
    n_x, n_y = (n_long * finer, finer) if width >= height else (finer, n_long * finer)
    xs, ys = _cuts(width, n_x), _cuts(height, n_y)
    margin = round(_OVERLAP * max(width / n_x, height / n_y))
    tiles = []
    for top, bottom in zip(ys, ys[1:], strict=False):
        for left, right in zip(xs, xs[1:], strict=False):
            window = (
                max(left - margin, 0), max(top - margin, 0), min(right + margin, width), min(bottom + margin, height)
            )  # fmt: skip
            w, h = window[2] - window[0], window[3] - window[1]
            size = max(w, math.ceil(h / _LONGEST)), max(h, math.ceil(w / _LONGEST))
            tiles.append(Tile((left, top, right, bottom), window, size))
    return tiles


def are_small(boxes_xywh: NDArray[np.int64], tiles: Sequence[Tile]) -> bool:
    """Return whether the boxes (n, 4) that were found are small for these tiles; False where there are none."""
    if not len(boxes_xywh):
        return False
    return float(np.median(boxes_xywh[:, 2:].max(axis=1))) < _SMALL * max(max(tile.size) for tile in tiles)


def owned_by(tiles: Sequence[Tile], boxes_xywh: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the positions of the boxes (n, 4) of each tile; the first one has those that lie beside the page."""
    owner = np.zeros(len(boxes_xywh), np.int64)
    for number, tile in enumerate(tiles):
        owner[tile.owns(boxes_xywh)] = number
    return [np.flatnonzero(owner == number) for number in range(len(tiles))]


def _cuts(length: int, n: int) -> list[int]:
    n = max(min(n, length), 1)
    return [round(i * length / n) for i in range(n)] + [length]
