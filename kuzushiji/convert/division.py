"""Which pages become test pages, and what pages are called so that their book can be told from their names."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from kuzushiji.data.folds import book_id, spread
from kuzushiji.errors import InputError

_NO_WORD = re.compile(r"[\W_]")


def choose_test_pages(names: Sequence[str], share: float, books: Sequence[str]) -> set[str]:
    """Return the pages to test on.

    Args:
        names: All pages.
        share: Of the pages, at most, but at least one book; whole books are taken, in an order that depends on their
            names alone. Of a single book pages are taken, evenly spread.
        books: These books in place of a share.

    Raises:
        InputError: a book is not there, or no page would be left to train on.
    """
    pages = Counter(map(book_id, names))
    unknown = [book for book in books if book not in pages]
    if unknown:
        raise InputError(f"--test-books: expected books of {', '.join(sorted(pages)[:20])}, got {unknown[0]}")
    chosen = set(books)
    if share > 0 and len(pages) == 1:
        return set(spread(names, max(1, int(share * len(names))))) if len(names) > 1 else set()
    if share > 0:
        for book in sorted(pages, key=lambda book: hashlib.sha256(book.encode()).digest()):
            fits = sum(pages[other] for other in chosen) + pages[book] <= share * len(names)
            if (fits or not chosen) and len(chosen) + 1 < len(pages):
                chosen.add(book)
    found = {name for name in names if book_id(name) in chosen}
    if found and len(found) == len(names):
        raise InputError(f"expected pages to train on, all {len(names)} are of the books to test on")
    return found


def book_prefix(name: str) -> str:
    """Return a name of a book that the rule of `book_id` gives back for `<it>_<page>`: `genji_2` -> `Genji2`.

    Raises:
        InputError: no letter or digit is in it.
    """
    plain = _NO_WORD.sub("", name)
    if not plain:
        raise InputError(f"expected the name of a book with letters or digits, got {name!r}")
    return plain if book_id(f"{plain}_1") == plain else plain[0].upper() + plain[1:]
