"""One convention of overlap, worked by hand; the grid finds the pairs that a full comparison finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.boxes import area_xyxy
from detection.overlap import (
    intersecting_pairs,
    largest_share,
    paired_iou,
    pairwise_intersection,
    pairwise_iou,
)

A = [0, 0, 10, 10]
ROWS = [
    # box, IoU with A
    (A, 1.0),  # itself
    ([0, 0, 10, 5], 0.5),  # half
    ([5, 5, 15, 15], 25 / 175),  # a corner
    ([2, 2, 4, 4], 0.04),  # inside
    ([10, 0, 20, 10], 0.0),  # touches an edge: that is no overlap
    ([10, 10, 20, 20], 0.0),  # touches the corner
    ([30, 30, 40, 40], 0.0),  # far away
    ([5, 5, 5, 9], 0.0),  # no area
    ([9, 9, 2, 2], 0.0),  # turned over
]


@pytest.mark.parametrize(("box", "iou"), ROWS)
def test_fault_10_one_convention_of_overlap(box, iou):
    assert pairwise_iou([A], [box]).tolist() == [[pytest.approx(iou)]]
    assert pairwise_iou([box], [A]).tolist() == [[pytest.approx(iou)]]
    assert paired_iou([A], [box]).tolist() == [pytest.approx(iou)]


def test_two_boxes_of_no_area_do_not_overlap_even_at_one_place():
    assert pairwise_iou([[5, 5, 5, 5]], [[5, 5, 5, 5]]).tolist() == [[0]]


@pytest.mark.parametrize("function", [pairwise_intersection, pairwise_iou])
def test_shapes(function):
    two, three = np.ones((2, 4)), np.ones((3, 4))
    assert function(two, three).shape == (2, 3)
    assert function([], three).shape == (0, 3)
    assert function(two, []).shape == (2, 0)
    assert function([], []).shape == (0, 0)


_coordinate = st.one_of(st.integers(-5, 15), st.floats(-5, 15, width=16))
_boxes = st.lists(st.tuples(*[_coordinate] * 4), max_size=30)


@given(_boxes)
def test_grid_finds_the_pairs_of_a_full_comparison(boxes):
    first, second = intersecting_pairs(boxes)
    full = np.triu(pairwise_intersection(boxes, boxes) > 0, k=1)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == list(map(tuple, np.argwhere(full).tolist()))


@given(_boxes)
def test_largest_share_is_that_of_a_full_comparison(boxes):
    areas = area_xyxy(boxes)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(pairwise_intersection(boxes, boxes) / areas)
    np.fill_diagonal(shares, 0)
    assert largest_share(boxes).tolist() == shares.max(axis=1, initial=0).tolist()


def test_grid_stays_small_when_one_box_lies_far_away_or_covers_all():
    tiny = np.array([[0, 0, 1e-3, 1e-3]] * 3)
    first, second = intersecting_pairs([*tiny, [1e6, 1e6, 1e6 + 1, 1e6 + 1], [0, 0, 2e6, 2e6]])
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [
        (0, 1),
        (0, 2),
        (0, 4),
        (1, 2),
        (1, 4),
        (2, 4),
        (3, 4),
    ]
