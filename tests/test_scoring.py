"""Truth and predicted boxes -> counts."""

import numpy as np
import pytest

from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.errors import InputError
from kuzushiji.metric import Counts
from kuzushiji.scoring import points_of, score_boxes, score_classes

A, B = "U+3042", "U+3044"
PAGES = ("page_1", "page_2", "page_3")
# page_1: two characters; page_2: one; page_3: no text
TRUTH = PageLabels.from_arrays(
    PAGES, np.array([0, 0, 1]), [A, B, A], np.array([[10, 10, 20, 40], [50, 10, 40, 20], [5, 5, 10, 10]])
)


def predicted(page: list[int], codes: list[str], boxes_xywh: list[list[float]]) -> PageLabels:
    return PageLabels.from_arrays(PAGES, np.array(page, int), codes, np.array(boxes_xywh, float))


def test_fault_1_perfect_predictions_score_1() -> None:
    assert score_classes(TRUTH, TRUTH) == Counts(3, 0, 0)
    assert score_boxes(TRUTH, TRUTH).f1 == 1


def test_fault_2_pages_without_predictions_count_their_missed_characters() -> None:
    # everything right on page_2, nothing found on page_1: a score over pages with predictions only would be 1
    found = TRUTH.of_pages(["page_2"])
    for table in (found, PageLabels.from_arrays(PAGES, found.page + 1, found.boxes["code"], found.boxes_xywh)):
        assert score_classes(TRUTH, table) == Counts(1, 0, 2)
        assert score_boxes(TRUTH, table) == Counts(1, 0, 2)


def test_nothing_predicted_at_all() -> None:
    nothing = PageLabels.from_arrays([], np.zeros(0, int), [], np.zeros((0, 4)))
    assert score_classes(TRUTH, nothing) == Counts(0, 0, 3)
    assert score_boxes(nothing, nothing) == Counts()


def test_boxes_count_whatever_their_codes() -> None:
    # a box on each page: right place and wrong code, seg_fp on the character, seg_fp beside all text
    boxes = predicted([0, 1, 2], [B, SEG_FP, SEG_FP], [[10, 10, 20, 40], [5, 5, 10, 10], [0, 0, 9, 9]])
    assert score_boxes(TRUTH, boxes) == Counts(tp=2, fp=1, fn=1)


def test_classes_leave_seg_fp_out() -> None:
    boxes = predicted([0, 1, 2], [A, SEG_FP, SEG_FP], [[10, 10, 20, 40], [5, 5, 10, 10], [0, 0, 9, 9]])
    assert score_classes(TRUTH, boxes) == Counts(tp=1, fp=0, fn=2)


def test_points_are_centres() -> None:
    boxes = predicted([1, 0, 0], [A, SEG_FP, B], [[1, 2, 3, 5], [0, 0, 1, 1], [10, 20, 4, 8]])
    points = points_of(boxes)
    assert points.image_ids == PAGES
    assert points.points.to_dict("list") == {
        "image_id": ["page_2", "page_1"], "code": [A, B], "x": [2.5, 12], "y": [4.5, 24],
    }  # fmt: skip


def test_a_page_that_the_truth_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="got page page_3"):
        score_classes(TRUTH.of_pages(["page_1"]), TRUTH.of_pages(["page_3"]))
