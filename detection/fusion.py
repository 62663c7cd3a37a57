"""One set of boxes out of several detectors': weighted boxes fusion, and what of it overlaps too much.

R. Solovyev, W. Wang, T. Gabruseva: Weighted boxes fusion: Ensembling boxes from different object detection models,
2019, https://arxiv.org/abs/1910.13302. Boxes are taken by falling score; each joins the fused box that it overlaps
most, which becomes the mean of its members weighted by score, or starts a new one.

The order makes the method sequential, but a box waits only for the boxes that it overlaps: all boxes that wait for
nothing are placed together. This gives the very result of the sequence: with an IoU above 1/2 a box covers more than
half of a fused box in both directions, so two boxes that could both change or match the same fused box overlap each
other (and the last member of a fused box overlaps whatever matches it).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detection.boxes import Floats, as_boxes
from detection.overlap import intersecting_pairs, paired_iou

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FusedBoxes:
    """What several detectors found together, by falling score.

    Attributes:
        boxes_xyxy: Shape (n, 4), pixels.
        scores: Shape (n,): mean score of the members times the share of detectors that have one.
        votes: Shape (n,): number of detectors that have a member.
    """

    boxes_xyxy: Floats
    scores: Floats
    votes: Ints


def fuse_boxes(
    detections: Sequence[tuple[ArrayLike, ArrayLike]], *, iou_threshold: float = 0.55, min_votes: int = 1
) -> FusedBoxes:
    """Return the weighted fusion of the detections of one image.

    Args:
        detections: For each detector its boxes (n, 4) xyxy and their scores (n,), above 0; n may be 0.
        iou_threshold: A box joins a fused box with a higher IoU; at least 0.5, 0.55 is the paper's.
        min_votes: Drop what fewer detectors found.

    Raises:
        ValueError: no detectors; scores that do not fit the boxes or are not above 0; a threshold below 0.5.
    """
    if not 0.5 <= iou_threshold <= 1:
        raise ValueError(f"expected an iou_threshold from 0.5 to 1, got {iou_threshold}")
    boxes, scores, detectors = _by_score(detections)
    clusters, fused, weights = _cluster(boxes, scores, iou_threshold)
    founders, members = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(members, minlength=len(founders))
    voted = np.zeros((len(founders), len(detections)), dtype=bool)
    voted[members, detectors] = True
    votes = voted.sum(axis=1)
    score = weights[founders] / np.maximum(sizes, 1) * votes / len(detections)
    order = np.argsort(-score, kind="stable")
    order = order[votes[order] >= min_votes]
    return FusedBoxes(fused[founders][order], score[order], votes[order])


def not_suppressed(boxes_xyxy: ArrayLike, scores: ArrayLike, iou_threshold: float) -> Ints:
    """Return the boxes that non-maximum suppression leaves: those that no better one left overlaps more.

    The rule of `torchvision.ops.nms`, for the boxes of one image and without torch.

    Args:
        boxes_xyxy: Shape (n, 4), pixels.
        scores: Shape (n,); of equals the first is the better.
        iou_threshold: Of two boxes with a greater IoU only the better stays; with 1 all stay.

    Returns:
        Indices, shape (k,), by falling score.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64).reshape(-1), kind="stable")
    boxes = as_boxes(boxes_xyxy)[order]
    better, worse = intersecting_pairs(boxes)
    close = paired_iou(boxes[better], boxes[worse]) > iou_threshold
    left = np.ones(len(boxes), dtype=bool)
    # Pairs come by their better box, so that whether it is left is known when its turn comes.
    for one, other in zip(better[close], worse[close], strict=True):
        if left[one]:
            left[other] = False
    return order[left]


def _by_score(detections: Sequence[tuple[ArrayLike, ArrayLike]]) -> tuple[Floats, Floats, Ints]:
    """Return all boxes, their scores and detectors by falling score; equals in the order given."""
    if not detections:
        raise ValueError("expected the boxes of at least one detector, got none")
    boxes = [as_boxes(found) for found, _ in detections]
    scores = [np.asarray(given, dtype=np.float64).reshape(-1) for _, given in detections]
    if any(len(a) != len(b) for a, b in zip(boxes, scores, strict=True)):
        raise ValueError("expected one score a box")
    detectors = np.repeat(np.arange(len(boxes)), [len(found) for found in boxes])
    flat_boxes, flat_scores = np.concatenate(boxes), np.concatenate(scores)
    if not (flat_scores > 0).all():
        raise ValueError("expected scores above 0")
    order = np.argsort(-flat_scores, kind="stable")
    return flat_boxes[order], flat_scores[order], detectors[order]


def _cluster(boxes: Floats, scores: Floats, iou_threshold: float) -> tuple[Ints, Floats, Floats]:
    """Return for each box the number of the cluster it joined, and for each cluster its fused box and summed score.

    A cluster has the number of the box that started it; rows of the other numbers mean nothing.
    """
    first, second = intersecting_pairs(boxes)
    earlier = _Neighbours(second, first, len(boxes))
    later = _Neighbours(first, second, len(boxes))
    waits_for = earlier.counts.copy()
    cluster = np.full(len(boxes), -1, dtype=np.int64)
    total, weight = np.zeros((len(boxes), 4)), np.zeros(len(boxes))
    fused = boxes.copy()
    wave = np.flatnonzero(waits_for == 0)
    while len(wave):
        joined = _best_clusters(boxes, wave, earlier, cluster, fused, iou_threshold)
        cluster[wave] = joined
        total[joined] += scores[wave, None] * boxes[wave]
        weight[joined] += scores[wave]
        fused[joined] = total[joined] / weight[joined, None]
        released = later.of(wave)[1]
        np.subtract.at(waits_for, released, 1)
        wave = np.unique(released[waits_for[released] == 0])
    return cluster, fused, weight


def _best_clusters(
    boxes: Floats, wave: Ints, earlier: "_Neighbours", cluster: Ints, fused: Floats, iou_threshold: float
) -> Ints:
    """Return the cluster with the highest IoU for each box of the wave, its own number where none is high enough."""
    position, neighbour = earlier.of(wave)
    candidate = cluster[neighbour]
    iou = paired_iou(boxes[wave[position]], fused[candidate])
    fits = np.flatnonzero(iou > iou_threshold)
    order = fits[np.lexsort((candidate[fits], -iou[fits], position[fits]))]
    matched, best = np.unique(position[order], return_index=True)
    result: Ints = wave.copy()
    result[matched] = candidate[order[best]]
    return result


class _Neighbours:
    """For each of n boxes the boxes that it is paired with: `others[k]` belongs to `owners[k]`."""

    def __init__(self, owners: Ints, others: Ints, n: int) -> None:
        order = np.argsort(owners, kind="stable")
        self.others = others[order]
        self.counts = np.bincount(owners, minlength=n)
        self.starts = np.cumsum(self.counts) - self.counts

    def of(self, boxes: Ints) -> tuple[Ints, Ints]:
        """Return the neighbours of several boxes, and for each neighbour the position of its owner in `boxes`."""
        counts = self.counts[boxes]
        position = np.repeat(np.arange(len(boxes)), counts)
        offset = np.arange(len(position)) - np.repeat(np.cumsum(counts) - counts, counts)
        return position, self.others[self.starts[boxes][position] + offset]
