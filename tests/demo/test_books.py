import numpy as np
import pytest

from kuzushiji.data.folds import book_id
from kuzushiji.demo.books import PagePlan, book_of, plan_pages


def plan(seed: int = 1, hidden_seed: int = 1, extra: str = "", **size: int) -> list[PagePlan]:
    numbers = {"books": 4, "pages": 30, "test_books": 2, "test_pages": 12} | size
    return plan_pages(seed, hidden_seed, extra=extra, **numbers)


def test_counts_and_names() -> None:
    pages = plan()
    train, test = [page for page in pages if not page.test], [page for page in pages if page.test]
    assert (len(train), len(test)) == (30, 12)
    assert len({page.image_id for page in pages}) == 42
    assert len({book_id(page.image_id) for page in train}) == 4
    assert all(page.image_id.startswith("test_") for page in test)  # the name does not tell the book


def test_books_differ_in_size() -> None:
    sizes = np.unique([page.book for page in plan(books=5, pages=100) if not page.test], return_counts=True)[1]
    assert sizes.sum() == 100
    assert sizes.max() > 1.3 * sizes.min()


def test_half_of_the_test_pages_are_from_unseen_books() -> None:
    pages = plan()
    trained = {(page.book_seed, page.book) for page in pages if not page.test}
    unseen = [page for page in pages if page.test and (page.book_seed, page.book) not in trained]
    assert len(unseen) == 6
    assert len({page.book for page in unseen}) == 2


def test_no_page_is_both_trained_on_and_tested() -> None:
    pages = plan()
    keys = [(page.book_seed, page.book, page.page) for page in pages]
    assert len(keys) == len(set(keys))


def test_another_hidden_seed_changes_the_test_pages_only() -> None:
    one, other = plan(1, 1), plan(1, 2)
    assert one[:30] == other[:30]
    assert not {page.image_id for page in one[30:]} & {page.image_id for page in other[30:]}


@pytest.mark.parametrize("split", [False, True])
def test_some_pages_have_no_text(split: bool) -> None:
    kinds = [page.kind for page in plan(pages=60, test_pages=40) if page.test == split]
    assert {"text", "drawing", "blank"} == set(kinds)
    assert kinds.count("text") > 0.8 * len(kinds)


def test_further_characters_are_spread_over_the_pages_with_text() -> None:
    extra = "".join(chr(0x4E00 + number) for number in range(100))
    pages = plan(extra=extra)
    assert sorted("".join(page.must for page in pages)) == sorted(extra)
    assert all(page.kind == "text" and not page.test for page in pages if page.must)


@pytest.mark.parametrize(
    "size",
    [
        {"books": 1, "pages": 1, "test_books": 0, "test_pages": 0},  # the smallest
        {"books": 5, "pages": 5, "test_books": 0, "test_pages": 3},  # one page a book, no unseen book
        {"books": 28, "pages": 3881, "test_books": 12, "test_pages": 4150},  # the competition's size
    ],
)
def test_any_size(size: dict[str, int]) -> None:
    pages = plan(**size)
    assert len(pages) == size["pages"] + size["test_pages"]
    assert len({page.book for page in pages if not page.test}) == size["books"]


def test_books_have_different_hands_and_papers() -> None:
    books = [book_of(seed, number) for seed in (1, 2) for number in range(3)]
    assert len({book.hand.slant for book in books}) == len(books)
    assert len({book.hand.seed for book in books}) == len(books)
    assert len({book.paper.colour for book in books}) == len(books)
    assert len({book.text.preferences["か"] for book in books}) == len(books)
