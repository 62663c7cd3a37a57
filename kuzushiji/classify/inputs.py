"""What the networks are given: which pages, which boxes, which classes. Reads and checks tables; knows no torch."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.data.folds import book_id, split_pages, spread
from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary
from kuzushiji.errors import InputError
from kuzushiji.submission import read_sample


@dataclass(frozen=True)
class BoxedPage:
    """A page with the boxes that are to be classified.

    Attributes:
        image_id: The page.
        path: Its image.
        boxes_xyxy: (n, 4) float32 boxes, pixels of the original page; they may reach over its edge.
        classes: (n,) int64 numbers of the true classes.
    """

    image_id: str
    path: Path
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """The tables of a fold.

    Attributes:
        vocabulary: As of `vocabulary_of`.
        truth: Truth of all held-out pages, from `train.csv`.
        train: Boxes of the pages to train on.
        valid: Boxes of the held-out pages, the pages of `truth`.
    """

    vocabulary: Vocabulary
    truth: PageLabels
    train: PageLabels
    valid: PageLabels


def read_split(config: ClassifyConfig, root: DataRoot) -> Split:
    """Read `train.csv` and CLF_GT, and divide their pages.

    Raises:
        InputError: a table cannot be read, lacks pages, has pages of other data, or codes that `train.csv` has not.
    """
    truth = read_page_labels(root.train_csv)
    boxes = read_page_labels(config.clf_gt)
    strange = sorted(set(boxes.image_ids).difference(truth.image_ids))
    if strange:
        raise InputError(f"{config.clf_gt}, page {strange[0]}: expected pages of {root.train_csv}, got another")
    train_ids, valid_ids = _held_out(config, truth.image_ids)
    train_ids, valid_ids = spread(train_ids, config.train_limit), spread(valid_ids, config.test_limit)
    there = set(boxes.image_ids)
    missing = [image_id for image_id in (*valid_ids, *train_ids) if image_id not in there]
    if missing:
        raise InputError(
            f"{config.clf_gt}: expected all {len(train_ids) + len(valid_ids)} pages of {root.train_csv}, "
            f"{len(missing)} are missing, such as {missing[0]}"
        )
    vocabulary = vocabulary_of(config, truth)
    vocabulary.encode(boxes.boxes["code"], str(config.clf_gt))
    return Split(vocabulary, truth.of_pages(valid_ids), boxes.of_pages(train_ids), boxes.of_pages(valid_ids))


def vocabulary_of(config: ClassifyConfig, truth: PageLabels) -> Vocabulary:
    """Return the classes: all codes of `train.csv`, `seg_fp`, and those that `--hold-absent` keeps.

    Raises:
        InputError: the model that training starts from has no file with its classes.
    """
    held = () if config.held_classes is None else read_vocabulary(config.held_classes).codes
    return Vocabulary.from_codes({*truth.boxes["code"], *held})


def read_pseudolabels(config: ClassifyConfig, root: DataRoot, vocabulary: Vocabulary) -> list[BoxedPage]:
    """Return the pages with pseudolabels, each as often as `--pseudolabels-oversample` says; no files, no pages.

    Raises:
        InputError: a table cannot be read, or has codes outside the vocabulary.
    """
    pages = []
    for path in config.pseudolabels:
        pages += pages_of(read_page_labels(path), root.test_image, vocabulary, str(path))
    return pages * config.pseudolabels_oversample


def read_test_boxes(config: ClassifyConfig, root: DataRoot) -> tuple[PageLabels, tuple[str, ...]]:
    """Return the boxes of the test pages, their codes `seg_fp`, and all pages of the sample.

    Raises:
        InputError: a table cannot be read, or its pages are not those of the sample.
    """
    path = config.test_boxes_path
    boxes = read_page_labels(path)
    sample = read_sample(root.sample_submission_csv)
    for expected, got, message in (
        (sample, boxes.image_ids, "expected a page of the sample submission, got another"),
        (boxes.image_ids, sample, "expected all pages of the sample submission, got a table without this one"),
    ):
        extra = sorted(set(got).difference(expected))
        if extra:
            raise InputError(f"{path}, page {extra[0]}: {message}")
    chosen = boxes.of_pages(spread(sample, config.test_limit))
    return PageLabels(chosen.image_ids, chosen.boxes.assign(code=SEG_FP)), sample


def pages_of(labels: PageLabels, path_of: Callable[[str], Path], vocabulary: Vocabulary, where: str) -> list[BoxedPage]:
    """Return the pages of a table of labels, with or without boxes, in the table's order.

    Args:
        labels: Boxes with their codes.
        path_of: Gives the image of a page.
        vocabulary: Numbers the codes.
        where: The table's file, for messages.

    Raises:
        InputError: a code outside the vocabulary, or an image id that is no file name.
    """
    xyxy = xywh_to_xyxy(labels.boxes_xywh.astype(np.float32)).astype(np.float32)
    classes = vocabulary.encode(labels.boxes["code"], where).astype(np.int64)
    return [
        BoxedPage(image_id, path_of(image_id), xyxy[chosen], classes[chosen])
        for image_id, chosen in zip(labels.image_ids, labels.rows_by_page(), strict=True)
    ]


def _held_out(config: ClassifyConfig, image_ids: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the pages to train on and the pages held out."""
    if config.test_book is None:
        return split_pages(image_ids, config.fold, config.n_folds, config.split)
    books = {image_id: book_id(image_id) for image_id in image_ids}
    if config.test_book not in books.values():
        near = difflib.get_close_matches(config.test_book, set(books.values()), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"--test-book: expected a book of train.csv, got {config.test_book}{hint}")
    held_out = tuple(image_id for image_id in image_ids if books[image_id] == config.test_book)
    return tuple(image_id for image_id in image_ids if books[image_id] != config.test_book), held_out
