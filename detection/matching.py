"""Which truth box a predicted box stands for."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detection.overlap import pairwise_iou


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
