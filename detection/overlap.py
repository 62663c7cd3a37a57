"""How far two boxes overlap: one convention for the whole code.

Edges are real numbers, so that boxes that only touch do not overlap and the width of (left, right) is right - left.
Boxes of no area overlap nothing.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detection.boxes import Floats, area_xyxy, as_boxes


def pairwise_intersection(a_xyxy: ArrayLike, b_xyxy: ArrayLike) -> Floats:
    """Return the areas of the intersections, shape (n, m)."""
    a, b = as_boxes(a_xyxy)[:, None], as_boxes(b_xyxy)[None]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    both: Floats = np.maximum(width, 0) * np.maximum(height, 0)
    return both


def pairwise_iou(a_xyxy: ArrayLike, b_xyxy: ArrayLike) -> Floats:
    """Return intersection over union of each box of `a` (n, 4) with each of `b` (m, 4): shape (n, m), 0 to 1."""
    intersection = pairwise_intersection(a_xyxy, b_xyxy)
    union = area_xyxy(a_xyxy)[:, None] + area_xyxy(b_xyxy)[None] - intersection
    return _divide(intersection, union)


def paired_iou(a_xyxy: ArrayLike, b_xyxy: ArrayLike) -> Floats:
    """Return intersection over union of row i of `a` with row i of `b`: shape (n,), 0 to 1."""
    a, b = as_boxes(a_xyxy), as_boxes(b_xyxy)
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0)
    intersection: Floats = sides[:, 0] * sides[:, 1]
    return _divide(intersection, area_xyxy(a) + area_xyxy(b) - intersection)


def largest_share(boxes_xyxy: ArrayLike) -> Floats:
    """Return for each box (n,) its largest intersection with another one, as a share of that other one: 0 to 1.

    Each box is compared with those only that begin, from the top, before it ends.
    """
    boxes = as_boxes(boxes_xyxy)
    by_top = np.argsort(boxes[:, 1], kind="stable")
    boxes = boxes[by_top]
    partners = np.maximum(np.searchsorted(boxes[:, 1], boxes[:, 3]) - np.arange(len(boxes)) - 1, 0)
    begins = np.cumsum(partners) - partners
    first = np.repeat(np.arange(len(boxes)), partners)
    second = first + 1 + np.arange(len(first)) - begins[first]
    width = np.minimum(boxes[first, 2], boxes[second, 2]) - np.maximum(boxes[first, 0], boxes[second, 0])
    beside = np.flatnonzero(width > 0)
    first, second, width = first[beside], second[beside], width[beside]
    height = np.minimum(boxes[first, 3], boxes[second, 3]) - np.maximum(boxes[first, 1], boxes[second, 1])
    both, area = width * np.maximum(height, 0), area_xyxy(boxes)
    share = np.zeros(len(boxes))
    np.maximum.at(share, first, _divide(both, area[second]))
    np.maximum.at(share, second, _divide(both, area[first]))
    in_order: Floats = np.empty_like(share)
    in_order[by_top] = share
    return in_order


def _divide(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def intersecting_pairs(boxes_xyxy: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of boxes that overlap, without comparing every box with every other.

    Boxes are sorted into the cells of a grid that they touch, and compared within the cells.

    Returns:
        Indices `first` < `second`, shape (p,) each, every pair once, sorted.
    """
    boxes = as_boxes(boxes_xyxy)
    kept = np.flatnonzero(area_xyxy(boxes) > 0)
    cells, members = _cells_of(boxes[kept])
    first, second = _pairs_within(cells)
    first, second = kept[members[first]], kept[members[second]]
    first, second = np.minimum(first, second), np.maximum(first, second)
    a, b = boxes[first], boxes[second]
    overlap = (np.maximum(a[:, :2], b[:, :2]) < np.minimum(a[:, 2:], b[:, 2:])).all(axis=1)
    pairs = np.unique(first[overlap] * len(boxes) + second[overlap])
    return pairs // max(len(boxes), 1), pairs % max(len(boxes), 1)


def _cells_of(boxes: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers of cells and the boxes (positions) that touch them, sorted by cell."""
    if not len(boxes):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    # At most 1024 cells a side: one giant image of tiny boxes must not need more cells than memory.
    span = boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)
    side = np.maximum(np.median(boxes[:, 2:] - boxes[:, :2], axis=0), span / 1024)
    low, high = (
        np.floor((corner - boxes[:, :2].min(axis=0)) / side).astype(np.int64) for corner in np.split(boxes, 2, 1)
    )
    columns, rows = (high - low + 1).T
    members = np.repeat(np.arange(len(boxes)), columns * rows)
    number = np.arange(len(members)) - np.repeat(np.cumsum(columns * rows) - columns * rows, columns * rows)
    x, y = low[members, 0] + number % columns[members], low[members, 1] + number // columns[members]
    cells = y * (high[:, 0].max() + 1) + x
    order = np.argsort(cells, kind="stable")
    return cells[order], members[order]


def _pairs_within(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of positions first < second with equal `groups`, which are sorted."""
    ends = np.searchsorted(groups, groups, side="right")
    counts = ends - np.arange(len(groups)) - 1
    first = np.repeat(np.arange(len(groups)), counts)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, first + 1 + offset


def match_boxes(predicted_xyxy: ArrayLike, truth_xyxy: ArrayLike, min_iou: float = 0.5) -> NDArray[np.int64]:
    """Return for each predicted box the index of the truth box with the highest IoU, or -1.

    A truth box may be taken by several predicted boxes; the first of equals wins.

    Args:
        predicted_xyxy: Boxes (n, 4), pixels.
        truth_xyxy: Boxes (m, 4), pixels; with none, nothing is matched.
        min_iou: A match needs at least this IoU, which must be above 0.

    Returns:
        Indices into `truth_xyxy`, shape (n,).
    """
    if not 0 < min_iou <= 1:
        raise ValueError(f"expected min_iou above 0 and at most 1, got {min_iou}")
    iou = pairwise_iou(predicted_xyxy, truth_xyxy)
    if iou.shape[1] == 0:
        return np.full(iou.shape[0], -1, dtype=np.int64)
    best = iou.argmax(axis=1)
    return np.where(iou[np.arange(len(best)), best] >= min_iou, best, -1).astype(np.int64)
