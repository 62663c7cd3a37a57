"""The report of a run folder, put together from its parts: first the headline, and which run it is of."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from kuzushiji.data.characters import read_characters
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.report import groups, plots
from kuzushiji.report.collect import Collected, missing_parts
from kuzushiji.report.compare import Comparison
from kuzushiji.report.error_counts import confused_pairs, count_errors
from kuzushiji.report.grids import table_of_characters, table_of_groups, table_of_pages
from kuzushiji.report.html import PairOfLinks, Report
from kuzushiji.report.instances import pairs_with_pictures
from kuzushiji.report.outcome import Outcome, final_outcome, held_out_outcomes
from kuzushiji.report.page_scores import f1_by, pages_of, read_test_books
from kuzushiji.report.plots import Plot
from kuzushiji.report.reference import Reference
from kuzushiji.report.stage_rows import Row
from kuzushiji.report.stages import wide_table, without_dashes
from kuzushiji.report.viewing import Viewed, viewed_pages

_CHECKOUT = Path(__file__).parents[2]


def headline(rows: Sequence[Row], shown: Outcome | None) -> str:
    """Return the one number that counts: F1 of the last stage with a score, on test pages where they are known.

    Args:
        rows: The table stage by stage.
        shown: The result on test pages or, without it, on held-out pages.
    """
    read = [row for row in rows if row.fold == "all" and not row.stage.startswith("boxes")]
    if not read:
        return "Nothing was read yet"
    last = read[-1]
    if last.test is not None:
        pages = "" if shown is None else f" on {len(shown.pages):,} test pages"
        return f"F1 {last.test.f1:.3f}{pages}, read by: {last.stage}"
    if last.held_out is not None:
        return f"F1 {last.held_out:.3f} out of fold, read by: {last.stage}"
    return "No score is known yet"


def facts_of_run(collected: Collected, n_pages: tuple[int, int | None]) -> list[tuple[str, str]]:
    """Return names and values: date, code, profile, seed, data, machine; those that are not known are left out.

    The commit and the machine are those of this process: the chain runs it last.

    Args:
        collected: What is in the run folder.
        n_pages: Training pages, and test pages with truth, None where it is unknown.
    """
    train, test = n_pages
    seeds = sorted({str(run.params["seed"]) for run in collected.runs if "seed" in run.params})
    facts = [
        ("date", _date(collected)),
        ("code", _commit()),
        ("profile", _profile(collected.folder.resolve())),
        ("seed", ", ".join(seeds)),
        ("data", f"{train:,} training pages" + (f", {test:,} test pages with truth" if test else "")),
        ("machine", _machine()),
    ]
    return [(name, value) for name, value in facts if value]


def _date(collected: Collected) -> str:
    """Return the day on which the last result was written."""
    files = [*([collected.final] if collected.final else []), *collected.blends.values()]
    files += [path for run in collected.runs for path in run.folder.glob("metrics*.json")]
    times = [path.stat().st_mtime for path in files if path.exists()]
    return datetime.fromtimestamp(max(times)).astimezone().date().isoformat() if times else ""


def _profile(folder: Path) -> str:
    """Return the profile whose default run folder this is (`_runs/demo`; `_runs` of kaggle); "" for another folder."""
    names = {path.stem: path.stem for path in (_CHECKOUT / "profiles").glob("*.env")} | {"_runs": "kaggle"}
    return names.get(folder.name, "")


def _commit() -> str:
    """Return the commit of the code's checkout; "" where it is none."""
    if not (_CHECKOUT / ".git").exists():
        return ""
    command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else ""


def _machine() -> str:
    """Return processor, cores and system."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def build_report(
    collected: Collected,
    root: DataRoot,
    truth: PageLabels | None,
    rows: Sequence[Row],
    reference: Reference,
    comparison: Comparison | None,
    *,
    n_pages: int,
    viewer_pages: int,
    n_pairs: int,
) -> Report:
    """Return the report.

    Args:
        collected: What is in the run folder.
        root: The pages and their truth.
        truth: Truth of the test pages; None where it is unknown.
        rows: The table stage by stage.
        reference: Stands beside runs that repeat its recipe.
        comparison: The run beside the reference; None where that is not wanted.
        n_pages: Rows of the table by page.
        viewer_pages: Pages of the viewer, of test pages and of held-out pages each.
        n_pairs: Pairs of characters with pictures.

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
    pairs = [confused_pairs(outcome, n_pairs if outcome.truth is not None else 0) for outcome in shown]
    viewed = viewed_pages(collected, shown, pairs, chars, viewer_pages)
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
        pages=table_of_pages(pages, results, viewed, n_pages) if n_pages and results else None,
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
