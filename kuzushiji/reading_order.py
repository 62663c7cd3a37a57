"""In which order the characters of a page are read: columns from right to left, each from top to bottom."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAME_COLUMN = 0.5
"""Share of the narrower box's width that two neighbours in a column have in common, at least."""


@dataclass(frozen=True)
class ReadingOrder:
    """Where each of n boxes stands on its page.

    Attributes:
        order: (n,) positions of the boxes in reading order.
        column: (n,) number of each box's column, 0 the rightmost.
        place: (n,) number of each box within its column, 0 the topmost.
        above: (n,) position of the box above in the column, -1 for the topmost.
        below: (n,) position of the box below in the column, -1 for the lowest.
    """

    order: NDArray[np.int64]
    column: NDArray[np.int64]
    place: NDArray[np.int64]
    above: NDArray[np.int64]
    below: NDArray[np.int64]


def reading_order(boxes_xywh: NDArray[np.floating]) -> ReadingOrder:
    """Return the reading order of one page.

    Two boxes are neighbours in a column when each is the other's nearest upwards and downwards among the boxes with
    which it shares half of the narrower one's width. So columns may lean, bend, and be of any width. Chains that
    stand one below the other are one column: a blank or a stray mark does not end it. Columns are ordered by their
    middle.

    Args:
        boxes_xywh: (n, 4) corner and size, pixels.

    Returns:
        Arrays of length n; empty for a page without boxes.
    """
    n = len(boxes_xywh)
    boxes_xywh = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    centers = boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2
    chain = _merge_chains(_chains(boxes_xywh, centers), boxes_xywh, centers)
    middles = np.bincount(chain, centers[:, 0]) / np.maximum(np.bincount(chain), 1)
    rank = np.empty(len(middles), np.int64)
    rank[np.argsort(-middles, kind="stable")] = np.arange(len(middles))
    column = rank[chain]
    order = np.lexsort((-centers[:, 0], centers[:, 1], column))
    starts = np.searchsorted(column[order], column[order])
    place, above, below = np.empty(n, np.int64), np.full(n, -1), np.full(n, -1)
    place[order] = np.arange(n) - starts
    same = column[order[1:]] == column[order[:-1]]
    above[order[1:][same]] = order[:-1][same]
    below[order[:-1][same]] = order[1:][same]
    return ReadingOrder(order, column, place, above, below)


def _chains(boxes_xywh: NDArray[np.float64], centers_xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of each box's chain of neighbours, from 0."""
    n = len(boxes_xywh)
    if not n:
        return np.zeros(0, np.int64)
    i, j = _overlapping(boxes_xywh[:, 0], boxes_xywh[:, 2])
    width, right = boxes_xywh[:, 2], boxes_xywh[:, 0] + boxes_xywh[:, 2]
    common = np.minimum(right[i], right[j]) - np.maximum(boxes_xywh[i, 0], boxes_xywh[j, 0])
    down = centers_xy[j, 1] - centers_xy[i, 1]
    beside = (common >= _SAME_COLUMN * np.minimum(width[i], width[j])) & (down > 0)
    i, j, distance = i[beside], j[beside], (down + np.abs(centers_xy[j, 0] - centers_xy[i, 0]))[beside]
    below, above = _nearest(i, j, distance, n), _nearest(j, i, distance, n)
    mutual = (below >= 0) & (above[below] == np.arange(n))
    # A link leads downwards, so following it from the top visits each box after the one above it.
    first = np.argsort(centers_xy[:, 1], kind="stable")
    chain: NDArray[np.int64] = np.full(n, -1, np.int64)
    n_chains = 0
    for box in first.tolist():
        if chain[box] < 0:
            chain[box] = n_chains
            n_chains += 1
        if mutual[box]:
            chain[below[box]] = chain[box]
    return chain


def _overlapping(
    start: NDArray[np.float64], length: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs (i, j) and (j, i) of stretches of one axis that overlap or touch, as two arrays."""
    by_start = np.argsort(start, kind="stable")
    n_later = np.searchsorted(start[by_start], (start + length)[by_start], side="right") - np.arange(len(start)) - 1
    first = np.repeat(np.arange(len(start)), n_later)
    later = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(n_later) - n_later, n_later)
    i, j = by_start[first], by_start[later]
    return np.concatenate([i, j]), np.concatenate([j, i])


def _nearest(i: NDArray[np.int64], j: NDArray[np.int64], distance: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return (n,) for each i the j of its pairs that is nearest, the lowest of several; -1 where it has no pair."""
    nearest = np.full(n, -1, np.int64)
    order = np.lexsort((-j, -distance, i))
    nearest[i[order]] = j[order]  # the last of each i stays
    return nearest


def _merge_chains(
    chain: NDArray[np.int64], boxes_xywh: NDArray[np.float64], centers_xy: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the chains with those joined that stand one below the other; numbers stay below the number of chains."""
    if not len(chain):
        return chain
    top, bottom = boxes_xywh[:, 1], boxes_xywh[:, 1] + boxes_xywh[:, 3]
    limit = _SAME_COLUMN * float(np.median(boxes_xywh[:, 2]))
    merged: NDArray[np.int64] = np.zeros(len(chain), np.int64)
    members = [np.flatnonzero(chain == number) for number in range(int(chain.max()) + 1)]
    columns: list[NDArray[np.int64]] = []
    for part in sorted(members, key=lambda part: float(top[part].min())):
        fits = [
            i for i, column in enumerate(columns)
            if bottom[column].max() <= top[part].min() + limit
            and abs(centers_xy[column[-1], 0] - centers_xy[part[0], 0]) <= limit
        ]  # fmt: skip
        nearest = min(
            fits, key=lambda i: abs(centers_xy[columns[i], 0].mean() - centers_xy[part, 0].mean()), default=-1
        )
        if nearest < 0:
            columns.append(part)
        else:
            columns[nearest] = np.concatenate([columns[nearest], part])
    for number, column in enumerate(columns):
        merged[column] = number
    return merged
