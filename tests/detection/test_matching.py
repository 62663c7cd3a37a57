"""Which truth box a predicted box stands for."""

import pytest

from detection.overlap import match_boxes

LEFT, RIGHT = [0, 0, 10, 10], [8, 0, 18, 10]


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([LEFT], [LEFT, RIGHT], [0]),
        ([RIGHT, LEFT], [LEFT, RIGHT], [1, 0]),
        ([[0, 0, 10, 5]], [LEFT], [0]),  # IoU of exactly 0.5 is enough
        ([[0, 0, 10, 4.9]], [LEFT], [-1]),  # a little less is not
        ([[3, 0, 13, 10]], [LEFT, RIGHT], [0]),  # the higher of 7/13 and 5/15
        ([LEFT, LEFT], [LEFT], [0, 0]),  # two may stand for one
        ([LEFT], [LEFT, LEFT], [0]),  # of equals the first
        ([LEFT], [], [-1]),  # a page without text
        ([], [LEFT], []),  # nothing found
        ([], [], []),
        ([[5, 5, 5, 5]], [[5, 5, 5, 5]], [-1]),  # boxes without area match nothing
    ],
)
def test_match_boxes(predicted, truth, expected):
    assert match_boxes(predicted, truth).tolist() == expected


def test_min_iou_is_a_parameter():
    assert match_boxes([[0, 0, 10, 4.9]], [LEFT], min_iou=0.4).tolist() == [0]


@pytest.mark.parametrize("min_iou", [0, -1, 1.1])  # 0 would match boxes that do not overlap
def test_refuses_thresholds_that_mean_nothing(min_iou):
    with pytest.raises(ValueError, match="min_iou"):
        match_boxes([LEFT], [LEFT], min_iou=min_iou)
