import pandas as pd
import pytest

from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError
from kuzushiji.report.marks import marks_of_page, marks_of_table, marks_of_viewer, matched_boxes
from kuzushiji.viewer import ViewerBox

CHARS = {"U+3042": "あ", "U+3044": "い"}
TRUTH = pd.DataFrame({"code": ["U+3042", "U+3042"], "x": [0, 50], "y": [0, 0], "w": [20, 20], "h": [20, 20]})


def read(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """Return characters of 10 x 10 pixels at these corners."""
    table = pd.DataFrame(rows, columns=["code", "x", "y"])
    return table.assign(w=10, h=10, probability=0.5)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ["missed", "missed"]),
        ([("U+3042", 5, 5), ("U+3042", 55, 5)], ["right", "right"]),
        ([("U+3044", 5, 5), ("U+3042", 55, 5)], ["missed", "wrong", "right"]),  # another character
        ([("U+3042", 5, 5), ("U+3042", 6, 6)], ["missed", "right", "wrong"]),  # a box is used once
        ([("U+3042", 15, 5)], ["missed", "missed", "wrong"]),  # the centre lies on the edge
    ],
)
def test_what_is_right_wrong_and_missed(rows: list[tuple[str, float, float]], expected: list[str]) -> None:
    assert [mark.kind for mark in marks_of_page(read(*rows), TRUTH, CHARS)] == expected


def test_without_truth_characters_are_only_read() -> None:
    (mark,) = marks_of_page(read(("U+3042", 5, 5)), None, CHARS)
    assert (mark.kind, mark.char) == ("read", "あ")


def test_a_page_without_text_has_no_marks() -> None:
    assert marks_of_page(read(), TRUTH.iloc[:0], CHARS) == []


def test_which_true_boxes_are_found() -> None:
    right, found = matched_boxes(read(("U+3042", 55, 5), ("U+3044", 5, 5)), TRUTH)
    assert right.tolist() == [True, False] and found.tolist() == [False, True]


def test_marks_of_a_page_of_the_viewer_say_what_the_viewer_says() -> None:
    boxes = [
        ViewerBox(0, 0, 9, 9, "wrong", "い", "U+3044", 0.25, "あ", "U+3042"),
        ViewerBox(1, 0, 9, 9, "wrong", "い", "U+3044", 0.25),
        ViewerBox(2, 0, 9, 9, "missed", "う", "U+3046"),
    ]
    marks = marks_of_viewer(boxes)
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
