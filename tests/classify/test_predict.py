"""Prediction: sizes averaged, best classes first, every box and every page accounted for."""

import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from kuzushiji.classify.dataset import PageView
from kuzushiji.classify.inputs import BoxedPage, pages_of
from kuzushiji.classify.predict import Predictor, evaluate, predict_detailed
from kuzushiji.data.labels import SEG_FP, PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.precision import Precision
from kuzushiji.submission import build_submission

PREDICTOR = Predictor(Precision(torch.device("cpu")))


class HeightModel(nn.Module):
    """Logits that tell the picture's height and the box: (0, height, x0 in pages, 0, 0, 0)."""

    def forward(self, images: Tensor, rois: Tensor) -> Tensor:
        logits = torch.zeros(len(rois), 6)
        logits[:, 1] = images.shape[1]
        logits[:, 2] = rois[:, 1] / images.shape[2]
        return logits


class Always(nn.Module):
    """Sure of one class for every box."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, images: Tensor, rois: Tensor) -> Tensor:
        return 10 * nn.functional.one_hot(torch.full((len(rois),), self.number), 6).float()


@pytest.fixture(scope="module")
def fold(tiny_root: Path) -> tuple[list[BoxedPage], PageLabels, Vocabulary]:
    root = DataRoot(tiny_root)
    labels = read_page_labels(root.train_csv)
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    labels = labels.of_pages(["umgy001-001", "hnsd001-002", "100000003_00002_1"])  # the second has no text
    return pages_of(labels, root.train_image, vocabulary, "train.csv"), labels, vocabulary


def test_logits_are_averaged_over_the_sizes(fold: tuple[list[BoxedPage], PageLabels, Vocabulary]) -> None:
    pages, labels, vocabulary = fold
    detailed = predict_detailed(PREDICTOR, HeightModel(), pages, labels, vocabulary, heights=(240, 264), top_k=50)
    assert detailed.logits.shape == (len(labels.boxes), 6)  # fewer classes than asked for: all
    assert set(detailed.classes[:, 0]) == {1} and set(detailed.logits[:, 0]) == {252.0}
    # Rows are their own boxes', whatever the size: x0 as a share of the page's width.
    in_pages = detailed.logits[np.arange(len(detailed)), (detailed.classes == 2).argmax(axis=1)]
    np.testing.assert_allclose(in_pages, labels.boxes["x"] / 160, atol=1e-3)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_box_and_every_page_is_in_the_table(
    fold: tuple[list[BoxedPage], PageLabels, Vocabulary], workers: int
) -> None:
    pages, labels, vocabulary = fold
    predictor = Predictor(PREDICTOR.precision, workers)
    detailed = predict_detailed(predictor, Always(3), pages, labels, vocabulary, heights=(240,), top_k=2)
    assert detailed.pages == labels.image_ids
    assert detailed.boxes["true"].tolist() == labels.boxes["code"].tolist()
    keys = ["image_id", "box", "x", "y", "w", "h"]
    pd.testing.assert_frame_equal(detailed.boxes[keys], labels.boxes[keys])
    assert detailed.logits.tolist() == [[10.0, 0.0]] * len(labels.boxes)
    assert set(detailed.pred) == {vocabulary.codes[3]}


@pytest.mark.parametrize("workers", [0, 1])
def test_pages_with_no_boxes_with_one_and_with_more_than_a_submission_may_have(tiny_root: Path, workers: int) -> None:
    root = DataRoot(tiny_root)
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    image_ids = ["umgy001-001", "hnsd001-001", "brsk001-001"]
    number = np.repeat([0, 1, 2], [0, 1, 1300])
    boxes = np.random.default_rng(0).integers(1, 130, (1301, 4)).clip(1, [130, 200, 25, 25])
    labels = PageLabels.from_arrays(image_ids, number, ["U+3042"] * 1301, boxes)
    pages = pages_of(labels, root.train_image, vocabulary, "")
    predictor = Predictor(PREDICTOR.precision, workers)
    detailed = predict_detailed(predictor, Always(0), pages, labels, vocabulary, heights=(240, 264, 288, 312), top_k=3)
    assert detailed.pages == tuple(image_ids)
    assert detailed.boxes.groupby("image_id").size().to_dict() == {"hnsd001-001": 1, "brsk001-001": 1300}
    assert set(detailed.pred) == {"U+3042"}
    metrics = evaluate(predictor, Always(0), pages, labels, labels, vocabulary, height=240)
    assert metrics["tp"] + metrics["fn"] == 1301
    assert metrics["accuracy"] == 1
    submission = build_submission(detailed.labels(), image_ids)
    assert submission.points.groupby("image_id").size().max() == 1200


@pytest.mark.parametrize("workers", [0, 2])
def test_pages_pass_through_without_being_kept(tiny_root: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """While one page is computed there are that page, what the workers have prepared, and the last page's result."""
    root = DataRoot(tiny_root)
    labels = read_page_labels(root.train_csv)
    vocabulary = Vocabulary.from_train_csv(root.train_csv)
    pages = pages_of(labels, root.train_image, vocabulary, "train.csv")
    views: list[weakref.ref[PageView]] = []
    results: list[weakref.ref[Tensor]] = []
    alive: list[tuple[int, int]] = []
    logits = Predictor.logits

    def watched(predictor: Predictor, model: nn.Module, view: PageView) -> Tensor:
        result = logits(predictor, model, view)
        views.append(weakref.ref(view))
        results.append(weakref.ref(result))
        alive.append((sum(view() is not None for view in views), sum(each() is not None for each in results)))
        return result

    monkeypatch.setattr(Predictor, "logits", watched)
    predictor = Predictor(PREDICTOR.precision, workers)
    predict_detailed(predictor, Always(3), pages, labels, vocabulary, heights=(240, 264), top_k=2)
    evaluate(predictor, Always(3), pages, labels, labels, vocabulary, height=240)
    n_pages = sum(len(page.classes) > 0 for page in pages)
    assert len(alive) == 2 * n_pages > 20
    assert max(n for n, _ in alive) == 1 and max(n for _, n in alive) <= 2


def test_no_boxes_at_all(fold: tuple[list[BoxedPage], PageLabels, Vocabulary]) -> None:
    pages, labels, vocabulary = fold
    empty = PageLabels(labels.image_ids, labels.boxes.iloc[:0])
    none = [BoxedPage(page.image_id, page.path, page.boxes_xyxy[:0], page.classes[:0]) for page in pages]
    detailed = predict_detailed(PREDICTOR, Always(3), none, empty, vocabulary, heights=(240,), top_k=50)
    assert len(detailed) == 0 and detailed.pages == labels.image_ids
    metrics = evaluate(PREDICTOR, Always(3), none, empty, labels, vocabulary, height=240)
    assert metrics["fn"] == len(labels.boxes) and metrics["accuracy"] == metrics["loss"] == 0


def test_evaluation_of_a_constant_answer(fold: tuple[list[BoxedPage], PageLabels, Vocabulary]) -> None:
    pages, labels, vocabulary = fold
    metrics = evaluate(PREDICTOR, Always(3), pages, labels, labels, vocabulary, height=240)
    right, n = int((labels.boxes["code"] == vocabulary.codes[3]).sum()), len(labels.boxes)
    assert (metrics["tp"], metrics["fp"], metrics["fn"]) == (right, n - right, n - right)
    assert metrics["accuracy"] == metrics["f1"] == pytest.approx(right / n)
    sure_and_wrong = np.log(np.exp(10) + 5)
    assert metrics["loss"] == pytest.approx(sure_and_wrong - 10 * right / n, rel=1e-4)


def test_fault_2_characters_without_a_box_are_missed(fold: tuple[list[BoxedPage], PageLabels, Vocabulary]) -> None:
    """Segmentation found nothing on one page: its characters are not predicted, and count."""
    pages, labels, vocabulary = fold
    lost = (labels.boxes["image_id"] == "umgy001-001").to_numpy()
    found = PageLabels(labels.image_ids, labels.boxes[~lost].reset_index(drop=True))
    kept = [BoxedPage(p.image_id, p.path, p.boxes_xyxy[:0], p.classes[:0]) if not i else p for i, p in enumerate(pages)]
    metrics = evaluate(PREDICTOR, Always(3), kept, found, labels, vocabulary, height=240)
    right = int((found.boxes["code"] == vocabulary.codes[3]).sum())
    assert metrics["tp"] == right and metrics["fn"] == len(labels.boxes) - right
    assert metrics["accuracy"] == pytest.approx(right / len(found.boxes))  # of the boxes that there are


def test_boxes_called_seg_fp_are_no_predictions(fold: tuple[list[BoxedPage], PageLabels, Vocabulary]) -> None:
    pages, labels, vocabulary = fold
    assert vocabulary.codes[5] == SEG_FP
    metrics = evaluate(PREDICTOR, Always(5), pages, labels, labels, vocabulary, height=240)
    assert (metrics["tp"], metrics["fp"], metrics["fn"]) == (0, 0, len(labels.boxes))
