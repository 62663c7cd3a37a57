"""A run folder as the stages leave it, made by hand: two folds, one kind of classifier, a blend, a final result."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kuzushiji.artifacts import Detailed, PredictedCharacters, characters_path, write_characters, write_detailed
from kuzushiji.data.labels import PageLabels, PagePoints, read_page_labels, write_page_labels, write_page_points
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.scoring import points_of


@pytest.fixture
def runs(tiny_root: Path, tmp_path: Path) -> Path:
    """Fold 0 found the truth of its pages, fold 1 nothing; on the test pages all characters but the first are right."""
    train, truth = read_page_labels(tiny_root / "train.csv"), read_page_labels(tiny_root / "solution.csv")
    folds = train.image_ids[::2], train.image_ids[1::2]
    for fold, pages in enumerate(folds):
        found = train.of_pages(pages) if fold == 0 else PageLabels(pages, train.boxes.iloc[:0])
        counts = {"tp": len(found.boxes), "fp": 0, "fn": len(train.of_pages(pages).boxes) - len(found.boxes)}
        for kind in ("segment", "clf"):
            write_run(tmp_path / f"{kind}-fold{fold}", counts)
        write_page_labels(tmp_path / f"segment-fold{fold}" / "test_predictions.csv", truth)
        write_detailed(tmp_path / f"clf-fold{fold}" / "detailed.parquet", certain(found))
        write_page_points(tmp_path / f"clf-fold{fold}" / "submission.csv", points_of(truth))
    write_page_labels(tmp_path / "segment_test_predictions.csv", truth)
    write_page_points(tmp_path / "blend-clf.csv", points_of(truth))
    write_page_points(tmp_path / "blend-all.csv", points_of(truth))
    read = truth.boxes.iloc[1:].reset_index(drop=True)
    write_page_points(tmp_path / "submission.csv", points_of(PageLabels(truth.image_ids, read)))
    rows = read.assign(probability=np.float32(0.9))
    columns = ["image_id", "box", "x", "y", "w", "h", "code", "probability"]
    write_characters(characters_path(tmp_path / "submission.csv"), PredictedCharacters(truth.image_ids, rows[columns]))
    return tmp_path


def write_run(folder: Path, counts: dict[str, int]) -> None:
    """Write what a training says of itself: its last epoch was worse than its best."""
    folder.mkdir()
    metrics = {"best": {"f1": 0.75}, "last": {"f1": 0.5}, "best_epoch": 0, "last_epoch": 1, "seconds": 90.0}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "metrics-oof.json").write_text(json.dumps(counts))
    events = [
        {"kind": "epoch", "epoch": n, "step": n, "loss": 2 - n, "valid_f1": 0.75 - n / 4, "lr": 0.1} for n in (0, 1)
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"kind": "ep')


def certain(labels: PageLabels) -> Detailed:
    """Return the detailed table of a model that is sure of these codes."""
    vocabulary = Vocabulary.from_codes(["U+3042", "U+3044", "U+3046", "U+3048", "U+304A"])
    boxes = labels.boxes.rename(columns={"code": "true"})[["image_id", "box", "x", "y", "w", "h", "true"]]
    best = vocabulary.encode(labels.boxes["code"])
    classes = np.stack([best, (best + 1) % 5], axis=1).astype(np.int32)
    logits = np.tile(np.float32([9, 1]), (len(best), 1))
    return Detailed(boxes.reset_index(drop=True), classes, logits, vocabulary, labels.image_ids)


@pytest.fixture
def no_points(tiny_root: Path) -> PagePoints:
    """A submission in which nothing is read."""
    truth = read_page_labels(tiny_root / "solution.csv")
    return PagePoints(truth.image_ids, pd.DataFrame({"image_id": [], "code": [], "x": [], "y": []}))
