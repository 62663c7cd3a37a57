"""How well pages and books are read: F1, character error rate, errors by kind; books in training against others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kuzushiji.data.folds import book_id
from kuzushiji.data.paths import DataRoot
from kuzushiji.reading_order import reading_order
from kuzushiji.report.groups import wilson
from kuzushiji.report.outcome import DROPPED, FALSE_BOX, NO_BOX, SECOND_BOX, WRONG_CHARACTER, Outcome

LONGEST = 50_000
"""Characters of a page whose texts are compared."""
_OF_CHARACTERS = (WRONG_CHARACTER, DROPPED, NO_BOX)
_OF_BOXES = (SECOND_BOX, FALSE_BOX)


def score_of_pages(outcome: Outcome) -> pd.DataFrame:
    """Return the scores of pages.

    The character error rate is edits / characters. Edits are the insertions, deletions and substitutions between the
    true text and what was read, both in `reading_order`; lines do not count.

    Args:
        outcome: With truth.

    Returns:
        Columns image_id, characters, edits, tp, fp, fn and a column a kind of error (int), a row a page.
    """
    assert outcome.truth is not None and outcome.scores is not None
    truth, boxes, fates = outcome.truth.boxes, outcome.boxes, outcome.fates
    read = boxes[outcome.is_read]
    true_rows, read_rows = (table.groupby("image_id", sort=False).indices for table in (truth, read))
    none = np.zeros(0, np.int64)
    true_codes, read_codes = truth["code"].to_numpy(object), read["pred"].to_numpy(object)
    true_xywh, read_xywh = (table[["x", "y", "w", "h"]].to_numpy(np.float64) for table in (truth, read))
    edits = []
    for page in outcome.scores["image_id"]:
        there, found = true_rows.get(page, none), read_rows.get(page, none)
        there = there[reading_order(true_xywh[there]).order]
        found = found[reading_order(read_xywh[found]).order]
        edits.append(edits_between(true_codes[there].tolist(), read_codes[found].tolist()))
    counts = {kind: truth["image_id"][fates.characters == kind].value_counts() for kind in _OF_CHARACTERS}
    counts |= {kind: boxes["image_id"][fates.boxes == kind].value_counts() for kind in _OF_BOXES}
    scores = outcome.scores
    columns = {kind: scores["image_id"].map(count).fillna(0).astype(int) for kind, count in counts.items()}
    table: pd.DataFrame = scores.assign(characters=scores["tp"] + scores["fn"], edits=edits, **columns)
    return table


def edits_between(truth: Sequence[str], read: Sequence[str]) -> int:
    """Return the least number of insertions, deletions and substitutions between two texts, given as codes."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(truth[:LONGEST], read[:LONGEST]))


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
