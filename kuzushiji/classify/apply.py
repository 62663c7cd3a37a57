"""Applies a trained classifier to the boxes of pages, and writes what later stages read."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kuzushiji.artifacts import Characters, Detailed, characters_path, write_characters, write_detailed
from kuzushiji.classify.calibration import best_probability
from kuzushiji.classify.classifier import Classifier, check_vocabulary, load_classifier
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.inputs import Split, pages_of
from kuzushiji.classify.predict import Predictor, predict_detailed
from kuzushiji.classify.predictions import calibration_of_table
from kuzushiji.data.labels import PageLabels, PagePoints
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import write_vocabulary
from kuzushiji.engine.device import enough_memory
from kuzushiji.engine.machine import machine_facts, set_up
from kuzushiji.engine.processes import gathered, on_main, own_share
from kuzushiji.files import atomic_write_json
from kuzushiji.run_folder import DETAILED, METRICS_OOF, SUBMISSION, TEST_DETAILED, VOCABULARY
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
    check_vocabulary(classifier, split.vocabulary, weights)
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
        characters = Characters.from_labels(sample, labels, best_probability(detailed.logits))
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
