"""Pairs the pages of both sides, scores them, and shows the result; writes the scores as CSV tables."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kuzushiji.data.folds import book_id
from kuzushiji.errors import InputError
from kuzushiji.evaluate.config import EvaluateConfig
from kuzushiji.evaluate.measures import BoxScores, Confusions, Normaliser, TextScore, score_boxes, score_text
from kuzushiji.evaluate.readings import BOXES, NOTHING, Reading, laid_out, read_readings
from kuzushiji.files import atomic_write_text
from kuzushiji.forms.character_codes import read_character_map
from kuzushiji.forms.notes import Notes
from kuzushiji.layout import TEXT
from kuzushiji.metric import Counts, chosen_pages
from kuzushiji.terminal import format_table, print_result

logger = logging.getLogger(__name__)

_NAMED = 5
"""Pages that a message names."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of the pages.

    Attributes:
        pages: Their names.
        text: The score of each page's text, in their order.
        boxes: The scores of pages with boxes on both sides; None where there are none.
        without_boxes: How many pages are not among these.
        only_truth: Pages that nobody read.
        only_read: Pages of which there is no truth.
        failures: Files that could not be read, one line each.
    """

    pages: tuple[str, ...]
    text: list[TextScore]
    boxes: BoxScores | None
    without_boxes: int
    only_truth: list[str] = field(default_factory=list)
    only_read: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def confusions(self) -> Confusions:
        """How often a character was read as another: by place where there are boxes, else by the text."""
        if self.boxes is not None:
            return self.boxes.confusions
        return sum((score.confusions for score in self.text), Counter())


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Score the pages that both sides have, or with `count_missing` all.

    Raises:
        InputError: a source cannot be read, both have no page in common, or the tables cannot be written.
    """
    notes = Notes()
    table = {} if config.map is None else read_character_map(config.map)
    normaliser = Normaliser(config.ignored, table)
    truth = read_readings(config.truth, config.truth_form, notes)
    read = read_readings(config.predictions, config.form, notes)
    names, only_truth, only_read = _paired(config, truth, read)
    pairs = []
    for name in names:
        true, found = laid_out(truth.get(name, _empty(name)), read.get(name, _empty(name)))
        pairs.append((normaliser.reading(true), normaliser.reading(found)))
    _note_roles(pairs)
    texts = [score_text(_lines(true), _lines(found), true.name) for true, found in pairs]
    placed = [pair for pair in pairs if pair[0].kind == BOXES and pair[1].kind != NOTHING]
    boxes = score_boxes(*map(list, zip(*placed, strict=True))) if placed else None
    evaluation = Evaluation(names, texts, boxes, len(pairs) - len(placed), only_truth, only_read, notes.failures)
    if config.tables is not None:
        write_tables(config.tables, names, texts, boxes, evaluation.confusions, force=config.force)
    return evaluation


def _paired(
    config: EvaluateConfig, truth: dict[str, Reading], read: dict[str, Reading]
) -> tuple[tuple[str, ...], list[str], list[str]]:
    """Return the pages to score, and those that one side alone has."""
    chosen = chosen_pages(config.pages) or tuple(truth | read)
    unknown = [page for page in chosen if page not in truth and page not in read]
    if unknown:
        raise InputError(f"--pages: expected pages of {config.truth} or {config.predictions}, got {unknown[0]}")
    only_truth = [page for page in chosen if page not in read]
    only_read = [page for page in chosen if page not in truth]
    how = "counted" if config.count_missing else "left out (--count-missing counts them)"
    for side, other, pages in (
        (config.truth, config.predictions, only_truth),
        (config.predictions, config.truth, only_read),
    ):
        if pages:
            shown = ", ".join(pages[:_NAMED]) + (", …" if len(pages) > _NAMED else "")
            logger.warning("%d pages of %s are not in %s and are %s: %s", len(pages), side, other, how, shown)
    if len(only_truth) + len(only_read) == len(chosen):
        raise InputError(
            f"{config.predictions}: expected pages that {config.truth} has, such as {next(iter(truth))}, "
            f"got none, but {next(iter(read))}"
        )
    if config.count_missing:
        return chosen, only_truth, only_read
    missing = {*only_truth, *only_read}
    return tuple(page for page in chosen if page not in missing), only_truth, only_read


def _note_roles(pairs: Sequence[tuple[Reading, Reading]]) -> None:
    """Warn where text that has lines alone is compared with furigana and strips at the edge, which it may not hold."""
    extra = sum(line.role != TEXT for true, read in pairs if read.kind == NOTHING for line in true.lines or ())
    if extra:
        logger.warning(
            "%d lines of the truth are furigana or at the edge: --ignore furigana,edge leaves them out", extra
        )


def _empty(name: str) -> Reading:
    return Reading(name, BOXES, [], np.zeros((0, 4)), [])


def _lines(reading: Reading) -> list[str]:
    return [line.text for line in reading.lines or ()]


def facts_of(evaluation: Evaluation) -> dict[str, Any]:
    """Return what the evaluation found as JSON values."""
    facts: dict[str, Any] = {"pages": len(evaluation.pages)}
    if evaluation.boxes is not None:
        facts["characters"] = Counts.total(evaluation.boxes.characters).as_dict()
        facts["boxes"] = Counts.total(evaluation.boxes.boxes).as_dict()
    if evaluation.without_boxes:
        facts["pages without boxes"] = evaluation.without_boxes
    facts["text"] = text_facts(evaluation.text)
    facts["only in truth"], facts["only in predictions"] = len(evaluation.only_truth), len(evaluation.only_read)
    return facts


def text_facts(scores: Iterable[TextScore]) -> dict[str, Any]:
    """Return the character error rate and the shares of lines and pages without an error."""
    scores = list(scores)
    lines = [line for score in scores for line in score.lines]
    characters, edits = sum(score.characters for score in scores), sum(score.edits for score in scores)
    return {
        "cer": edits / characters if characters else None, "characters": characters, "edits": edits,
        "lines": len(lines), "lines right": _share(line.edits == 0 for line in lines),
        "line cer": _mean([line.edits / len(line.truth) for line in lines if line.truth]),
        "pages right": _share(score.edits == 0 for score in scores),
        "page cer": _mean([score.edits / score.characters for score in scores if score.characters]),
    }  # fmt: skip


def books_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the scores of each book: book, pages, F1 where there are boxes, and the character error rate."""
    rows = []
    books = {page: book_id(page) for page in evaluation.pages}
    for book in sorted(set(books.values())):
        texts = [score for page, score in zip(evaluation.pages, evaluation.text, strict=True) if books[page] == book]
        row: dict[str, Any] = {"book": book, "pages": len(texts), "f1": None, "boxes f1": None}
        if evaluation.boxes is not None:
            for name, table in (("f1", evaluation.boxes.characters), ("boxes f1", evaluation.boxes.boxes)):
                of_book = table[table["image_id"].map(book_id) == book]
                row[name] = Counts.total(of_book).f1 if len(of_book) else None
        rows.append(row | {"cer": text_facts(texts)["cer"]})
    return rows


def show(evaluation: Evaluation, *, n_confusions: int, as_json: bool) -> None:
    """Print the result on standard output."""
    facts, books = facts_of(evaluation), books_of(evaluation)
    frequent = [
        {"truth": true, "read": read, "count": count}
        for (true, read), count in evaluation.confusions.most_common(n_confusions)
    ]
    if as_json:
        print_result(facts | {"books": books, "confusions": frequent}, as_json=True)
        return
    print_result(facts, as_json=False)
    print()
    print(format_table(["book", "pages", "F1", "F1 of boxes", "CER"], [list(row.values()) for row in books]))
    if frequent:
        print()
        rows = [(item["truth"] or "(nothing)", item["read"] or "(missed)", item["count"]) for item in frequent]
        print(format_table(["truth", "read as", "times"], rows))


def _share(values: Iterable[bool]) -> float | None:
    return _mean([float(value) for value in values])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


PAGES, LINES, CLASSES, CONFUSIONS = "pages.csv", "lines.csv", "classes.csv", "confusions.csv"


def write_tables(
    folder: Path,
    pages: Sequence[str],
    texts: Sequence[TextScore],
    boxes: BoxScores | None,
    confusions: Confusions,
    *,
    force: bool,
) -> None:
    """Write the tables; those of boxes only where there are some.

    Raises:
        InputError: the folder has files already and `force` is not given; it cannot be written to.
    """
    if not force and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: expected a new or empty folder for the tables; --force writes into it")
    page_rows = [(page, book_id(page), score.characters, score.edits) for page, score in zip(pages, texts, strict=True)]
    table = pd.DataFrame(page_rows, columns=["page", "book", "characters", "edits"])
    if boxes is not None:
        for prefix, counts in (("", boxes.characters), ("boxes_", boxes.boxes)):
            renamed = counts.rename(columns={"image_id": "page"} | {name: prefix + name for name in ("tp", "fp", "fn")})
            table = table.merge(renamed, on="page", how="left")
        _write(folder / CLASSES, boxes.classes)
    _write(folder / PAGES, table)
    line_rows = [
        (page, number, line.truth, line.read, line.edits)
        for page, score in zip(pages, texts, strict=True)
        for number, line in enumerate(score.lines)
    ]
    _write(folder / LINES, pd.DataFrame(line_rows, columns=["page", "line", "truth", "read", "edits"]))
    rows = [(true or "", read or "", count) for (true, read), count in confusions.most_common()]
    _write(folder / CONFUSIONS, pd.DataFrame(rows, columns=["truth", "read", "count"]))


def _write(path: Path, table: pd.DataFrame) -> None:
    atomic_write_text(path, table.to_csv(index=False, lineterminator="\n"))
