"""Books and folds."""

from collections import Counter

import numpy as np
import pytest

from kuzushiji.data.folds import PAGES, assign_folds, book_id, check_fold, fold_of_pages, split_pages, spread
from kuzushiji.errors import InputError

# The competition's books: pages, and how many of them have text.
REAL_BOOKS = {
    "200006663": (12, 10), "200022050": (29, 24), "200021869": (33, 30), "200021637": (34, 33), "200021925": (41, 33),
    "100249476": (54, 46), "200021851": (55, 53), "200014685": (62, 60), "100249416": (65, 58), "100249371": (68, 63),
    "100241706": (70, 66), "200021853": (78, 77), "200003967": (83, 73), "200021644": (85, 84), "200005598": (96, 95),
    "200021763": (98, 94), "200021802": (108, 105), "100249376": (109, 104), "200004148": (150, 124),
    "200021712": (160, 158), "100249537": (172, 159), "200021660": (175, 169), "200014740": (180, 154),
    "brsk": (228, 218), "200015779": (279, 267), "200003076": (346, 282), "umgy": (496, 466), "hnsd": (515, 500),
}  # fmt: skip


def pages_of(book: str, n: int) -> list[str]:
    """Image ids as the competition has them: `200014740_00001_1`, `umgy001-004`."""
    if book.isdigit():
        return [f"{book}_{number // 2 + 1:05d}_{number % 2 + 1}" for number in range(n)]
    return [f"{book}{number // 100 + 1:03d}-{number % 100 + 1:03d}" for number in range(n)]


@pytest.mark.parametrize(
    ("image_id", "book"),
    [
        ("200014740_00001_1", "200014740"),
        ("umgy001-004", "umgy"),  # the number of the volume is not part of the book
        ("hnsd001-001", "hnsd"),
        ("brsk001-001", "brsk"),
        ("brsk002-001", "brsk"),
        ("test_24ace5cc", "test"),
        ("a-b_c", "a"),
        ("b_c-d", "b"),
        ("plain", "plain"),
        ("ABC12_1", "ABC12"),  # capitals stay whole
        ("_1", ""),
        ("", ""),
    ],
)
def test_book_id(image_id: str, book: str) -> None:
    assert book_id(image_id) == book


def test_fold_sizes_of_the_competition() -> None:
    pages = [image_id for book, (n, _) in REAL_BOOKS.items() for image_id in pages_of(book, n)]
    with_text = [image_id for book, (n, text) in REAL_BOOKS.items() for image_id in pages_of(book, n)[:text]]
    assert len(pages) == len(set(pages)) == 3881
    folds = assign_folds(pages, 5)
    assert sorted(Counter(folds.values()).items()) == [(0, 752), (1, 941), (2, 982), (3, 562), (4, 644)]
    assert [sum(folds[image_id] == fold for image_id in with_text) for fold in range(5)] == [657, 894, 921, 517, 616]


def test_folds_do_not_depend_on_the_order_of_the_pages() -> None:
    pages = [image_id for book in ("b", "a", "d", "c") for image_id in pages_of(book, 2)]
    folds = assign_folds(pages, 2)
    assert folds == assign_folds(pages[::-1], 2)
    # books of equally many pages go by their ids
    assert {book_id(image_id): fold for image_id, fold in folds.items()} == {"a": 0, "b": 1, "c": 0, "d": 1}


def test_no_book_is_on_both_sides() -> None:
    pages = [image_id for book, (n, _) in REAL_BOOKS.items() for image_id in pages_of(book, n)]
    for fold in range(5):
        train, valid = split_pages(pages, fold, 5)
        assert not {book_id(image_id) for image_id in train} & {book_id(image_id) for image_id in valid}
        assert sorted(train + valid) == sorted(pages)


def test_fold_of_pages_follows_the_order_given() -> None:
    folds = fold_of_pages(["b_1", "a_1", "b_2"], 2)
    assert folds.tolist() == [1, 0, 1]
    assert folds.dtype == np.int32


def test_fewer_books_than_folds() -> None:
    with pytest.raises(InputError, match="expected at least as many books as folds, got 2 books for 3 folds"):
        assign_folds(["a_1", "a_2", "b_1"], 3)
    with pytest.raises(InputError, match="got 0 books"):
        assign_folds([], 2)


def test_a_hint_where_pages_can_be_divided() -> None:
    with pytest.raises(InputError, match="got 1 books for 2 folds; --split pages divides pages, with"):
        assign_folds(["a_1", "a_2"], 2)
    with pytest.raises(InputError, match="got 1 books for 2 folds$"):
        assign_folds(["a_1"], 2)
    with pytest.raises(InputError, match="expected at least as many pages as folds, got 1 pages for 2 folds$"):
        assign_folds(["a_1"], 2, PAGES)


def test_pages_are_divided(caplog: pytest.LogCaptureFixture) -> None:
    pages = pages_of("a", 7) + pages_of("b", 3)
    folds = assign_folds(pages[::-1], 3, PAGES)
    assert [folds[page] for page in sorted(pages)] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert fold_of_pages(pages, 3, PAGES).tolist() == [folds[page] for page in pages]
    train, valid = split_pages(pages, 1, 3, PAGES)
    assert [page for page in pages if folds[page] == 1] == list(valid) and sorted(train + valid) == sorted(pages)
    assert "folds divide pages: books are on both sides, and scores on held-out pages flatter" in caplog.text


def test_who_divides_books_is_not_warned(caplog: pytest.LogCaptureFixture) -> None:
    split_pages(["a_1", "b_1"], 0, 2)
    assert not caplog.text


@pytest.mark.parametrize("n_folds", [1, 0, -1])
def test_fewer_than_two_folds(n_folds: int) -> None:
    with pytest.raises(InputError, match="expected at least 2 folds"):
        assign_folds(["a_1", "b_1"], n_folds)


@pytest.mark.parametrize("fold", [-1, 2, 7])
def test_fold_out_of_range(fold: int) -> None:
    with pytest.raises(InputError, match=f"expected a fold from 0 to 1, got {fold}"):
        check_fold(fold, 2)
    with pytest.raises(InputError, match="expected a fold from 0 to 1"):
        split_pages(["a_1", "b_1"], fold, 2)


@pytest.mark.parametrize(
    ("n", "limit", "expected"),
    [
        (10, 0, tuple(range(10))),  # no limit
        (10, 20, tuple(range(10))),
        (10, 5, (0, 2, 4, 6, 8)),
        (10, 3, (0, 3, 6)),
        (10, 1, (0,)),
        (0, 3, ()),
    ],
)
def test_spread(n, limit, expected):
    assert spread(range(n), limit) == expected
