"""Samples of the tiny root: crops with boxes, whole pages, and that randomness comes from the key alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kuzushiji.data.labels import PageLabels, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.loader import EpochSampler, SampleKey, build_loader
from kuzushiji.imaging.colours import ColourAugmentation
from kuzushiji.imaging.store import PageStore
from kuzushiji.segment.dataset import Crop, TrainCrops, WholePages, collate_crops
from kuzushiji.segment.transforms import CropSpec

SPEC = CropSpec(long_side=240, min_height=84, max_height=108, out_width=128, out_height=96)
EMPTY_PAGE = "hnsd001-002"


@pytest.fixture(scope="module")
def labels(tiny_root: Path) -> PageLabels:
    return read_page_labels(tiny_root / "train.csv")


@pytest.fixture(scope="module")
def images(tiny_root: Path, labels: PageLabels) -> dict[str, Path]:
    return {image_id: DataRoot(tiny_root).train_image(image_id) for image_id in labels.image_ids}


def crops(labels: PageLabels, images: dict[str, Path], *, colors: bool = False, seed: int = 0) -> TrainCrops:
    return TrainCrops(labels, images, PageStore(), SPEC, ColourAugmentation(7, 10, 10) if colors else None, seed)


def equal(one: Crop, other: Crop) -> bool:
    same = torch.equal(one.image, other.image) and torch.equal(one.boxes_xyxy, other.boxes_xyxy)
    assert same == (one.seed == other.seed)
    return same


def test_a_crop(labels: PageLabels, images: dict[str, Path]) -> None:
    dataset = crops(labels, images)
    assert len(dataset) == len(labels.image_ids)
    crop = dataset[SampleKey(0, 0, 0)]
    assert crop.image.shape == (3, 96, 128)
    assert crop.image.dtype == torch.uint8
    assert crop.boxes_xyxy.dtype == torch.float32
    assert len(crop.boxes_xyxy)
    assert (crop.boxes_xyxy >= 0).all()
    assert (crop.boxes_xyxy[:, 2:] <= torch.tensor([128, 96])).all()
    assert crop.image_id == labels.image_ids[0]


def test_boxes_lie_on_ink(labels: PageLabels, images: dict[str, Path]) -> None:
    """Within the boxes of the tiny root's crops it is darker than around them."""
    dataset = crops(labels, images)
    inside, outside = [], []
    for sample in range(len(dataset)):
        crop = dataset[SampleKey(0, 0, sample)]
        mask = torch.zeros(96, 128, dtype=torch.bool)
        for left, top, right, bottom in crop.boxes_xyxy.round().int().tolist():
            mask[top:bottom, left:right] = True
        inside.append(crop.image[0][mask])
        outside.append(crop.image[0][~mask])
    assert torch.cat(inside).float().mean() + 50 < torch.cat(outside).float().mean()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (SampleKey(0, 0, 1), SampleKey(0, 0, 1), True),  # the same key: the same crop
        (SampleKey(0, 0, 1), SampleKey(0, 1, 1), False),  # another pass
        (SampleKey(0, 0, 1), SampleKey(1, 0, 1), False),  # another epoch
        (SampleKey(0, 0, 1), SampleKey(0, 0, 2), False),  # another page
    ],
)
def test_the_key_decides(
    one: SampleKey, other: SampleKey, same: bool, labels: PageLabels, images: dict[str, Path]
) -> None:
    dataset = crops(labels, images, colors=True)
    dataset[SampleKey(5, 0, 0)]  # what came before does not matter
    assert equal(dataset[one], crops(labels, images, colors=True)[other]) is same


def test_the_seed_decides(labels: PageLabels, images: dict[str, Path]) -> None:
    key = SampleKey(0, 0, 0)
    assert not equal(crops(labels, images, seed=0)[key], crops(labels, images, seed=1)[key])


def test_two_workers_give_what_none_give(labels: PageLabels, images: dict[str, Path]) -> None:
    dataset = crops(labels, images, colors=True)

    def batches(workers: int) -> list[Crop]:
        sampler = EpochSampler(len(dataset), 0, repeat=2)
        sampler.set_epoch(3)
        return list(build_loader(dataset, 4, sampler=sampler, collate=collate_crops, workers=workers, drop_last=True))

    for one, other in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.boxes_xyxy, other.boxes_xyxy)
        assert (one.counts, one.image_ids) == (other.counts, other.image_ids)


def test_a_crop_without_characters_is_a_sample(labels: PageLabels, images: dict[str, Path]) -> None:
    dataset = crops(labels, images)
    crop = dataset[SampleKey(0, 0, labels.image_ids.index(EMPTY_PAGE))]
    assert crop.boxes_xyxy.shape == (0, 4)
    other = dataset[SampleKey(0, 0, 0)]
    batch = collate_crops([crop, other, crop])
    assert batch.images.shape == (3, 3, 96, 128)
    assert batch.counts == [0, len(other.boxes_xyxy), 0]
    assert torch.equal(batch.boxes_xyxy, other.boxes_xyxy)


def test_boxes_over_the_edge_are_cut_and_those_outside_are_left_out(images: dict[str, Path]) -> None:
    (image_id,) = list(images)[:1]  # 160 x 240 pixels
    boxes = np.array([[-10, 100, 30, 20], [150, 100, 30, 20], [170, 100, 30, 20], [20, 20, 0, 10]])
    labels = PageLabels.from_arrays([image_id], np.zeros(4, dtype=np.int64), ["U+3042"] * 4, boxes)
    whole = CropSpec(long_side=240, min_height=240, max_height=240, out_width=160, out_height=240)
    dataset = TrainCrops(labels, images, PageStore(), whole, None, 0)
    assert dataset[SampleKey(0, 0, 0)].boxes_xyxy.tolist() == [[0, 100, 20, 120], [150, 100, 160, 120]]


def test_whole_page_in_two_sizes(images: dict[str, Path]) -> None:
    sizes = WholePages(list(images.values()), PageStore(), (120, 144))[2]
    assert [page.image.shape for page in sizes] == [(3, 120, 80), (3, 144, 96)]
    for page in sizes:
        assert page.number == 2
        assert page.image.dtype == torch.uint8
        assert (page.width, page.height) == (160, 240)


@pytest.mark.parametrize("long_side", [77, 120, 240, 500])
def test_boxes_of_the_scaled_page_return_to_the_original(long_side: int, images: dict[str, Path]) -> None:
    """Sizes are rounded, so that both directions have a scale of their own."""
    (page,) = WholePages(list(images.values()), PageStore(), (long_side,))[0]
    height, width = page.image.shape[1:]
    original = np.array([[0.0, 0, 160, 240], [12, 34, 56, 78]])
    scaled = original * [width / 160, height / 240, width / 160, height / 240]
    np.testing.assert_allclose(page.to_original(scaled), original)
    assert page.to_original(np.array([[-5.0, -5, 1000, 1000]])).tolist() == [[0, 0, 160, 240]]
    assert page.to_original(np.zeros((0, 4))).shape == (0, 4)
