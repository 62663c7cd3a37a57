"""Predicted boxes get the codes of the truth: what a classifier learns from."""

from collections.abc import Mapping

import numpy as np

from detection.boxes import clip_xyxy, xywh_to_xyxy
from detection.overlap import match_boxes
from kuzushiji.artifacts.detections import Detections
from kuzushiji.data.labels import SEG_FP, PageLabels


def label_with_truth(
    detections: Detections,
    truth: PageLabels,
    page_sizes: Mapping[str, tuple[int, int]],
    min_iou: float = 0.5,
) -> PageLabels:
    """Give each predicted box the code of the truth box with the highest IoU, `SEG_FP` where that is below `min_iou`.

    Args:
        detections: Predicted boxes.
        truth: Labels of these pages at least; boxes that reach over the page's edge are cut there.
        page_sizes: Width and height of each page, pixels.
        min_iou: Least IoU, 0 to 1; the reference's is 0.5.

    Returns:
        The predicted boxes; pages without any stay, empty.

    Raises:
        InputError: a page has no truth.
    """
    truth = truth.of_pages(detections.image_ids)
    codes = [np.zeros(0, dtype=object)]
    for (image_id, true), (boxes_xyxy, _) in zip(truth.by_page(), detections.by_page().values(), strict=True):
        true_xyxy = clip_xyxy(xywh_to_xyxy(true[["x", "y", "w", "h"]].to_numpy(np.float64)), *page_sizes[image_id])
        with_none = np.append(true["code"].to_numpy(dtype=object), SEG_FP)
        codes.append(with_none[match_boxes(boxes_xyxy, true_xyxy, min_iou)])
    return detections.to_labels(np.concatenate(codes))
