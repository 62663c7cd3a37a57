"""What corrected pages of a book bring: scores on the rest of the book after 0, 1, 2 … pages, and on other books.

    python benchmarks/finetune_pages.py FOLDER OUT [--from MODELS] [--pages 0 1 2 5] [--books BOOK ...] [--json FILE]
    python benchmarks/finetune_pages.py FOLDER OUT --choices 1 [...]

FOLDER is that of `benchmarks/reader_roots.py`: `real.csv`, `pages/` and, where it is there, `reboxed.csv`. Pages whose
boxes were placed by a program are learned from, after the exact ones; they are measured (text alone) only in books
without an exact page. Several runs for each number of pages share the book, so that each exact page is measured once
and no run learns from what it measures: F1 is of all of these pages together. `others` is F1 on the exact pages of the
other books of the same fold, after the first of these runs: what is forgotten.

`--choices 1`: each page in turn is the one that is learned from, and the others are measured: does the choice of the
page with the least confidence bring more than the mean of all choices?

`{fold}` in MODELS stands for the fold of the book: models that learned from a book measure nothing on it. Further
options are those of `kuzushiji.finetune`.
"""

import argparse
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.reader_roots import better_labels
from kuzushiji.data.folds import book_id
from kuzushiji.evaluate.config import EvaluateConfig
from kuzushiji.evaluate.run import evaluate
from kuzushiji.finetune.__main__ import Finetune
from kuzushiji.finetune.run import finetune
from kuzushiji.named_models import models_folder
from kuzushiji.predict.api import Reader
from kuzushiji.predict.formats.as_json import transcription_json
from kuzushiji.terminal import format_table

Run = tuple[list[str], list[str]]
"""Pages to learn from, and pages to measure."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--from", dest="models", default="books")
    parser.add_argument("--pages", type=int, nargs="+", default=[0, 1, 2, 5])
    parser.add_argument("--books", nargs="+", default=[])
    parser.add_argument("--others", type=int, default=1, help="0: nothing is measured on other books")
    parser.add_argument("--choices", type=int, default=0, help="1: which page to learn from")
    parser.add_argument("--json", type=Path)
    options, words = parser.parse_known_args()
    bench = Bench(options, words)
    table = bench.table
    books = options.books or sorted(book for book, own in table.groupby("book") if len(own) > 1)
    for book in books:
        own = table[table["book"] == book].sort_index()
        pages = [list(own.index[is_kind]) for is_kind in (own["kind"] != "placed", own["kind"] == "placed")]
        if options.choices:
            bench.choices(book, *pages)
        else:
            for count in options.pages:
                bench.curve(book, count, *pages)
    print(
        format_table(["book", "pages", "runs", "boxes", "characters", "of", "CER", "others", "seconds"], bench.rows())
    )


def plan(exact: Sequence[str], placed: Sequence[str], count: int) -> list[Run]:
    """Return runs that measure each exact page once and learn from `count` others; none where there are too few."""
    measured, extra = (exact, placed) if exact else (placed, [])
    size = min(-(-len(measured) // 2), len(measured) + len(extra) - count) if count else len(measured)
    runs = []
    for begin in range(0, len(measured) if size > 0 else 0, size or 1):
        rest = [*measured[begin + size :], *measured[:begin], *extra]
        runs.append((rest[:count], list(measured[begin : begin + size])))
    return [run for run in runs if len(run[0]) == count]


class Bench:
    """The pages, and what was measured so far.

    Args:
        options: Of the command line.
        words: Further options, for the fine-tuning.
    """

    def __init__(self, options: argparse.Namespace, words: Sequence[str]) -> None:
        self.options, self.words = options, words
        folder = options.folder
        read = better_labels(folder) if (folder / "reboxed.csv").is_file() else pd.read_csv(folder / "real.csv")
        self.table = read.assign(book=read["image_id"].map(book_id)).set_index("image_id")
        self.found: list[dict[str, Any]] = []

    def curve(self, book: str, count: int, exact: Sequence[str], placed: Sequence[str]) -> None:
        """Measure a book after a number of pages."""
        runs = plan(exact, placed, count)
        if not runs:
            return
        row: dict[str, Any] = {"book": book, "pages": count, "runs": len(runs), "rest": Counter(), "seconds": 0.0}
        for number, (learned, measured) in enumerate(runs):
            models, seconds = self.tuned(f"{book}-{count}-{number}", book, learned)
            row["seconds"] += seconds / len(runs)
            for counts in self.scores(models, f"{book}-{count}-{number}", measured).values():
                row["rest"] += counts
            if not number and self.options.others:
                fold = self.table.loc[measured[0], "fold"]
                is_other = (
                    (self.table["fold"] == fold) & (self.table["book"] != book) & (self.table["kind"] != "placed")
                )
                scores = self.scores(models, f"{book}-{count}-others", list(self.table.index[is_other]))
                row["others"] = sum(scores.values(), Counter())
        self.keep(row)

    def choices(self, book: str, exact: Sequence[str], placed: Sequence[str]) -> None:
        """Learn from each page of a book alone, and measure the other exact ones."""
        if len(exact) < 2:
            return
        pages = [*exact, *placed]
        reader = Reader(self.start(book), device="cpu", threads=1)
        sure = {page: reader.read(self.image(page)).doubts.confidence or 0.0 for page in pages}
        after = {}
        for page in pages:
            models, _ = self.tuned(f"{book}-{page}", book, [page])
            after[page] = self.scores(models, f"{book}-{page}", [other for other in exact if other != page])
            print(json.dumps({"page": page, "confidence": sure[page], "after": after[page]}), flush=True)
        chosen, mean = Counter(), Counter()
        for other in exact:
            others = [page for page in pages if page != other]
            chosen += after[min(others, key=lambda page: sure[page])][other]
            for page in others:
                mean += Counter({name: value / len(others) for name, value in after[page][other].items()})
        for name, counts in (("least confidence", chosen), ("mean of all", mean)):
            self.keep({"book": book, "pages": name, "runs": len(pages), "rest": counts, "seconds": 0.0})

    def keep(self, row: dict[str, Any]) -> None:
        """Keep a row, print it, and write all of them."""
        self.found.append(row)
        print(json.dumps(row), flush=True)
        if self.options.json:
            self.options.json.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")

    def rows(self) -> list[list[Any]]:
        """Return the rows of the table."""
        return [
            [row["book"], row["pages"], row["runs"], f1(row["rest"], "boxes"), f1(row["rest"], "characters"),
             round(row["rest"]["true"]), round(row["rest"]["edits"] / row["rest"]["length"], 3),
             f1(row["others"], "characters") if "others" in row else None, round(row["seconds"])]
            for row in self.found
        ]  # fmt: skip

    def start(self, book: str) -> Path:
        """Return the folder of the models to start from."""
        fold = self.table.loc[self.table["book"] == book, "fold"].iloc[0]
        return models_folder(self.options.models.format(fold=fold))

    def tuned(self, name: str, book: str, pages: Sequence[str]) -> tuple[Path, float]:
        """Return the models after learning from some pages, and the processor seconds that this took."""
        if not pages:
            return self.start(book), 0.0
        data, run, began = self.options.out / name / "data", self.options.out / name / "run", time.process_time()
        self.write_root(data, pages)
        fixed = ["--from", str(self.start(book)), "--output", str(run), "--test-share", "0", "--threads", "1"]
        finetune(Finetune.parse_args([str(data), *fixed, *self.words]))
        return run, time.process_time() - began

    def image(self, page: str) -> Path:
        """Return the picture of a page."""
        return Path(self.options.folder / "pages" / f"{page}.jpg")

    def write_root(self, folder: Path, pages: Sequence[str]) -> None:
        """Write a data root of some pages."""
        (folder / "train_images").mkdir(parents=True, exist_ok=True)
        self.table.loc[list(pages), ["labels"]].to_csv(folder / "train.csv")
        for page in pages:
            shutil.copyfile(self.image(page), folder / "train_images" / f"{page}.jpg")

    def scores(self, models: Path, name: str, pages: Sequence[str]) -> "dict[str, Counter[str]]":
        """Read pages, and return what counts for F1 and the character error rate, by page."""
        folder = self.options.out / name / "measured"
        read = folder / "read"
        read.mkdir(parents=True, exist_ok=True)
        self.write_root(folder, pages)
        reader = Reader(models, device="cpu", threads=1)
        for page in pages:
            (read / f"{page}.json").write_bytes(transcription_json(reader.read(self.image(page))))
        truth = folder / "train.csv"
        found = evaluate(EvaluateConfig(predictions=read, truth=truth, form="predict", truth_form="table"))
        counts = {page: Counter(length=text.characters, edits=text.edits)
                  for page, text in zip(found.pages, found.text, strict=True)}  # fmt: skip
        assert found.boxes is not None
        for what, table in (("characters", found.boxes.characters), ("boxes", found.boxes.boxes)):
            for row in table.itertuples():
                if self.table.loc[row.image_id, "kind"] != "placed":
                    both, true = 2 * row.tp, row.tp + row.fn
                    counts[row.image_id] += Counter({f"{what} hits": both, f"{what} all": both + row.fp + row.fn})
                    counts[row.image_id]["true"] = true
        return counts


def f1(counts: "Counter[str]", what: str) -> float | None:
    """Return F1 of boxes or of characters; None where nothing counts."""
    total = counts[f"{what} all"]
    return round(counts[f"{what} hits"] / total, 4) if total else None


if __name__ == "__main__":
    main()
