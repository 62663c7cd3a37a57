"""How well books are read: each one, and those in training against others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kuzushiji.data.folds import book_id
from kuzushiji.data.paths import DataRoot
from kuzushiji.report.intervals import wilson
from kuzushiji.report.outcome import Outcome
from kuzushiji.report.page_scores import score_of_pages

SEEN, UNSEEN, UNKNOWN = "books in training", "other books", "book not known"
_TEST = "test_"
_COUNTS = ["characters", "edits", "tp", "fp", "fn"]


def read_test_books(root: DataRoot) -> dict[str, str]:
    """Return the book of each test page from `test_books.csv` of a data root; nothing where it is not there.

    Raises:
        InputError: the file cannot be read, or lacks a column.
    """
    from kuzushiji.data.label_text import read_columns

    if not root.test_books_csv.is_file():
        return {}
    pages, books = read_columns(root.test_books_csv, ("image_id", "book"))
    return dict(zip(pages, books, strict=True))


def book_of_page(page: str, test_books: Mapping[str, str]) -> str:
    """Return the book of a page; "" for a test page whose name does not say it, such as `test_001c37e2`."""
    if page in test_books:
        return test_books[page]
    rest = page.removeprefix(_TEST)
    return book_id(rest) if rest == page or "_" in rest or "-" in rest else ""


def pages_of(outcome: Outcome, trained: Mapping[str, str], test_books: Mapping[str, str]) -> pd.DataFrame:
    """Return the pages of an outcome with their scores, books, and whether training had the book.

    Args:
        outcome: With truth.
        trained: Book of each training page.
        test_books: Book of each test page, where it is known.

    Returns:
        As `score_of_pages`, with the columns kind (the outcome's name), book ("" where it is not known) and seen (of
        `SEEN`, `UNSEEN`, `UNKNOWN`). Held-out pages were read by models that had not seen their book.
    """
    books = [book_of_page(page, test_books) for page in outcome.pages]
    known = set(trained.values())
    seen = [
        UNSEEN if page in trained else UNKNOWN if not book else SEEN if book in known else UNSEEN
        for page, book in zip(outcome.pages, books, strict=True)
    ]
    table: pd.DataFrame = score_of_pages(outcome).assign(kind=outcome.name, book=books, seen=seen)
    return table


def f1_by(pages: Sequence[pd.DataFrame], column: str) -> pd.DataFrame:
    """Return scores of groups of pages.

    Args:
        pages: As `pages_of` returns them.
        column: `book` or `seen`: what makes a group; pages for which it is "" are left out.

    Returns:
        Columns kind, the column, pages, characters, edits, tp, fp, fn (int), precision, recall, f1 (0 to 1), low and
        high (its 95 % interval), cer; outcomes in the order given, groups by name.
    """
    columns = ["kind", column, "pages", *_COUNTS]
    tables = [
        table[table[column] != ""].assign(pages=1)[columns].groupby(["kind", column]).sum().reset_index()
        for table in pages
    ]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({name: [] for name in columns})
    both = 2 * table["tp"] + table["fp"] + table["fn"]
    f1 = 2 * table["tp"] / both.clip(lower=1)
    low, high = wilson(f1, both / 2)
    result: pd.DataFrame = table.assign(
        precision=table["tp"] / (table["tp"] + table["fp"]).clip(lower=1),
        recall=table["tp"] / (table["tp"] + table["fn"]).clip(lower=1),
        f1=f1, low=np.minimum(low, f1), high=np.maximum(high, f1),
        cer=table["edits"] / table["characters"].clip(lower=1),
    )  # fmt: skip
    return result
