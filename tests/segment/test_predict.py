"""Boxes of a page out of one size or several."""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from detection.fusion import fuse_boxes
from kuzushiji.artifacts.detections import Detections
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.precision import Precision
from kuzushiji.imaging.store import PageStore
from kuzushiji.scoring import score_boxes
from kuzushiji.segment import predict
from kuzushiji.segment.box_codes import label_with_truth
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.dataset import WholePage, whole_page
from kuzushiji.segment.main import Segment
from kuzushiji.segment.predict import find_boxes, page_loader, predict_pages

CPU = Precision(torch.device("cpu"))
PAGE = np.full((200, 100, 3), 255, np.uint8)
SEEN = torch.tensor([[10.0, 20, 30, 50], [60, 100, 80, 140]])
"""Boxes in pixels of the page."""


class Detector(nn.Module):
    """Finds the same characters in every size, the second only where the page is large; nothing on black pages."""

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        (image,) = images
        if not image.any():
            return [{"boxes": torch.zeros(0, 4), "scores": torch.zeros(0)}]
        factor = image.shape[1] / 200
        n = 2 if factor > 1 else 1
        return [{"boxes": SEEN[:n] * factor, "scores": torch.tensor([0.9, 0.8])[:n]}]


def sizes(*long_sides: int, page: np.ndarray = PAGE) -> list[WholePage]:
    return [whole_page(0, page, long_side) for long_side in long_sides]


def test_one_size_is_not_fused() -> None:
    boxes, scores = find_boxes(Detector(), sizes(100), CPU, 0.99)
    np.testing.assert_allclose(boxes, SEEN[:1])
    np.testing.assert_allclose(scores, [0.9])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.3, [0.9, 0.4]),  # found in one size of two: half of its score there
        (0.5, [0.9]),  # which is too little
        (0.95, []),
    ],
)
def test_two_sizes_are_fused(threshold: float, expected: list[float]) -> None:
    boxes, scores = find_boxes(Detector(), sizes(100, 400), CPU, threshold)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    np.testing.assert_allclose(boxes, SEEN[: len(expected)].numpy(), atol=1e-5)


def test_it_is_the_fusion_of_the_detection_library() -> None:
    each = [find_boxes(Detector(), sizes(long_side), CPU) for long_side in (150, 300, 500)]
    fused = fuse_boxes(each)
    boxes, scores = find_boxes(Detector(), sizes(150, 300, 500), CPU)
    np.testing.assert_array_equal(boxes, fused.boxes_xyxy)
    np.testing.assert_array_equal(scores, fused.scores)


@pytest.mark.parametrize("long_sides", [(100,), (100, 300)])
def test_nothing_is_found_on_an_empty_page(long_sides: tuple[int, ...]) -> None:
    boxes, scores = find_boxes(Detector(), sizes(*long_sides, page=np.zeros_like(PAGE)), CPU)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize("workers", [0, 2])
def test_all_pages_in_order(workers: int, tiny_root: Path) -> None:
    image_ids = read_page_labels(tiny_root / "train.csv").image_ids[:5]
    paths = [DataRoot(tiny_root).train_image(image_id) for image_id in image_ids]
    loader = page_loader(paths, PageStore(), (120, 300), workers, CPU.device)
    found, _ = predict_pages(Detector(), loader, image_ids, CPU, title="", score_threshold=0.5)
    assert found.image_ids == image_ids
    assert found.page.tolist() == [0, 1, 2, 3, 4]
    assert found.boxes_xyxy.shape == (5, 4)


class Crowd(nn.Module):
    """Finds 1,300 characters on every second page that it sees, none on the others."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        self.seen += 1
        n = 1300 * (self.seen % 2)
        corner = torch.stack([torch.arange(n) % 40 * 3.0, torch.arange(n) // 40 * 5.0], dim=1)
        return [{"boxes": torch.cat([corner, corner + 3], dim=1), "scores": torch.linspace(1, 0.5, n)}]


def test_pages_with_very_many_boxes_and_with_none(tiny_root: Path) -> None:
    """As they come out, as labels, and scored against a truth of which they meet nothing or all."""
    table = read_page_labels(tiny_root / "train.csv")
    image_ids = ("umgy001-001", "hnsd001-002", "brsk001-001", "hnsd001-001")  # the second has no text
    paths = [DataRoot(tiny_root).train_image(image_id) for image_id in image_ids]
    found, _ = predict_pages(Crowd(), page_loader(paths, PageStore(), (240,), 0, CPU.device), image_ids, CPU, title="")
    assert np.bincount(found.page, minlength=4).tolist() == [1300, 0, 1300, 0]
    truth = table.of_pages(image_ids)
    labels = label_with_truth(found, truth, dict.fromkeys(image_ids, (160, 240)))
    assert labels.image_ids == image_ids
    assert len(labels.boxes) == 2600
    counts = score_boxes(truth, labels)
    assert counts.tp + counts.fn == len(truth.boxes)
    assert counts.tp + counts.fp == 2600
    nothing = Detections.from_pages(dict.fromkeys(image_ids, (np.zeros((0, 4)), np.zeros(0))))
    assert score_boxes(truth, nothing.to_labels()).fn == len(truth.boxes)


def test_no_pages() -> None:
    found, _ = predict_pages(Detector(), page_loader([], PageStore(), (100,), 2, CPU.device), [], CPU, title="")
    assert found.image_ids == ()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", (1685,)),  # the reference's
        ("--test-scales 1 1.2", (1685, 2022)),
        ("--test-long-side 1000 --test-scales 0.8", (800,)),
    ],
)
def test_sizes_of_a_command_line(words: str, expected: tuple[int, ...]) -> None:
    config: SegmentConfig = Segment.parse_args(["--output-dir", "out", *words.split()])
    assert config.inference_long_sides == expected


def test_pages_pass_through_without_being_kept(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one page is looked at the pages before it are gone, in all their sizes."""
    root = DataRoot(tiny_root)
    image_ids = read_page_labels(root.train_csv).image_ids
    paths = [root.train_image(each) for each in image_ids]
    loader = page_loader(paths, PageStore(paths, cache_mib=0), (200, 300), 0, CPU.device)
    seen: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    find = predict.find_boxes

    def watched(model: nn.Module, sizes: Sequence[WholePage], *others: Any) -> Any:
        seen.extend(weakref.ref(page.image) for page in sizes)
        alive.append(sum(image() is not None for image in seen))
        return find(model, sizes, *others)

    monkeypatch.setattr(predict, "find_boxes", watched)
    predict_pages(Detector(), loader, image_ids, CPU, title="")
    assert alive == [2] * len(image_ids)
