"""A detailed table of a model of one's own, from arrays."""

from pathlib import Path

import numpy as np
import pytest

from kuzushiji.artifacts import Detailed, read_detailed, write_detailed
from kuzushiji.errors import InputError

PAGES = ["p1", "p1", "p2"]
BOXES = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
LOGITS = np.array([[0.1, 2.0], [3.0, 0.5], [1.0, 1.5]])


def test_round_trip(tmp_path: Path) -> None:
    table = Detailed.from_arrays(PAGES, BOXES, LOGITS, ["U+3044", "U+3042"], pages=["p0", "p1", "p2"])
    write_detailed(tmp_path / "own.parquet", table)
    read = read_detailed(tmp_path / "own.parquet")
    assert read.vocabulary.codes == ("U+3042", "U+3044", "seg_fp") and read.pages == ("p0", "p1", "p2")
    assert read.pred.tolist() == ["U+3042", "U+3044", "U+3042"]
    assert read.boxes["box"].tolist() == [0, 1, 0] and set(read.boxes["true"]) == {"seg_fp"}
    assert read.boxes[["x", "y", "w", "h"]].to_numpy().tolist() == BOXES.tolist()
    assert read.logits[0].tolist() == pytest.approx([2.0, 0.1, -19.9])  # seg_fp was none of the codes


def test_with_truth_and_the_class_of_no_character() -> None:
    codes = ["seg_fp", "U+3042"]
    table = Detailed.from_arrays(PAGES, BOXES, LOGITS, codes, true=["U+3042", "seg_fp", "U+3042"], k=1)
    assert table.pred.tolist() == ["U+3042", "seg_fp", "U+3042"] and table.logits.shape == (3, 1)
    assert table.boxes["true"].tolist() == ["U+3042", "seg_fp", "U+3042"]


def test_no_boxes() -> None:
    table = Detailed.from_arrays([], np.zeros((0, 4)), np.zeros((0, 2)), ["A", "B"], pages=["p1"])
    assert len(table) == 0 and table.pages == ("p1",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes_xywh": BOXES[:2]}, r"expected 3 boxes .n, 4. and logits .n, 2., got .2, 4. and .3, 2."),
        ({"logits": LOGITS[:, :1]}, r"got .3, 4. and .3, 1."),
        ({"codes": ["U+3042", "U+3042"]}, "expected each code once"),
        ({"true": ["U+3042"]}, "with 1 true codes"),
        ({"true": ["U+3042", "U+4E00", "U+3042"]}, "expected a true code of the vocabulary, got another"),
        ({"pages": ["p1"]}, "expected a page of the table's list, got another"),
        ({"logits": LOGITS * np.nan}, "finite"),
        ({"boxes_xywh": -BOXES}, "finite corners and sizes"),
    ],
)
def test_arrays_that_do_not_fit(changes: dict[str, object], message: str) -> None:
    arrays = {"image_ids": PAGES, "boxes_xywh": BOXES, "logits": LOGITS, "codes": ["U+3042", "U+3044"], **changes}
    with pytest.raises(InputError, match=message):
        Detailed.from_arrays(**arrays)
