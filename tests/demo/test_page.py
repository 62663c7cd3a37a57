import numpy as np
import pytest
from numpy.typing import NDArray

from kuzushiji.demo.books import PagePlan
from kuzushiji.demo.page import Label, make_page
from kuzushiji.demo.text import choose_characters, texts

HEIGHT = 300
CHARACTERS = choose_characters(0, None)


def page(
    book: int = 0, number: int = 1, kind: str = "text", height: int = HEIGHT
) -> tuple[NDArray[np.uint8], list[Label], int]:
    plan = PagePlan("page", 7, 7, book, number, test=False, kind=kind, text=texts()[-1 - number][:40])
    return make_page(plan, height, CHARACTERS)


def boxes_of(labels: list[Label]) -> NDArray[np.int64]:
    return np.array([label[1:] for label in labels]).reshape(-1, 4)


@pytest.mark.parametrize("book", range(4))
def test_boxes_lie_on_ink_inside_the_page(book: int) -> None:
    image, labels, _ = page(book)
    x, y, w, h = boxes_of(labels).T
    assert len(labels) > 30
    assert min(x.min(), y.min()) >= 0
    assert (x + w).max() <= image.shape[1] and (y + h).max() <= image.shape[0]
    assert min(w.min(), h.min()) >= 1
    grey = image.mean(axis=2)
    darkest = np.array([grey[b : b + d, a : a + c].min() for a, b, c, d in boxes_of(labels)])
    assert np.median(darkest) < 0.7 * np.median(grey)


def test_labels_come_in_reading_order() -> None:
    _, labels, _ = page(height=600)
    boxes = boxes_of(labels)
    middles = boxes[:, 0] + boxes[:, 2] / 2
    new_column = np.flatnonzero(np.diff(boxes[:, 1]) < -50)
    assert len(new_column) >= 3  # columns from top to bottom ...
    starts = middles[np.concatenate([[0], new_column + 1])]
    assert (np.diff(starts) < 0).all()  # ... from right to left


def test_some_boxes_overlap_as_in_reality() -> None:
    overlaps = 0
    for book in range(3):
        boxes = boxes_of(page(book)[1])
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        shared = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
        overlaps += int((shared > 0).all(axis=2).sum() - len(boxes))
    assert overlaps > 0


@pytest.mark.parametrize("kind", ["drawing", "blank"])
def test_pages_without_text_have_no_labels(kind: str) -> None:
    image, labels, _ = page(kind=kind)
    assert labels == []
    assert image.std() > 2  # it is paper all the same


def test_a_page_depends_on_book_number_and_seed_alone() -> None:
    first, again, other = page(1, 3), page(1, 3), page(1, 4)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


@pytest.mark.parametrize("height", [120, 900])
def test_everything_scales_with_the_page(height: int) -> None:
    image, labels, _ = page(height=height)
    assert image.shape[0] == height
    assert image.dtype == np.uint8
    assert 0.015 < np.median(boxes_of(labels)[:, 3]) / height < 0.06
