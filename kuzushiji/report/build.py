"""The report of a run folder, put together from its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kuzushiji.data.characters import read_characters
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.report import groups, plots
from kuzushiji.report.books import f1_by, pages_of, read_test_books
from kuzushiji.report.characters import table_of_characters
from kuzushiji.report.collect import Collected
from kuzushiji.report.compare import Comparison
from kuzushiji.report.errors import confused_pairs, count_errors
from kuzushiji.report.head import facts_of_run, headline
from kuzushiji.report.html import PairOfLinks, Report
from kuzushiji.report.instances import pairs_with_pictures
from kuzushiji.report.missing import missing_parts
from kuzushiji.report.outcome import Outcome, final_outcome, held_out_outcomes
from kuzushiji.report.page_table import table_of_groups, table_of_pages
from kuzushiji.report.picture import Plot
from kuzushiji.report.reference import Reference
from kuzushiji.report.stages import wide_table, without_dashes
from kuzushiji.report.table import Row
from kuzushiji.report.viewed import Viewed, viewed_pages


@dataclass(frozen=True)
class Wanted:
    """How much of it is shown.

    Attributes:
        pages: Rows of the table by page, the worst first.
        viewer_pages: Pages of the viewer: of test pages, and of held-out pages.
        pairs: Pairs of characters that are taken for each other.
    """

    pages: int
    viewer_pages: int
    pairs: int


def build_report(
    collected: Collected,
    root: DataRoot,
    truth: PageLabels | None,
    rows: Sequence[Row],
    reference: Reference,
    comparison: Comparison | None,
    wanted: Wanted,
) -> Report:
    """Return the report.

    Args:
        collected: What is in the run folder.
        root: The pages and their truth.
        truth: Truth of the test pages; None where it is unknown.
        rows: The table stage by stage.
        reference: Stands beside runs that repeat its recipe.
        comparison: The run beside the reference; None where that is not wanted.
        wanted: How much is shown.

    Raises:
        InputError: a file of the run or a page cannot be read.
    """
    train, chars = read_page_labels(root.train_csv), read_characters(root.unicode_translation_csv)
    examples: pd.Series[int] = train.boxes["code"].value_counts()
    held_out = held_out_outcomes(collected, root, train)
    final = final_outcome(collected, root, truth)
    known = [*held_out, *([final] if final is not None and final.truth is not None else [])]
    shown = [outcome for outcome in (final, held_out[-1] if held_out else None) if outcome is not None]
    results = [outcome for outcome in shown if outcome.truth is not None]
    # Held-out pages are more than test pages, and their truth is known in the competition too.
    most = results[-1] if results else None
    pairs = [confused_pairs(outcome, wanted.pairs if outcome.truth is not None else 0) for outcome in shown]
    viewed = viewed_pages(collected, shown, pairs, chars, wanted.viewer_pages)
    trained = {page: book_id(page) for page in train.image_ids}
    test_books = read_test_books(root)
    pages = [pages_of(outcome, trained, test_books) for outcome in results]
    return Report(
        title=f"Report of {collected.folder}",
        headline=headline(rows, final),
        facts=facts_of_run(collected, (len(train.image_ids), None if truth is None else len(truth.image_ids))),
        table=without_dashes(wide_table(rows, collected, held_out, reference)),
        missing=missing_parts(collected, truth_is_known=truth is not None),
        comparison=comparison,
        errors=[(outcome.name, count_errors(outcome)) for outcome in known],
        seen=table_of_groups(f1_by(pages, "seen"), "seen", "books"),
        pairs=[] if most is None else _pairs(most, pairs[-1], chars, viewed),
        pairs_of="" if most is None else most.name,
        characters=None if most is None else table_of_characters(most, examples, chars),
        pictures=_pictures(known, results, examples, f1_by(pages, "book")),
        curves=[plots.learning_curves(kind, collected.of_kind(kind)) for kind in collected.kinds],
        pages=table_of_pages(pages, results, viewed, wanted.pages) if wanted.pages and results else None,
        viewed=viewed.pages,
    )


def _pairs(outcome: Outcome, table: pd.DataFrame, chars: Mapping[str, str], viewed: Viewed) -> list[PairOfLinks]:
    """Return the pairs with pictures, each instance with the link to its box where the viewer shows it."""
    shown = [page for name, page in viewed.numbers if name == outcome.name]
    return [
        PairOfLinks(
            pair, tuple(tuple(viewed.link_to(outcome, one) for one in strip.instances) for strip in pair.strips)
        )
        for pair in pairs_with_pictures(outcome, table, chars, shown)
    ]


def _pictures(
    known: Sequence[Outcome], results: Sequence[Outcome], examples: "pd.Series[int]", books: pd.DataFrame
) -> list[Plot]:
    """Return the plots: errors and calibration of each model, all else of the last one alone."""

    def of_groups(title: str, x: str, tables: Sequence[pd.DataFrame], least: Sequence[float]) -> Plot:
        named = [(outcome.name, table) for outcome, table in zip(results, tables, strict=True)]
        return plots.f1_points(title, x, named, least)

    return [
        plots.error_bars([(outcome.name, count_errors(outcome)) for outcome in known]),
        plots.calibration_curves(known),
        of_groups(
            "F1 by frequency of the character", "training examples of the character",
            [groups.f1_by_frequency(outcome, examples) for outcome in results], groups.FREQUENCIES,
        ),
        of_groups(
            "F1 by size of the box", "root of the box's area, pixels",
            [groups.f1_by_size(outcome) for outcome in results], groups.SIZES,
        ),
        of_groups(
            "F1 by density of the page", "characters on the page",
            [groups.f1_by_density(outcome) for outcome in results], groups.DENSITIES,
        ),
        plots.f1_by_book(books),
    ]  # fmt: skip
