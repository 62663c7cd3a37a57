"""How well each book is read by models that have not seen it."""

import pandas as pd

from kuzushiji.artifacts import read_detailed
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import PageLabels
from kuzushiji.metric import score_pages
from kuzushiji.report.collect import SEGMENT, Collected, Run
from kuzushiji.scoring import points_of

DETAILED = "detailed.parquet"


def f1_of_books(collected: Collected, truth: PageLabels) -> pd.DataFrame:
    """Return F1 of each book in the held-out predictions of each kind of classifier.

    Args:
        collected: What is in the run folder; runs without held-out predictions are left out.
        truth: Truth of all training pages.

    Returns:
        Columns kind, book, pages (int), f1 (float, 0 to 1); one row a kind and book, kinds in their order, books by
        name.

    Raises:
        InputError: predictions cannot be read, or are of pages that are not in the truth.
    """
    runs = [run for run in collected.runs if run.kind != SEGMENT and (run.folder / DETAILED).exists()]
    pages = pd.concat([_scored_pages(run, truth) for run in runs] or [_no_pages()])
    books = pages.groupby(["kind", "book"], sort=True)[["pages", "tp", "fp", "fn"]].sum().reset_index()
    f1 = 2 * books["tp"] / (2 * books["tp"] + books["fp"] + books["fn"]).clip(lower=1)
    table: pd.DataFrame = books.assign(f1=f1)[["kind", "book", "pages", "f1"]]
    return table


def _scored_pages(run: Run, truth: PageLabels) -> pd.DataFrame:
    detailed = read_detailed(run.folder / DETAILED, top_k=1)
    scores = score_pages(truth.of_pages(detailed.pages), points_of(detailed.labels()))
    pages: pd.DataFrame = scores.assign(kind=run.kind, book=scores["image_id"].map(book_id), pages=1)
    return pages


def _no_pages() -> pd.DataFrame:
    numbers = pd.DataFrame(0, index=[], columns=["pages", "tp", "fp", "fn"])
    pages: pd.DataFrame = numbers.assign(kind="", book="")
    return pages
