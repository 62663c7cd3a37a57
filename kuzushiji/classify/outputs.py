"""Applies a trained classifier to the boxes of pages, and writes what later stages read.

With `--save-features 1` that includes the input of the head's last layer for every box, for nearest neighbours.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kuzushiji.artifacts import Detailed, PredictedCharacters, characters_path, write_characters, write_detailed
from kuzushiji.artifacts.box_table import boxes_with_truth
from kuzushiji.artifacts.head_features import HeadFeatures, write_head_features
from kuzushiji.classify.calibration import best_probability
from kuzushiji.classify.classifier import Classifier, load_classifier
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.inputs import BoxedPage, Split, pages_of
from kuzushiji.classify.network import RoIClassifier
from kuzushiji.classify.predict import Predictor, predict_detailed
from kuzushiji.classify.results import calibration_of_table
from kuzushiji.data.labels import PageLabels, PagePoints
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, write_vocabulary
from kuzushiji.engine.device import enough_memory
from kuzushiji.engine.machine import machine_facts, set_up
from kuzushiji.engine.processes import gathered, on_main, own_share
from kuzushiji.files import atomic_write_json
from kuzushiji.run_folder import DETAILED, HEAD_FEATURES, METRICS_OOF, SUBMISSION, TEST_DETAILED, VOCABULARY
from kuzushiji.scoring import score_classes
from kuzushiji.submission import write_submission

LESS_MEMORY = "lower --test-height or --n-tta, or use --opt-level O1"
"""What to do where a page does not fit."""


def predict_held_out(config: ClassifyConfig, root: DataRoot, weights: Path, split: Split) -> dict[str, Any]:
    """Write the detailed table of the held-out pages and `metrics-oof.json`; return the metrics.

    Raises:
        InputError: the checkpoint does not fit the data or the flags; a page cannot be read; a file cannot be written.
    """
    config, predictor, classifier = load(config, weights)
    split.vocabulary.check_same(classifier.vocabulary, weights)
    started = time.monotonic()
    detailed = _predict(config, predictor, classifier, split.valid, root.train_image, config.clf_gt, "held-out pages")
    seconds = time.monotonic() - started
    on_main(lambda: write_detailed(config.output(DETAILED), detailed))
    right = detailed.pred == detailed.boxes["true"].to_numpy(object)
    metrics = {
        **score_classes(split.truth, detailed.labels()).as_dict(),
        "accuracy": float(right.mean()) if len(right) else 0.0,
        "calibration_error": calibration_of_table(detailed).error,
        "boxes": len(detailed),
        "pages": len(detailed.pages),
        "heights": list(config.heights),
        "seconds": round(seconds, 2),
        **machine_facts(predictor.precision),
    }
    on_main(lambda: atomic_write_json(config.output(METRICS_OOF), metrics))
    return metrics


def predict_test(
    config: ClassifyConfig, root: DataRoot, weights: Path, boxes: PageLabels, sample: Sequence[str]
) -> dict[str, Any]:
    """Write the detailed table of the test pages and this model's submission; return facts about them.

    Args:
        config: The parameters.
        root: Where the images are.
        weights: The checkpoint.
        boxes: The boxes of the test pages, their codes `seg_fp`.
        sample: All pages that a submission must hold.

    Raises:
        InputError: the checkpoint does not fit the flags; a page cannot be read; a file cannot be written.
    """
    config, predictor, classifier = load(config, weights)
    started = time.monotonic()
    detailed = _predict(config, predictor, classifier, boxes, root.test_image, config.test_boxes_path, "test pages")
    seconds = time.monotonic() - started

    def write() -> PagePoints:
        write_detailed(config.output(TEST_DETAILED), detailed)
        path, labels = config.output(SUBMISSION), detailed.labels()
        characters = PredictedCharacters.from_labels(sample, labels, best_probability(detailed.logits))
        write_characters(characters_path(path), characters)
        return write_submission(path, labels, sample, _certainty(detailed))

    submission = on_main(write)
    return {
        "characters": len(submission.points),
        "pages": len(submission.image_ids),
        "boxes": len(detailed),
        "seconds": round(seconds, 2),
        **machine_facts(predictor.precision),
    }


def _predict(
    config: ClassifyConfig,
    predictor: Predictor,
    classifier: Classifier,
    labels: PageLabels,
    path_of: Callable[[str], Path],
    table: Path,
    title: str,
) -> Detailed:
    """Return the best classes of all boxes of a table; several processes divide its pages."""
    own = own_pages(labels)
    pages = pages_of(own, path_of, classifier.vocabulary, str(table))
    with enough_memory(title, LESS_MEMORY):
        found = predict_detailed(
            predictor, classifier.model, pages, own, classifier.vocabulary,
            heights=config.heights, top_k=config.top_k, title=title,
        )  # fmt: skip
    return _joined(gathered(found), labels)


def _joined(parts: Sequence[Detailed], labels: PageLabels) -> Detailed:
    """Return one table of tables of distinct pages, boxes and pages in the order of `labels`."""
    boxes = pd.concat([part.boxes for part in parts])
    whole = dataclasses.replace(
        parts[0],
        boxes=boxes,
        classes=np.concatenate([part.classes for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        pages=labels.image_ids,
    )
    return whole.take(rows_of(labels, boxes))


def own_pages(labels: PageLabels) -> PageLabels:
    """Return the pages of a table that this process works on; it may have none."""
    return labels.of_pages([labels.image_ids[number] for number in own_share(len(labels.image_ids))])


def rows_of(labels: PageLabels, boxes: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """Return (n,) the rows of `boxes`, which came from several processes, in the order of the boxes of `labels`."""
    keys = ["image_id", "box"]
    wanted = pd.MultiIndex.from_frame(labels.boxes[keys])
    rows: np.ndarray[tuple[int], np.dtype[np.intp]] = pd.MultiIndex.from_frame(boxes[keys]).get_indexer(wanted)
    return rows


def load(config: ClassifyConfig, weights: Path) -> tuple[ClassifyConfig, Predictor, Classifier]:
    """Return the config with the page height that holds, the predictor, and the classifier ready for use."""
    precision = set_up(config)
    classifier = load_classifier(weights, precision, config)
    classifier.model.eval()
    on_main(lambda: write_vocabulary(config.output_dir / VOCABULARY, classifier.vocabulary))
    settled = dataclasses.replace(config, test_height=classifier.test_height)
    return settled, Predictor(precision, config.workers), classifier


def _certainty(detailed: Detailed) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return (n,) how far the best class leads: what stays where a page has too many characters."""
    logits = detailed.logits
    return logits[:, 0] - logits[:, 1] if logits.shape[1] > 1 else logits[:, 0]


def save_head_features(
    config: ClassifyConfig, root: DataRoot, weights: Path, split: Split, test_boxes: PageLabels | None
) -> dict[str, int]:
    """Write the features of the held-out pages, the training pages and, where their boxes are given, the test pages.

    Several processes divide the pages; the main one writes.

    Returns:
        Boxes in each file.

    Raises:
        InputError: the checkpoint does not fit the data or the flags; a page cannot be read; a file cannot be written.
    """
    config, predictor, classifier = load(config, weights)
    tables = [(split.valid, root.train_image, config.clf_gt), (split.train, root.train_image, config.clf_gt)]
    if test_boxes is not None:
        tables.append((test_boxes, root.test_image, config.test_boxes_path))
    facts = {}
    for name, (labels, path_of, table) in zip(HEAD_FEATURES, tables, strict=False):
        own = own_pages(labels)
        pages = pages_of(own, path_of, classifier.vocabulary, str(table))
        with enough_memory("head features", LESS_MEMORY):
            vectors = _head_vectors(predictor, classifier.model, pages, own, config.heights)
        parts = gathered((own.boxes[["image_id", "box"]], vectors))
        on_main(partial(_write, config.output(name), labels, parts, classifier.vocabulary))
        facts[name] = len(labels.boxes)
    return facts


def _write(
    path: Path,
    labels: PageLabels,
    parts: Sequence[tuple[pd.DataFrame, NDArray[np.float16]]],
    vocabulary: Vocabulary,
) -> None:
    """Write the features of all boxes, from those of each process's boxes, in the order of `labels`."""
    rows = rows_of(labels, pd.concat([boxes for boxes, _ in parts]))
    vectors = np.concatenate([vectors for _, vectors in parts])[rows]
    write_head_features(path, HeadFeatures(boxes_with_truth(labels), vectors, vocabulary))


def _head_vectors(
    predictor: Predictor, model: RoIClassifier, pages: list[BoxedPage], labels: PageLabels, heights: tuple[int, ...]
) -> NDArray[np.float16]:
    """Return (n, d), the mean over the page heights, in the order of the boxes of `labels`."""
    last = model.head[-1]
    assert isinstance(last, nn.Linear)
    seen: list[Tensor] = []
    handle = last.register_forward_pre_hook(lambda _, given: seen.append(given[0].float()))
    found = [torch.zeros(0, last.in_features)]
    try:
        for _ in predictor.page_logits(model, pages, heights, title="head features"):
            found.append(torch.stack(seen).mean(dim=0).cpu())
            seen.clear()
    finally:
        handle.remove()
    # Boxes came page by page, in the order of the pages.
    vectors = np.empty((len(labels.boxes), last.in_features), np.float16)
    vectors[np.argsort(labels.page, kind="stable")] = torch.cat(found).numpy().astype(np.float16)
    return vectors
