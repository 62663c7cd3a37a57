"""Boxes of several detectors -> one set of boxes, page by page."""

from collections.abc import Sequence
from pathlib import Path

from detection.fusion import fuse_boxes
from kuzushiji.artifacts.detections import Detections
from kuzushiji.errors import InputError


def fuse_pages(
    detections: Sequence[Detections], *, min_votes: int, iou_threshold: float = 0.55, score_threshold: float = 0.0
) -> Detections:
    """Return the weighted boxes fusion of several detectors, page by page, in the order of the first one's pages.

    Args:
        detections: Of the same pages, at least one; a single detector's boxes stay as they are.
        min_votes: Boxes that fewer detectors found are dropped.
        iou_threshold: See `detection.fusion`.
        score_threshold: Boxes with a lower mean score over all detectors are dropped.
    """
    by_page = [each.by_page() for each in detections]
    fused = {}
    for image_id in detections[0].image_ids:
        if len(by_page) == 1:
            boxes_xyxy, scores = by_page[0][image_id]
        else:
            found = fuse_boxes([pages[image_id] for pages in by_page], iou_threshold=iou_threshold, min_votes=min_votes)
            boxes_xyxy, scores = found.boxes_xyxy, found.scores
        keep = scores >= score_threshold
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
