"""Weighted boxes fusion against the paper's sequence, written down literally."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import nms

from detection.fusion import fuse_boxes, not_suppressed
from detection.overlap import pairwise_iou


def literal_fusion(detections, iou_threshold, min_votes=1):
    """The method as in the paper: one box after the other, each against all fused boxes so far."""
    found = [
        (float(score), number, box)
        for number, (boxes, scores) in enumerate(detections)
        for box, score in zip(np.reshape(boxes, (-1, 4)), scores, strict=True)
    ]
    clusters: list[list] = []
    fused: list[np.ndarray] = []
    for item in sorted(found, key=lambda item: -item[0]):
        ious = [pairwise_iou([item[2]], [box])[0, 0] for box in fused]
        best = int(np.argmax(ious)) if ious else -1
        if ious and ious[best] > iou_threshold:
            clusters[best].append(item)
        else:
            best = len(fused)
            clusters.append([item])
            fused.append(item[2])
        weights = np.array([score for score, _, _ in clusters[best]])
        fused[best] = sum(score * np.asarray(box) for score, _, box in clusters[best]) / weights.sum()
    rows = []
    for box, members in zip(fused, clusters, strict=True):
        votes = len({number for _, number, _ in members})
        score = np.mean([score for score, _, _ in members]) * votes / len(detections)
        if votes >= min_votes:
            rows.append((score, votes, *box))
    return np.array(sorted(rows, key=lambda row: -row[0])).reshape(-1, 6)


def as_rows(result):
    return np.column_stack([result.scores, result.votes, result.boxes_xyxy])


def noisy_page(rng, boxes_per_detector, detectors, columns, jitter):
    """Return detections of a page of characters in columns that touch: each detector sees most of them, displaced."""
    number = np.arange(boxes_per_detector)
    corner = np.stack([number % columns, number // columns], axis=1) * 40.0
    truth = np.concatenate([corner, corner + rng.uniform(30, 50, (boxes_per_detector, 2))], axis=1)
    detections = []
    for _ in range(detectors):
        seen = truth[rng.random(boxes_per_detector) < 0.9]
        detections.append((seen + rng.normal(0, jitter, seen.shape), rng.uniform(0.5, 1, len(seen))))
    return detections


@pytest.mark.parametrize("iou_threshold", [0.5, 0.55, 0.7])
@pytest.mark.parametrize("jitter", [0.0, 2.0, 8.0])  # displaced by less and by more than the threshold
def test_equals_the_literal_sequence_on_pages(iou_threshold, jitter):
    rng = np.random.default_rng(5)
    for _ in range(2):
        detections = noisy_page(rng, 40, 5, 6, jitter)
        fused = as_rows(fuse_boxes(detections, iou_threshold=iou_threshold))
        np.testing.assert_allclose(fused, literal_fusion(detections, iou_threshold), rtol=1e-12, atol=1e-9)


# Whole numbers on a small page: boxes coincide, touch, contain each other, have no area.
_box = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
_detection = st.lists(st.tuples(_box, st.integers(1, 9)), max_size=12).map(
    lambda items: ([box for box, _ in items], [score / 10 for _, score in items])
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(_detection, min_size=1, max_size=4), st.sampled_from([0.5, 0.55, 0.8]), st.integers(1, 3))
def test_equals_the_literal_sequence_on_anything(detections, iou_threshold, min_votes):
    fused = as_rows(fuse_boxes(detections, iou_threshold=iou_threshold, min_votes=min_votes))
    expected = literal_fusion(detections, iou_threshold, min_votes)
    assert fused.shape == expected.shape
    by_value = [np.array(sorted(map(tuple, np.round(rows, 9)))) for rows in (fused, expected)]
    np.testing.assert_allclose(*by_value, atol=1e-9)  # equal scores may come in another order
    assert (np.diff(fused[:, 0]) <= 0).all()


def test_score_is_the_mean_times_the_share_of_detectors():
    box, near, far = [0, 0, 10, 10], [0, 0, 10, 12], [50, 50, 60, 60]
    result = fuse_boxes([([box, far], [0.9, 0.6]), ([near], [0.3]), ([], [])])
    np.testing.assert_allclose(result.boxes_xyxy, [[0, 0, 10, 10.5], far])  # 10.5 = (0.9 * 10 + 0.3 * 12) / 1.2
    np.testing.assert_allclose(result.scores, [0.6 * 2 / 3, 0.6 / 3])
    assert result.votes.tolist() == [2, 1]


def test_a_detector_that_sees_a_character_twice_votes_once():
    result = fuse_boxes([([[0, 0, 10, 10], [0, 0, 10, 11]], [0.9, 0.8]), ([], [])], min_votes=1)
    assert result.votes.tolist() == [1]
    assert len(fuse_boxes([([[0, 0, 10, 10], [0, 0, 10, 11]], [0.9, 0.8]), ([], [])], min_votes=2).scores) == 0


def test_no_boxes_at_all():
    result = fuse_boxes([([], []), (np.zeros((0, 4)), np.zeros(0))])
    assert (result.boxes_xyxy.shape, result.scores.shape, result.votes.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize(
    ("detections", "options", "message"),
    [
        ([], {}, "at least one detector"),
        ([([[0, 0, 1, 1]], [])], {}, "one score a box"),
        ([([[0, 0, 1, 1]], [0.0])], {}, "above 0"),
        ([([[0, 0, 1, 1]], [np.nan])], {}, "above 0"),
        ([([[0, 0, 1]], [0.5])], {}, "shape"),
        ([([], [])], {"iou_threshold": 0.4}, "0.5 to 1"),  # the waves need more than half
    ],
)
def test_refuses(detections, options, message):
    with pytest.raises(ValueError, match=message):
        fuse_boxes(detections, **options)


@pytest.mark.parametrize("iou_threshold", [0.0, 0.25, 0.5, 1.0])
def test_suppression_is_that_of_torchvision(iou_threshold):
    rng = np.random.default_rng(3)
    for detectors in (0, 1, 3):
        found = [noisy_page(rng, 60, 1, 6, 8.0)[0] for _ in range(detectors)]
        boxes = np.concatenate([np.zeros((0, 4)), *(boxes for boxes, _ in found)])
        scores = np.concatenate([np.zeros(0), *(scores for _, scores in found)])
        wanted = nms(torch.tensor(boxes), torch.tensor(scores), iou_threshold)
        assert not_suppressed(boxes, scores, iou_threshold).tolist() == wanted.tolist()


def test_a_suppressed_box_suppresses_none():
    """The second box overlaps both others, which do not overlap each other."""
    boxes = [(0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10)]
    assert not_suppressed(boxes, [0.9, 0.8, 0.7], 0.3).tolist() == [0, 2]
    assert not_suppressed(boxes, [0.7, 0.9, 0.8], 0.3).tolist() == [1]
