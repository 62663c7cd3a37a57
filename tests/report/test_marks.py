import pandas as pd
import pytest

from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError
from kuzushiji.report.marks import choose_pages, marks_of_page, marks_of_table

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


def test_the_worst_page_comes_first_and_pages_without_text_are_left_out() -> None:
    scores = pd.DataFrame({"image_id": list("abcd"), "tp": [5, 1, 0, 3], "fp": [0, 4, 0, 2], "fn": [0, 4, 0, 2]})
    assert choose_pages(list("abcd"), scores, 2) == [("b", "b: F1 0.200"), ("a", "a: F1 1.000")]
    assert choose_pages(list("abcd"), None, 2) == [("a", "a"), ("b", "b")]
    assert choose_pages(list("abcd"), scores, 0) == []


def test_the_boxes_of_a_table() -> None:
    labels = PageLabels(("a", "b"), TRUTH.assign(image_id="a", box=[0, 1]))
    assert [(mark.kind, mark.char, mark.x) for mark in marks_of_table("a", labels, CHARS)] == [
        ("read", "あ", 0),
        ("read", "あ", 50),
    ]
    assert marks_of_table("b", labels, CHARS) == []
    with pytest.raises(InputError, match="c"):
        marks_of_table("c", labels, CHARS)
