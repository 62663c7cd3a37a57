"""Boxes with the code of their truth: from labels, as labels, and as columns of a table."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kuzushiji.artifacts.box_table import BOX_COLUMNS, boxes_of, boxes_with_truth, empty_boxes, labels_of, to_arrow
from kuzushiji.data.labels import PageLabels

LABELS = PageLabels.from_arrays(
    ["p", "none", "q"], np.array([0, 0, 2]), ["U+3042", "seg_fp", "U+3042"], np.arange(12.0).reshape(3, 4)
)


def test_the_codes_of_labels_are_the_truth():
    boxes = boxes_with_truth(LABELS)
    assert tuple(boxes.columns) == BOX_COLUMNS
    assert boxes["true"].tolist() == ["U+3042", "seg_fp", "U+3042"]
    assert boxes[["image_id", "box"]].to_numpy().tolist() == [["p", 0], ["p", 1], ["q", 0]]


def test_boxes_as_labels_have_the_codes_that_were_read():
    codes = np.array(["U+3044", "U+3042", "seg_fp"], object)
    read = labels_of(boxes_with_truth(LABELS), codes, ["p", "none", "q"])
    assert read.image_ids == LABELS.image_ids and read.boxes["code"].tolist() == codes.tolist()
    np.testing.assert_array_equal(read.boxes_xywh, LABELS.boxes_xywh)


@pytest.mark.parametrize("boxes", [boxes_with_truth(LABELS), empty_boxes()], ids=["boxes", "none"])
def test_a_table_gives_back_what_it_was_given(boxes: pd.DataFrame):
    pd.testing.assert_frame_equal(boxes_of(pa.table(to_arrow(boxes))), boxes, check_dtype=len(boxes) > 0)


def test_a_column_that_is_missing():
    with pytest.raises(KeyError, match="true"):
        boxes_of(pa.table(to_arrow(boxes_with_truth(LABELS))).drop_columns("true"))
