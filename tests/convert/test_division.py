"""Which pages are tested on, and names from which the book can be told."""

import pytest

from kuzushiji.convert.new_root import book_prefix, choose_test_pages
from kuzushiji.data.folds import book_id
from kuzushiji.errors import InputError

PAGES = [f"{100 + book}_{page}" for book in range(5) for page in range(4)]


def books(names: set[str]) -> set[str]:
    return {book_id(name) for name in names}


def test_whole_books_of_at_most_the_share() -> None:
    for share in (0.2, 0.4, 0.5, 0.79):
        chosen = choose_test_pages(PAGES, share, ())
        assert len(chosen) == 4 * int(share * 5)
        assert not books(chosen) & books(set(PAGES) - chosen)


def test_at_least_one_book_and_never_all() -> None:
    assert len(choose_test_pages(PAGES, 0.01, ())) == 4
    assert len(choose_test_pages(PAGES, 1.0, ())) == 16


def test_more_pages_of_other_books_change_nothing_about_a_choice() -> None:
    assert choose_test_pages(PAGES, 0.2, ()) == choose_test_pages(PAGES[::-1], 0.2, ())


def test_of_one_book_pages_are_taken() -> None:
    assert choose_test_pages(PAGES[:4], 0.5, ()) == {"100_0", "100_2"}
    assert choose_test_pages(PAGES[:1], 0.5, ()) == set()


def test_books_by_name() -> None:
    assert books(choose_test_pages(PAGES, 0, ("101", "103"))) == {"101", "103"}
    assert choose_test_pages(PAGES, 0, ()) == set()


def test_bad_books() -> None:
    with pytest.raises(InputError, match="--test-books: expected books of 100, 101, 102, 103, 104, got 7"):
        choose_test_pages(PAGES, 0, ("7",))
    with pytest.raises(InputError, match="expected pages to train on"):
        choose_test_pages(PAGES[:4], 0, ("100",))


@pytest.mark.parametrize("name", ["genji", "genji_2", "genji2", "200003076", "My Book", "源氏物語", "2a-b", "é1"])
def test_the_book_of_a_page_can_be_told(name: str) -> None:
    prefix = book_prefix(name)
    assert book_id(f"{prefix}_0001") == prefix


def test_no_name_for_a_book() -> None:
    with pytest.raises(InputError, match="letters or digits"):
        book_prefix("__")
