"""How well each book is read by models that have not seen it."""

from collections.abc import Sequence

import pandas as pd

from kuzushiji.data.folds import book_id
from kuzushiji.report.outcome import Outcome

_COUNTS = ["tp", "fp", "fn"]


def f1_of_books(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return F1 of each book in each outcome.

    Args:
        outcomes: What was read; those whose truth is unknown are left out.

    Returns:
        Columns kind (the outcome's name), book, pages (int), f1 (float, 0 to 1); one row an outcome and book, outcomes
        in the order given, books by name.
    """
    tables = [
        outcome.scores.assign(kind=outcome.name, book=outcome.scores["image_id"].map(book_id), pages=1)
        for outcome in outcomes
        if outcome.scores is not None
    ]
    columns = ["kind", "book", "pages", *_COUNTS]
    books = pd.DataFrame({name: [] for name in columns})
    if tables:
        books = pd.concat([table[columns].groupby(["kind", "book"]).sum().reset_index() for table in tables])
    f1 = 2 * books["tp"] / (2 * books["tp"] + books["fp"] + books["fn"]).clip(lower=1)
    result: pd.DataFrame = books.assign(f1=f1)[["kind", "book", "pages", "f1"]].reset_index(drop=True)
    return result
