import pandas as pd
import pytest

from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError
from kuzushiji.report.marked_page import marks_of, marks_of_table
from kuzushiji.viewer import ViewerBox

CHARS = {"U+3042": "あ", "U+3044": "い"}
TRUTH = pd.DataFrame({"code": ["U+3042", "U+3042"], "x": [0, 50], "y": [0, 0], "w": [20, 20], "h": [20, 20]})


def test_marks_of_a_page_of_the_viewer_say_what_the_viewer_says() -> None:
    boxes = [
        ViewerBox(0, 0, 9, 9, "wrong", "い", "U+3044", 0.25, "あ", "U+3042"),
        ViewerBox(1, 0, 9, 9, "wrong", "い", "U+3044", 0.25),
        ViewerBox(2, 0, 9, 9, "missed", "う", "U+3046"),
    ]
    marks = marks_of(boxes)
    assert [mark.x for mark in marks] == [2, 0, 1]  # what was missed lies below
    assert [mark.note for mark in marks] == [
        "missed: う U+3046",
        "wrong: い U+3044, probability 0.250, truth あ",
        "wrong: い U+3044, probability 0.250, truth no character",
    ]


def test_the_boxes_of_a_table() -> None:
    labels = PageLabels(("a", "b"), TRUTH.assign(image_id="a", box=[0, 1]))
    assert [(mark.kind, mark.char, mark.x) for mark in marks_of_table("a", labels, CHARS)] == [
        ("read", "あ", 0),
        ("read", "あ", 50),
    ]
    assert marks_of_table("b", labels, CHARS) == []
    with pytest.raises(InputError, match="c"):
        marks_of_table("c", labels, CHARS)
