"""Boxes of several detectors -> one set of boxes, page by page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detection.fusion import fuse_boxes, not_suppressed
from kuzushiji.artifacts.detections import Detections
from kuzushiji.errors import InputError
from kuzushiji.segment.fusion import Fusion


def fuse_pages(detections: Sequence[Detections], fusion: Fusion) -> Detections:
    """Return the weighted boxes fusion of several detectors, page by page, in the order of the first one's pages.

    Args:
        detections: Of the same pages, at least one; a single detector's boxes stay as they are, but for the last two
            rules.
        fusion: The rule: which boxes are the same (see `detection.fusion`), and which of them stay.
    """
    min_votes = fusion.votes(len(detections))
    by_page = [each.by_page() for each in detections]
    fused = {}
    for image_id in detections[0].image_ids:
        if len(by_page) == 1:
            boxes_xyxy, scores = by_page[0][image_id]
        else:
            boxes = [pages[image_id] for pages in by_page]
            found = fuse_boxes(boxes, iou_threshold=fusion.iou_threshold, min_votes=min_votes)
            boxes_xyxy, scores = found.boxes_xyxy, found.scores
        keep = np.sort(not_suppressed(boxes_xyxy, scores, fusion.nms_threshold))  # in their order, which numbers them
        keep = keep[scores[keep] >= fusion.score_threshold]
        fused[image_id] = boxes_xyxy[keep], scores[keep]
    return Detections.from_pages(fused)


def check_same_pages(detections: Sequence[Detections], paths: Sequence[Path]) -> None:
    """Check that all detectors have looked at the same pages.

    Raises:
        InputError: one lacks a page that another has.
    """
    for one, path in zip(detections, paths, strict=True):
        for other, other_path in zip(detections, paths, strict=True):
            lacking = sorted(set(other.image_ids).difference(one.image_ids))
            if lacking:
                raise InputError(f"{path}: expected the same pages as {other_path}, page {lacking[0]} is missing")
