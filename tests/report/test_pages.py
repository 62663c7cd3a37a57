from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kuzushiji.errors import InputError
from kuzushiji.report import pages
from kuzushiji.report.pages import Mark, choose_pages, marks_of_page, page_svg

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


def test_the_picture_is_scaled_down_and_never_up() -> None:
    mark = Mark("read", 100, 200, 40, 40, "あ", "")
    image = np.zeros((1000, 500, 3), np.uint8)
    assert 'viewBox="0 0 250 500"' in page_svg(image, [mark], height=500)
    assert 'x="50.0" y="100.0" width="20.0" height="20.0"' in page_svg(image, [mark], height=500)
    assert 'viewBox="0 0 500 1000"' in page_svg(image, [mark], height=5000)


def test_what_comes_from_data_is_escaped() -> None:
    svg = page_svg(np.zeros((9, 9, 3), np.uint8), [Mark("read", 0, 0, 1, 1, "<b>", "</title><script>")], title="<i>&")
    assert "<b>" not in svg and "<script>" not in svg and "&lt;i&gt;&amp;" in svg


def test_the_worst_page_comes_first_and_pages_without_text_are_left_out() -> None:
    scores = pd.DataFrame({"image_id": list("abcd"), "tp": [5, 1, 0, 3], "fp": [0, 4, 0, 2], "fn": [0, 4, 0, 2]})
    assert choose_pages(list("abcd"), scores, 2) == [("b", "b: F1 0.200"), ("a", "a: F1 1.000")]
    assert choose_pages(list("abcd"), None, 2) == [("a", "a"), ("b", "b")]
    assert choose_pages(list("abcd"), scores, 0) == []


def test_a_page_alone(runs: Path, tiny_root: Path) -> None:
    args = [str(runs), "test_100000001_00001_1", str(runs / "page.svg"), "--data-root", str(tiny_root)]
    assert pages.main(args) == 0
    assert (runs / "page.svg").read_text(encoding="utf-8").count('class="right"') > 10


def test_a_page_that_was_not_read_is_refused(runs: Path, tiny_root: Path) -> None:
    with pytest.raises(InputError, match="expected one of the 3 pages that were read, got other"):
        pages.main([str(runs), "other", str(runs / "page.svg"), "--data-root", str(tiny_root)])
