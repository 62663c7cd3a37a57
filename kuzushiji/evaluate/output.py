"""The scores as CSV tables: pages, lines, classes, confusions."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kuzushiji.data.folds import book_id
from kuzushiji.errors import InputError
from kuzushiji.evaluate.measures import BoxScores, Confusions, TextScore
from kuzushiji.files import atomic_write_text

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
