"""What the head's last layer sees of every box: the input of nearest neighbours (`--save-features 1`)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kuzushiji.artifacts.box_table import boxes_with_truth
from kuzushiji.artifacts.head_features import HeadFeatures, write_head_features
from kuzushiji.classify.apply import LESS_MEMORY, load, own_pages, rows_of
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.inputs import Page, Split, pages_of
from kuzushiji.classify.models import RoIClassifier
from kuzushiji.classify.predict import Predictor
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.device import enough_memory
from kuzushiji.engine.processes import gathered, on_main
from kuzushiji.run_folder import HEAD_FEATURES


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
    predictor: Predictor, model: RoIClassifier, pages: list[Page], labels: PageLabels, heights: tuple[int, ...]
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
