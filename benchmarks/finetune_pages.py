"""What corrected pages of a book bring: F1 on the rest of the book after 0, 1, 2 … pages, and on other books.

    python benchmarks/finetune_pages.py REAL OUT [--from books] [--pages 0 1 2] [--books BOOK ...] [--json FILE]

REAL is a folder with `train.csv` and `train_images/`, perhaps also `placed.csv` and `placed_images/`, whose boxes are
not all exact: such pages are learned from last. Of each book the last exact page is the rest. Of a book without two
exact pages it is the last of the others, on which the character error rate alone is measured. `others` is F1 on the
exact pages of all other books: what is forgotten. Models that learned from these pages measure nothing: start from
`books`. Further options are those of `kuzushiji.finetune`.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kuzushiji.data.folds import book_id
from kuzushiji.evaluate.config import EvaluateConfig
from kuzushiji.evaluate.run import evaluate, facts_of
from kuzushiji.finetune.__main__ import Finetune
from kuzushiji.finetune.run import finetune
from kuzushiji.named_models import models_folder
from kuzushiji.predict.api import Reader
from kuzushiji.predict.formats.as_json import transcription_json
from kuzushiji.terminal import format_table


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--from", dest="models", default="books")
    parser.add_argument("--pages", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--books", nargs="+", default=[])
    parser.add_argument("--others", type=int, default=1, help="0: nothing is measured on other books")
    parser.add_argument("--json", type=Path)
    options, words = parser.parse_known_args()
    exact, placed = (read_table(options.real / name) for name in ("train.csv", "placed.csv"))
    rows: list[dict[str, Any]] = []
    for book in options.books or sorted({book_id(page) for page in exact | placed}):
        own = sorted(page for page in exact if book_id(page) == book)
        extra = sorted(page for page in placed if book_id(page) == book)
        measured = own if len(own) > 1 else extra
        first, rest = measured[:-1], measured[-1:]
        extra = extra if len(own) > 1 else own
        others = [page for page in exact if book_id(page) != book] if options.others else []
        for count in options.pages:
            if not rest or count > len(first) + len(extra):
                continue
            folder = options.out / f"{book}-{count}"
            started = time.perf_counter()
            models = tuned(options, folder, [*first, *extra][:count], exact | placed, words)
            seconds = time.perf_counter() - started
            scores = {name: score(models, folder / name, pages, exact | placed)
                      for name, pages in (("rest", rest), ("others", others)) if pages}  # fmt: skip
            if measured is not own:
                scores["rest"].update(boxes=None, characters=None)
            rows.append({"book": book, "pages": count, "seconds": round(seconds, 1), **scores})
            print(json.dumps(rows[-1]), flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    head = ["book", "pages", "boxes", "characters", "CER", "others"]
    table = [
        [row["book"], row["pages"], *(row["rest"][name] for name in ("boxes", "characters", "cer")),
         row.get("others", {}).get("characters")]
        for row in rows
    ]  # fmt: skip
    print(format_table(head, table))


def read_table(path: Path) -> dict[str, tuple[str, Path]]:
    """Return the labels of each page of a table and its picture; nothing where there is no table."""
    if not path.is_file():
        return {}
    table = pd.read_csv(path, keep_default_na=False)
    images = path.with_name(f"{path.stem}_images")
    return {page: (text, images / f"{page}.jpg") for page, text in zip(table["image_id"], table["labels"], strict=True)}


def write_root(folder: Path, pages: Sequence[str], tables: dict[str, tuple[str, Path]]) -> None:
    """Write a data root of some pages."""
    (folder / "train_images").mkdir(parents=True, exist_ok=True)
    rows = [(page, tables[page][0]) for page in pages]
    pd.DataFrame(rows, columns=["image_id", "labels"]).to_csv(folder / "train.csv", index=False)
    for page in pages:
        shutil.copyfile(tables[page][1], folder / "train_images" / f"{page}.jpg")


def tuned(
    options: argparse.Namespace,
    folder: Path,
    pages: Sequence[str],
    tables: dict[str, tuple[str, Path]],
    words: Sequence[str],
) -> Path:
    """Return the models after training on some pages; those to start from where there are none."""
    if not pages:
        return models_folder(options.models)
    write_root(folder / "data", pages, tables)
    fixed = ["--from", options.models, "--output", str(folder / "run"), "--test-share", "0"]
    finetune(Finetune.parse_args([str(folder / "data"), *fixed, *words]))
    return folder / "run"


def score(models: Path, folder: Path, pages: Sequence[str], tables: dict[str, tuple[str, Path]]) -> dict[str, Any]:
    """Read pages, and return F1 of boxes and characters and the character error rate."""
    write_root(folder, pages, tables)
    read = folder / "read"
    read.mkdir(exist_ok=True)
    reader = Reader(models, device="cpu", threads=1)
    for page in pages:
        (read / f"{page}.json").write_bytes(transcription_json(reader.read(tables[page][1])))
    truth = folder / "train.csv"
    facts = facts_of(evaluate(EvaluateConfig(predictions=read, truth=truth, form="predict", truth_form="table")))
    return {
        "boxes": round(facts["boxes"]["f1"], 4), "characters": round(facts["characters"]["f1"], 4),
        "cer": round(facts["text"]["cer"], 4), "n": facts["characters"]["tp"] + facts["characters"]["fn"],
    }  # fmt: skip


if __name__ == "__main__":
    main()
