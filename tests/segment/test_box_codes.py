"""Predicted boxes with the codes of the truth."""

import numpy as np
import pytest

from kuzushiji.artifacts.detections import Detections
from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.errors import InputError
from kuzushiji.segment.box_codes import label_with_truth

NONE = (np.zeros((0, 4)), np.zeros(0))


@pytest.mark.parametrize(("min_iou", "code"), [(0.5, SEG_FP), (0.25, "U+3042")])
def test_the_least_iou_is_a_parameter(min_iou: float, code: str) -> None:
    truth = PageLabels.from_arrays(["p"], np.zeros(1, np.int64), np.array(["U+3042"], object), np.array([[0, 0, 9, 9]]))
    found = Detections.from_pages({"p": (np.array([[0.0, 0, 9, 27]]), np.array([0.9]))})  # IoU 1/3
    assert label_with_truth(found, truth, {"p": (99, 99)}, min_iou).boxes["code"].tolist() == [code]


@pytest.mark.parametrize(
    ("box_xyxy", "code"),
    [
        ([10, 10, 20, 20], "U+3042"),  # the very box
        ([10, 10, 20, 30], "U+3042"),  # IoU 100 / 200: just enough
        ([10, 10, 20, 31], SEG_FP),  # a little less
        ([28, 10, 42, 20], "U+3044"),  # overlaps both neighbours, the higher IoU wins
        ([60, 60, 70, 70], SEG_FP),  # covers nothing
        ([95, 0, 100, 10], "U+3046"),  # this truth reaches over the edge: what is on the page counts
    ],
)
def test_label_with_truth(box_xyxy: list[float], code: str) -> None:
    truth = PageLabels.from_arrays(
        ["p"],
        np.zeros(4, dtype=np.int64),
        np.array(["U+3042", "U+3040", "U+3044", "U+3046"], dtype=object),
        np.array([[10, 10, 10, 10], [20, 10, 10, 10], [30, 10, 10, 10], [95, 0, 30, 10]]),
    )
    found = Detections.from_pages({"p": (np.array([box_xyxy], dtype=np.float64), np.array([0.9]))})
    assert label_with_truth(found, truth, {"p": (100, 100)}).boxes["code"].tolist() == [code]


def test_fault_2_pages_without_boxes_stay() -> None:
    """No boxes, no truth, or neither: the page is in the table, and its missed characters count in the score."""
    truth = PageLabels.from_arrays(
        ["neither", "missed", "found", "wrong"],
        np.array([1, 2]),
        np.array(["U+3042", "U+3044"], dtype=object),
        np.array([[0, 0, 10, 10], [0, 0, 10, 10]]),
    )
    box = np.array([[0.0, 0, 10, 10]])
    pages = {"wrong": (box, np.ones(1)), "found": (box, np.ones(1)), "missed": NONE, "neither": NONE}
    labels = label_with_truth(Detections.from_pages(pages), truth, dict.fromkeys(pages, (20, 20)))
    assert labels.image_ids == ("wrong", "found", "missed", "neither")
    assert labels.boxes["image_id"].tolist() == ["wrong", "found"]
    assert labels.boxes["code"].tolist() == [SEG_FP, "U+3044"]


def test_page_without_truth() -> None:
    truth = PageLabels.from_arrays(["a"], np.zeros(0, dtype=np.int64), [], np.zeros((0, 4)))
    with pytest.raises(InputError, match="b"):
        label_with_truth(Detections.from_pages({"b": NONE}), truth, {"b": (1, 1)})
