"""A trained classifier applied to the held-out pages and to the test pages of the data root."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kuzushiji.artifacts import Detailed, write_detailed
from kuzushiji.classify.classifier import Classifier, check_vocabulary, load_classifier
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.inputs import Split, pages_of
from kuzushiji.classify.predict import Predictor, predict_detailed, score
from kuzushiji.classify.setup import peak_memory, set_up
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import FILE_NAME, write_vocabulary
from kuzushiji.files import atomic_write_json
from kuzushiji.submission import write_submission


def predict_held_out(config: ClassifyConfig, root: DataRoot, weights: Path, split: Split) -> dict[str, Any]:
    """Write the detailed table of the held-out pages and `metrics-oof.json`; return the metrics.

    Raises:
        InputError: the checkpoint does not fit the data or the flags; a page cannot be read; a file cannot be written.
    """
    config, predictor, classifier = _load(config, weights)
    check_vocabulary(classifier, split.vocabulary, weights)
    pages = pages_of(split.valid, root.train_image, split.vocabulary, str(config.clf_gt))
    started = time.monotonic()
    detailed = predict_detailed(
        predictor, classifier.model, pages, split.valid, split.vocabulary,
        heights=config.heights, top_k=config.top_k, title="held-out pages",
    )  # fmt: skip
    seconds = time.monotonic() - started
    write_detailed(config.output("detailed.parquet"), detailed)
    right = detailed.pred == detailed.boxes["true"].to_numpy(object)
    metrics = {
        **score(split.truth, detailed.labels()),
        "accuracy": float(right.mean()) if len(right) else 0.0,
        "boxes": len(detailed),
        "pages": len(pages),
        "heights": list(config.heights),
        "seconds": round(seconds, 2),
        **peak_memory(predictor.precision.device),
    }
    atomic_write_json(config.output("metrics-oof.json"), metrics)
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
    config, predictor, classifier = _load(config, weights)
    pages = pages_of(boxes, root.test_image, classifier.vocabulary, str(config.test_boxes_path))
    started = time.monotonic()
    detailed = predict_detailed(
        predictor, classifier.model, pages, boxes, classifier.vocabulary,
        heights=config.heights, top_k=config.top_k, title="test pages",
    )  # fmt: skip
    seconds = time.monotonic() - started
    write_detailed(config.output("test_detailed.parquet"), detailed)
    submission = write_submission(config.output("submission.csv"), detailed.labels(), sample, _certainty(detailed))
    return {
        "characters": len(submission.points),
        "pages": len(submission.image_ids),
        "boxes": len(detailed),
        "seconds": round(seconds, 2),
        **peak_memory(predictor.precision.device),
    }


def _load(config: ClassifyConfig, weights: Path) -> tuple[ClassifyConfig, Predictor, Classifier]:
    """Return the config with the page height that holds, the predictor, and the classifier ready for use."""
    precision = set_up(config)
    classifier = load_classifier(weights, precision, config)
    classifier.model.eval()
    write_vocabulary(config.output_dir / FILE_NAME, classifier.vocabulary)
    settled = dataclasses.replace(config, test_height=classifier.test_height)
    return settled, Predictor(precision, config.workers), classifier


def _certainty(detailed: Detailed) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Return (n,) how far the best class leads: what stays where a page has too many characters."""
    logits = detailed.logits
    return logits[:, 0] - logits[:, 1] if logits.shape[1] > 1 else logits[:, 0]
