"""How far two boxes overlap: one convention for the whole code.

Edges are real numbers, so that boxes that only touch do not overlap and the width of (left, right) is right - left.
Boxes of no area overlap nothing.
"""

import numpy as np
from numpy.typing import ArrayLike

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


def share_of_other(a_xyxy: ArrayLike, b_xyxy: ArrayLike) -> Floats:
    """Return which share of each box of `b` (m, 4) lies inside each box of `a` (n, 4): shape (n, m), 0 to 1."""
    intersection = pairwise_intersection(a_xyxy, b_xyxy)
    return _divide(intersection, np.broadcast_to(area_xyxy(b_xyxy)[None], intersection.shape))


def _divide(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
