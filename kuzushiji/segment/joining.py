"""Boxes of several folds -> one table: held-out boxes are joined, test boxes are fused by a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji.errors import InputError

if TYPE_CHECKING:
    from kuzushiji.artifacts.detections import Detections
    from kuzushiji.data.labels import PageLabels


@dataclass(frozen=True)
class Fusion:
    """The rule, of `kuzushiji.segment.fuse` and of an exported folder.

    Attributes:
        min_votes: Detectors that must have found a box; 0: more than half of them.
        iou_threshold: Boxes with a greater IoU are the same.
        score_threshold: Least mean score of a box over all detectors, those that lack it counted as 0.
        nms_threshold: Of two fused boxes with a greater IoU only the better stays; 1: both.
    """

    min_votes: int = 0
    iou_threshold: float = 0.55
    score_threshold: float = 0.0
    nms_threshold: float = 1.0

    def votes(self, n_detectors: int) -> int:
        """Return the least number of detectors, at most all of them."""
        return min(self.min_votes or n_detectors // 2 + 1, n_detectors)


def fuse_pages(detections: "Sequence[Detections]", fusion: Fusion) -> "Detections":
    """Return the weighted boxes fusion of several detectors, page by page, in the order of the first one's pages.

    Args:
        detections: Of the same pages, at least one; a single detector's boxes stay as they are, but for the last two
            rules.
        fusion: The rule: which boxes are the same (see `detection.fusion`), and which of them stay.
    """
    import numpy as np

    from detection.fusion import fuse_boxes, not_suppressed
    from kuzushiji.artifacts.detections import Detections

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


def check_same_pages(detections: "Sequence[Detections]", paths: Sequence[Path]) -> None:
    """Check that all detectors have looked at the same pages.

    Raises:
        InputError: one lacks a page that another has.
    """
    for one, path in zip(detections, paths, strict=True):
        for other, other_path in zip(detections, paths, strict=True):
            lacking = sorted(set(other.image_ids).difference(one.image_ids))
            if lacking:
                raise InputError(f"{path}: expected the same pages as {other_path}, page {lacking[0]} is missing")


def merge_tables(tables: "Sequence[PageLabels]", names: Sequence[str]) -> "PageLabels":
    """Return all pages of all tables with their boxes; boxes keep their order and numbers.

    Args:
        tables: At least one.
        names: How each is called in messages.

    Raises:
        InputError: a page is in two tables.
    """
    import pandas as pd

    from kuzushiji.data.labels import PageLabels

    origin: dict[str, str] = {}
    for table, name in zip(tables, names, strict=True):
        for image_id in table.image_ids:
            if image_id in origin:
                raise InputError(f"{name}, page {image_id}: expected each page once, it is in {origin[image_id]} too")
            origin[image_id] = name
    return PageLabels(tuple(origin), pd.concat([table.boxes for table in tables], ignore_index=True))


def in_order_of(labels: "PageLabels", image_ids: Sequence[str], *, allow_missing: bool = False) -> "PageLabels":
    """Return the table with its pages in the order of `image_ids`.

    Raises:
        InputError: the table has another page, or lacks one (unless `allow_missing`).
    """
    strange = sorted(set(labels.image_ids).difference(image_ids))
    if strange:
        raise InputError(f"page {strange[0]}: expected only pages of train.csv, {len(strange)} are none")
    found = set(labels.image_ids)
    missing = [image_id for image_id in image_ids if image_id not in found]
    if missing and not allow_missing:
        raise InputError(
            f"page {missing[0]}: expected every page of train.csv in some table, {len(missing)} are missing: "
            "name the clf_gt.csv of every fold (--allow-missing leaves them out)"
        )
    return labels.of_pages(image_id for image_id in image_ids if image_id in found)
