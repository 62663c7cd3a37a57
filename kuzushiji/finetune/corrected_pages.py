"""The corrected pages: which are held out, and the boxes that the classifier learns from."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy
from kuzushiji.artifacts.detections import Detections
from kuzushiji.data.folds import book_id, spread
from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.pages import page_size
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.segment.box_codes import label_with_truth
from kuzushiji.segment.fold_pages import existing_images

logger = logging.getLogger(__name__)

MATCH_IOU = 0.25
"""IoU with a true box from which on a box that was found is that character: boxes of small detectors are not exact."""

Boxes = tuple[NDArray[np.int64], NDArray[np.float32]]


def read_new_pages(data: DataRoot, seen: Collection[str]) -> PageLabels:
    """Return the labels of the training pages.

    Raises:
        InputError: the table or an image is missing, or an image is none; the models were trained on all of the pages
            already; none of them has a box.
    """
    labels = read_page_labels(data.train_csv)
    new = [image_id for image_id in labels.image_ids if image_id not in seen]
    if not new:
        got = f"{len(labels.image_ids)} that they were trained on already" if labels.image_ids else "none"
        raise InputError(f"{data.train_csv}: expected pages that the models have not seen, got {got}")
    without = [image_id for image_id, boxes in labels.of_pages(new).by_page() if boxes.empty]
    if len(without) == len(new):
        raise InputError(f"{data.train_csv}: expected boxes on the new pages, got none (such as {without[0]})")
    if without:
        logger.warning(
            "%s: %d pages have no box, such as %s: they count as empty", data.train_csv, len(without), without[0]
        )
    for path in existing_images(labels.image_ids, data.train_image, data.train_csv).values():
        page_size(path)
    return labels.of_pages([*new, *(image_id for image_id in labels.image_ids if image_id in seen)])


def divide(labels: PageLabels, seen: Collection[str], share: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the pages to learn from and those held out.

    A share of the new pages of each book is held out, evenly spread over it: the book itself is to be read on. At
    least one page is, if there are two of any book and the share is not 0. Pages without a box are never held out.
    """
    by_book: dict[str, list[str]] = {}
    for image_id, boxes in labels.by_page():
        if image_id not in seen and not boxes.empty:
            by_book.setdefault(book_id(image_id), []).append(image_id)
    n_new = sum(map(len, by_book.values()))
    wanted = max(round(share * n_new), 1) if share and n_new > 1 else 0
    held_out: list[str] = []
    for pages in sorted(by_book.values(), key=len, reverse=True):
        count = min(max(round(share * len(pages)), 1), len(pages) - 1, wanted - len(held_out))
        held_out += _middles(pages, count)
    train = tuple(image_id for image_id in labels.image_ids if image_id not in held_out)
    return train, tuple(image_id for image_id in labels.image_ids if image_id in held_out)


def _middles(pages: Sequence[str], count: int) -> list[str]:
    """Return some pages, evenly spread, none of them the first where there are more."""
    shift = len(pages) // (2 * count) if count else 0
    turned = [*pages[shift:], *pages[:shift]]
    return list(spread(turned, count)) if count > 0 else []


def boxes_to_learn(labels: PageLabels, path_of: Callable[[str], Path], find: Callable[[Path], Boxes]) -> PageLabels:
    """Return the true boxes of pages, and beside them those that a detector finds, with the codes of the truth.

    What is found where nothing is becomes `seg_fp`, so that the classifier goes on dropping it.
    """
    found: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {
        image_id: (xywh_to_xyxy(boxes.astype(np.float64)), scores.astype(np.float64))
        for image_id in labels.image_ids
        for boxes, scores in [find(path_of(image_id))]
    }
    sizes = {image_id: page_size(path_of(image_id)) for image_id in labels.image_ids}
    matched = label_with_truth(Detections.from_pages(dict(found)), labels, sizes, MATCH_IOU)
    both = [labels, matched]
    page = np.concatenate([part.page for part in both])
    order = np.argsort(page, kind="stable")
    codes = np.concatenate([part.boxes["code"].to_numpy(object) for part in both])
    boxes = np.concatenate([part.boxes_xywh for part in both])
    return PageLabels.from_arrays(labels.image_ids, page[order], codes[order], boxes[order])
