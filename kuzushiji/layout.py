"""What the characters of a page are to its reader: lines of text, furigana beside them, strips at the page's edge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.double_lines import Pair, double_lines
from kuzushiji.page_regions import regions
from kuzushiji.reading_order import reading_order

TEXT, FURIGANA, EDGE = "text", "furigana", "edge"
ROLES = (TEXT, FURIGANA, EDGE)
NO_COLUMN = -1

_SMALL = 0.65
"""Furigana are at most this share of the page's median character; printed ones are about half of it."""

_BASE = 1.4
"""How many times as large the character is, at least, beside which furigana stand."""

_IN_LINE = 0.35
"""A box whose middle is nearer than this share of a neighbour's width to the neighbour's middle is in its line."""

_RUN = 0.6
"""Share of a run of small characters that must stand beside larger ones."""

_EDGE = 0.06
"""Share of the page's width, from either side, in which a strip of the neighbour page or of the fold may lie."""

_WIDE_GAP = 1.6
"""A strip is so many times as far from the next column as columns are from each other."""

_CUT = 0.002
"""A box that ends nearer than this share of the page's width to its edge is cut by it."""

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class PageLayout:
    """Where each of n characters stands on its page.

    Attributes:
        role: (n,) one of `ROLES`: a line of text; furigana, small readings beside a character; edge, what a photograph
            shows of the neighbour page or of the fold.
        column: (n,) number of the column, 0 the rightmost of the first register, of furigana the column that they stand
            beside; `NO_COLUMN` for what stands at the edge.
        order: (n,) positions of all characters: the text in reading order, then furigana by column from the top, then
            what stands at the edge.
        half_lines: Positions of the characters of each pair of half lines (warigaki) within a column: those of the
            right line and of the left one.
    """

    role: NDArray[np.object_]
    column: NDArray[np.int64]
    order: NDArray[np.int64]
    half_lines: tuple[Pair, ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of columns of text."""
        return int(self.column.max(initial=NO_COLUMN)) + 1

    def members(self, column: int, role: str = TEXT) -> NDArray[np.int64]:
        """Return the positions of a column's characters of one role, from the top."""
        chosen = (self.column == column) & (self.role == role)
        positions: NDArray[np.int64] = self.order[chosen[self.order]]
        return positions


def layout_of_page(boxes_xywh: NDArray[np.number], page_width: int) -> PageLayout:
    """Return the layout of one page.

    Furigana are small characters at the right of much larger ones and in no line with large ones; a run of small
    characters most of which stand beside nothing, such as a note between the lines, is text. A strip at the edge is a
    column within 6 % of the page's width that is cut off by the edge, next to one that is, of small characters, or far
    from the next column; text that merely begins near the edge stays text.

    Args:
        boxes_xywh: (n, 4) corner and size, pixels.
        page_width: Pixels.

    Returns:
        Arrays of length n; empty for a page without characters.
    """
    boxes: Boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    beside = _beside_larger(boxes)
    furigana = _furigana(boxes, beside)
    role = np.where(furigana, FURIGANA, TEXT).astype(object)
    text = np.flatnonzero(~furigana)
    role[text[_at_edge(boxes[text], page_width)]] = EDGE
    text = np.flatnonzero(role == TEXT)
    column = np.full(len(boxes), NO_COLUMN, np.int64)
    rank = np.full(len(boxes), len(text), np.int64)
    pairs = double_lines(boxes[text])
    for number, members in enumerate(_columns(boxes[text], pairs)):
        column[text[members]] = number
        rank[text[members]] = np.arange(len(members))
    column[furigana] = _column_beside(boxes, np.flatnonzero(furigana), text, column)
    by_role = np.searchsorted([1, 2], [ROLES.index(name) for name in role], side="right")
    order = np.lexsort((boxes[:, 1], rank, column, by_role))
    return PageLayout(role, column, order, tuple((text[right], text[left]) for right, left in pairs))


def _columns(boxes: Boxes, pairs: Sequence[Pair]) -> list[NDArray[np.int64]]:
    """Return the positions of the characters of each column, all in reading order; no column is empty.

    A pair of half lines counts as one character of its column.
    """
    together = [np.concatenate(pair) for pair in pairs]
    alone = np.setdiff1d(np.arange(len(boxes)), np.concatenate([*together, np.zeros(0, np.int64)]))
    units = [*alone[:, None], *together]
    starts = np.array([boxes[unit, :2].min(axis=0) for unit in units]).reshape(-1, 2)
    ends = np.array([(boxes[unit, :2] + boxes[unit, 2:]).max(axis=0) for unit in units]).reshape(-1, 2)
    of_units = np.concatenate([starts, ends - starts], axis=1)
    columns = []
    for region in regions(of_units):
        reading = reading_order(of_units[region])
        ordered = region[reading.order]
        cuts = np.flatnonzero(np.diff(reading.column[reading.order])) + 1
        columns += [np.concatenate([units[i] for i in column]) for column in np.split(ordered, cuts)]
    return columns


def _beside_larger(boxes: Boxes) -> NDArray[np.bool_]:
    """Return (n,) whether a box, small on its page, stands at the right of one that is much larger."""
    x, y, w, h = boxes.T
    size, middle = np.maximum(w, h), x + w / 2
    small = size <= _SMALL * np.median(size) if len(boxes) else np.zeros(0, bool)
    i = np.flatnonzero(small)
    common = np.minimum.outer((y + h)[i], y + h) - np.maximum.outer(y[i], y)
    larger = (size >= _BASE * size[i, None]) & (w >= w[i, None])
    near = (x[i, None] >= middle) & (x[i, None] - (x + w) <= 0.5 * w)
    beside: NDArray[np.bool_] = np.zeros(len(boxes), bool)
    beside[i] = (larger & near & (common >= 0.5 * h[i, None])).any(axis=1) & ~_in_line(boxes, i, np.flatnonzero(~small))
    return beside


def _in_line(boxes: Boxes, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each of the boxes i whether one of the boxes j stands right above or below it."""
    x, y, w, h = boxes.T
    middle = x + w / 2
    aligned = np.abs(middle[i, None] - middle[j]) < _IN_LINE * w[j]
    gap = np.maximum.outer(y[i], y[j]) - np.minimum.outer((y + h)[i], (y + h)[j])
    near = (gap < h[j]) & (gap > -0.5 * np.minimum.outer(h[i], h[j]))
    found: NDArray[np.bool_] = (aligned & near).any(axis=1)
    return found


def _furigana(boxes: Boxes, beside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (n,) which boxes are furigana: runs of small ones most of which stand beside larger ones."""
    furigana = np.zeros(len(boxes), np.bool_)
    if not beside.any():
        return furigana
    size = np.maximum(boxes[:, 2], boxes[:, 3])
    small = np.flatnonzero(size <= _SMALL * np.median(size))
    reading = reading_order(boxes[small])
    ordered = small[reading.order]
    top, bottom = boxes[ordered, 1], boxes[ordered, 1] + boxes[ordered, 3]
    starts = np.ones(len(ordered), np.bool_)
    starts[1:] = (reading.place[reading.order][1:] == 0) | (top[1:] - bottom[:-1] > size[ordered][:-1])
    run = np.cumsum(starts) - 1
    share = np.bincount(run, beside[ordered]) / np.bincount(run)
    furigana[ordered[share[run] >= _RUN]] = True
    return furigana


def _at_edge(boxes: Boxes, page_width: int) -> NDArray[np.bool_]:
    """Return (n,) which boxes are of a strip at the left or right edge of the page."""
    at_edge = np.zeros(len(boxes), np.bool_)
    column = reading_order(boxes).column
    n_columns = int(column.max(initial=-1)) + 1
    if n_columns < 2:
        return at_edge
    size = np.maximum(boxes[:, 2], boxes[:, 3])
    middles = np.array([np.median((boxes[:, 0] + boxes[:, 2] / 2)[column == c]) for c in range(n_columns)])
    pitch = float(np.median(-np.diff(middles)))
    cut = (boxes[:, 0] <= _CUT * page_width) | (boxes[:, 0] + boxes[:, 2] >= (1 - _CUT) * page_width)
    for inwards in (range(n_columns - 1), range(n_columns - 1, 0, -1)):
        beyond_cut = False
        for c in inwards:
            of_column = column == c
            if min(middles[c], page_width - middles[c]) > _EDGE * page_width:
                break
            far = abs(middles[c] - middles[c + inwards.step]) > _WIDE_GAP * pitch
            tiny = np.median(size[of_column]) <= _SMALL * np.median(size)
            is_cut = cut[of_column].mean() >= 0.5
            if not (far or tiny or is_cut or beyond_cut):
                break
            at_edge |= of_column
            beyond_cut |= bool(is_cut)
    return at_edge


def _column_beside(
    boxes: Boxes, furigana: NDArray[np.int64], text: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each of the furigana the column of the nearest text at its left, or of the nearest at all."""
    if not len(furigana) or not len(text):
        return np.full(len(furigana), NO_COLUMN, np.int64)
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    across = middle[furigana, 0][:, None] - middle[text, 0]
    down = np.abs(middle[furigana, 1][:, None] - middle[text, 1])
    distance = np.abs(across) + down + np.where(across < 0, boxes[text, 2], 0)
    nearest: NDArray[np.int64] = column[text[distance.argmin(axis=1)]]
    return nearest
