"""Small detailed tables for tests: what classifiers might say of the boxes of a data root."""

from pathlib import Path

import numpy as np
import pandas as pd

from kuzushiji.artifacts import Detailed, write_detailed
from kuzushiji.data.folds import assign_folds
from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_labels
from kuzushiji.data.vocabulary import Vocabulary

N_FOLDS = 3


def make_detailed(
    rows: list[tuple[str, int, str, list[tuple[str, float]]]],
    *,
    pages: tuple[str, ...] | None = None,
    codes: str = "ABCDE",
) -> Detailed:
    """Return a table of rows (page, box, true code, [(code, logit), …] best first); boxes stand one below the other."""
    vocabulary = Vocabulary.from_codes(codes)
    boxes = pd.DataFrame(
        {
            "image_id": pd.Series([row[0] for row in rows], dtype=str),
            "box": np.array([row[1] for row in rows], np.int32),
            "x": np.full(len(rows), 10.0),
            "y": np.array([20.0 * row[1] for row in rows], float),
            "w": np.full(len(rows), 12.0),
            "h": np.full(len(rows), 15.0),
            "true": pd.Series([row[2] for row in rows], dtype=str),
        }
    )
    k = len(rows[0][3]) if rows else 1
    classes = vocabulary.encode([code for row in rows for code, _ in row[3]]).reshape(-1, k)
    logits = np.array([[logit for _, logit in row[3]] for row in rows], np.float32).reshape(-1, k)
    return Detailed(boxes, classes, logits, vocabulary, pages or tuple(dict.fromkeys(row[0] for row in rows)))


def random_detailed(rng: np.random.Generator, n_pages: int = 4, n_classes: int = 9, k: int = 5) -> Detailed:
    """Return a table of random boxes, classes and logits; one page in four has no boxes."""
    codes = [f"U+{0x3042 + i:X}" for i in range(n_classes)]
    vocabulary = Vocabulary.from_codes(codes)
    counts = rng.integers(1, 9, n_pages) * (np.arange(n_pages) % 4 != 3)
    names = np.array([f"book{page % 2}_{page}" for page in range(n_pages)], object)
    page = np.repeat(np.arange(n_pages), counts)
    n = len(page)
    xywh = np.round(np.concatenate([rng.uniform(0, 300, (n, 2)), rng.uniform(1, 60, (n, 2))], axis=1))
    boxes = pd.DataFrame({"image_id": pd.Series(names[page], dtype=str)})
    boxes["box"] = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    boxes[["x", "y", "w", "h"]] = xywh
    boxes["true"] = pd.Series(vocabulary.decode(rng.integers(0, n_classes + 1, n)), dtype=str)
    classes = np.argsort(rng.random((n, n_classes + 1)), axis=1)[:, :k].astype(np.int32)
    logits = -np.sort(-rng.normal(2, 4, (n, k)).astype(np.float32), axis=1)
    return Detailed(boxes, classes, logits, vocabulary, tuple(names))


def detailed_of(
    labels: PageLabels, vocabulary: Vocabulary, rng: np.random.Generator, *, test: bool = False, skill: float = 2.5
) -> Detailed:
    """Return what a classifier of some skill says of the labels' boxes, of which one in twelve is not found.

    A box in fifteen is a false positive of segmentation. Logits are of all classes, the truth's raised by `skill`.
    """
    found = labels.boxes[np.arange(len(labels.boxes)) % 12 != 7]
    n = len(found)
    true = np.where(np.arange(n) % 15 == 4, SEG_FP, found["code"].to_numpy(object))
    boxes = found[["image_id", "x", "y", "w", "h"]].reset_index(drop=True)
    boxes.insert(1, "box", boxes.groupby("image_id").cumcount().astype(np.int32))
    boxes["true"] = pd.Series(np.where(test, SEG_FP, true), dtype=str)
    logits = rng.normal(0, 1, (n, len(vocabulary)))
    logits[np.arange(n), vocabulary.encode(true)] += skill
    classes = np.argsort(-logits, axis=1)
    return Detailed(
        boxes, classes.astype(np.int32), np.take_along_axis(logits, classes, axis=1).astype(np.float32),
        vocabulary, labels.image_ids,
    )  # fmt: skip


def write_runs(root: Path, runs: Path, kinds: tuple[str, ...] = ("a", "b")) -> None:
    """Write `fold{k}-{kind}.parquet` (out of fold) and `test-fold{k}-{kind}.parquet` of several kinds of models."""
    vocabulary = Vocabulary.from_train_csv(root / "train.csv")
    train, test = read_page_labels(root / "train.csv"), read_page_labels(root / "solution.csv")
    folds = assign_folds(train.image_ids, N_FOLDS)
    for fold in range(N_FOLDS):
        pages = train.of_pages([page for page in train.image_ids if folds[page] == fold])
        for number, kind in enumerate(kinds):
            rng = np.random.default_rng(10 * fold + number)
            write_detailed(runs / f"fold{fold}-{kind}.parquet", detailed_of(pages, vocabulary, rng))
            write_detailed(runs / f"test-fold{fold}-{kind}.parquet", detailed_of(test, vocabulary, rng, test=True))
