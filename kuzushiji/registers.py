"""Registers of a page: parts that are read one after the other, such as an upper and a lower row of columns."""

import numpy as np
from numpy.typing import NDArray

from kuzushiji.reading_order import reading_order

_GAP = 0.5
"""Height of the blank between two registers, at least, by the median height of a character."""

_GUTTER = 2.0
"""Width of the blank between two pages in one photograph, at least, by the median width of a character."""

_SHARE = 0.25
"""Of the characters of both, that each of two pages has at least."""

_COLUMNS = 3
_LENGTH = 3.0
"""Columns of a register, at least, and the median of their characters: fewer are a title, a heading or a note."""

Positions = NDArray[np.int64]


def registers(boxes_xywh: NDArray[np.floating]) -> list[Positions]:
    """Return the positions of the boxes of each register, in the order in which they are read.

    A blank that runs across all columns divides an upper register from a lower one, if both have several columns of
    some length. Of two pages side by side, with a wide blank between them, the right one is divided first. A page
    without such blanks is one register: its columns run from top to bottom.

    Args:
        boxes_xywh: (n, 4) corner and size, pixels.

    Returns:
        Arrays that have each position once; one array for a page without boxes.
    """
    boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    everything = np.arange(len(boxes))
    if not len(boxes):
        return [everything]
    halves = _divided(boxes[:, 0], boxes[:, 2], everything, _GUTTER * float(np.median(boxes[:, 2])))
    if len(halves) == 2 and min(map(len, halves)) >= _SHARE * len(boxes):
        pages = [_rows(boxes, half) for half in reversed(halves)]
        if any(len(page) > 1 for page in pages):
            return [row for page in pages for row in page]
    return _rows(boxes, everything)


def _rows(boxes: NDArray[np.float64], members: Positions) -> list[Positions]:
    """Return the registers of some boxes from the top; one where they are not divided."""
    if not len(members):
        return [members]
    parts = _divided(boxes[members, 1], boxes[members, 3], members, _GAP * float(np.median(boxes[members, 3])))
    rows: list[Positions] = []
    for part in parts:  # what is no register of its own belongs to the one above it
        if rows and not (_is_register(boxes[rows[-1]]) and _is_register(boxes[part])):
            rows[-1] = np.concatenate([rows[-1], part])
        else:
            rows.append(part)
    return rows


def _divided(
    start: NDArray[np.float64], length: NDArray[np.float64], members: Positions, least: float
) -> list[Positions]:
    """Return the members in groups between which nothing lies for some length along one axis, in its direction."""
    order = np.argsort(start, kind="stable")
    reached = np.maximum.accumulate((start + length)[order])
    cuts = np.flatnonzero(start[order][1:] - reached[:-1] >= least) + 1
    return [np.sort(part) for part in np.split(members[order], cuts)]


def _is_register(boxes: NDArray[np.float64]) -> bool:
    """Return whether boxes stand in several columns of some length."""
    column = reading_order(boxes).column
    lengths = np.bincount(column)
    return len(lengths) >= _COLUMNS and float(np.median(lengths)) >= _LENGTH
