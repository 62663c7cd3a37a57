"""The report of a run folder, put together from its parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kuzushiji.data.characters import read_characters
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.pages import read_page
from kuzushiji.data.paths import DataRoot
from kuzushiji.report import plots
from kuzushiji.report.books import f1_of_books
from kuzushiji.report.candidates import final_candidates, held_out_candidates
from kuzushiji.report.collect import Collected
from kuzushiji.report.compare import Comparison
from kuzushiji.report.errors import count_errors, f1_by_frequency
from kuzushiji.report.html import Picture, Report
from kuzushiji.report.instances import pairs_with_pictures
from kuzushiji.report.marks import marks_of
from kuzushiji.report.missing import missing_parts
from kuzushiji.report.outcome import Outcome, final_outcome, held_out_outcomes
from kuzushiji.report.pages import page_svg
from kuzushiji.report.reference import Reference
from kuzushiji.report.stages import wide_table
from kuzushiji.report.table import Row
from kuzushiji.report.viewing import boxes_of_page, page_f1, spread_of_pages, viewer_page
from kuzushiji.viewer import ViewerPage


@dataclass(frozen=True)
class Wanted:
    """How much of it is shown.

    Attributes:
        pages: Pages with overlays: half of them the worst, half the best.
        viewer_pages: Pages of the viewer, from the worst to the best.
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
    held_out = held_out_outcomes(collected, root, train)
    final = final_outcome(collected, root, truth)
    known = [*held_out, *([final] if final is not None and final.truth is not None else [])]
    # Held-out pages are more than test pages, and their truth is known in the competition too.
    most = held_out[-1] if held_out else final if known else None
    shown = final if final is not None and (final.truth is not None or most is None) else most
    return Report(
        title=f"Report of {collected.folder}",
        table=wide_table(rows, collected, held_out, reference),
        missing=missing_parts(collected, truth_is_known=truth is not None),
        comparison=comparison,
        errors=[(outcome.name, count_errors(outcome)) for outcome in known],
        pairs=pairs_with_pictures(most, chars, wanted.pairs) if most is not None and wanted.pairs else [],
        pairs_of="" if most is None else most.name,
        pictures=_pictures(known, held_out, train),
        curves=[Picture(kind, plots.learning_curves(collected.of_kind(kind))) for kind in collected.kinds],
        pages=[] if shown is None else _overlays(shown, chars, wanted.pages),
        viewed=_viewed(collected, shown, final, chars, wanted.viewer_pages),
    )


def _pictures(outcomes: Sequence[Outcome], held_out: Sequence[Outcome], train: PageLabels) -> list[Picture]:
    """Return the pictures of errors; by book only of held-out pages: names of test pages do not tell the book."""
    examples: pd.Series[int] = train.boxes["code"].value_counts()
    tables = [(outcome.name, f1_by_frequency(outcome, examples)) for outcome in outcomes]
    errors = [(outcome.name, count_errors(outcome)) for outcome in outcomes]
    return [
        Picture("Errors by kind", plots.error_bars(errors)),
        Picture("F1 by frequency of the character", plots.frequency_curves(tables)),
        Picture("Calibration: are probabilities what they say?", plots.calibration_curves(outcomes)),
        Picture("F1 by book", plots.f1_by_book(f1_of_books(held_out))),
    ]


def _overlays(outcome: Outcome, chars: Mapping[str, str], count: int) -> list[Picture]:
    """Return the worst pages, the worst first, and then the best, the best last; the first ones without truth."""
    f1 = page_f1(outcome)
    if outcome.truth is None:
        chosen = [(page, page) for page in outcome.pages[:count]]
    else:
        n = min(count, len(f1))
        worst, best = f1.iloc[: (n + 1) // 2], f1.iloc[len(f1) - n // 2 :]
        titles = pd.concat([worst, best])
        chosen = [(str(page), f"{page}: F1 {value:.3f}") for page, value in titles.items()]
    pictures = []
    for page, title in chosen:
        marks = marks_of(boxes_of_page(outcome, page, chars))
        pictures.append(Picture(title, page_svg(read_page(outcome.image(page)), marks, title=title)))
    return pictures


def _viewed(
    collected: Collected, shown: Outcome | None, final: Outcome | None, chars: Mapping[str, str], count: int
) -> list[ViewerPage]:
    """Return pages from the worst to the best; where the truth of test pages is unknown, as many of those below."""
    pages: list[ViewerPage] = []
    for outcome in dict.fromkeys((shown, final)):
        if outcome is None:
            continue
        chosen = spread_of_pages(outcome, count)
        names = [page for page, _ in chosen]
        if outcome is final:
            models, single = final_candidates(collected, names)
        else:
            models, single = held_out_candidates(collected, names), []
        pages += [viewer_page(outcome, page, models, chars, single=single, note=note) for page, note in chosen]
    return pages
