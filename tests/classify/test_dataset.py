"""Crops and pages: the same with any number of workers, and boxes that fit what is seen."""

from pathlib import Path

import numpy as np
import pytest

from kuzushiji.classify.dataset import Collate, CropDataset, PageDataset
from kuzushiji.classify.inputs import BoxedPage, pages_of
from kuzushiji.classify.transforms import CropRecipe
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.loader import EpochSampler, SampleKey, build_loader
from kuzushiji.errors import InputError

RECIPE = CropRecipe(width=64, height=96, page_height=240, scale_aug=0.3, box_jitter=0.03)


@pytest.fixture(scope="module")
def pages(tiny_root: Path) -> list[BoxedPage]:
    root = DataRoot(tiny_root)
    labels = read_page_labels(root.train_csv)
    return pages_of(labels, root.train_image, Vocabulary.from_train_csv(root.train_csv), "train.csv")


def batches(
    pages: list[BoxedPage], workers: int = 0, cache_mib: int = 0, strips: Path | None = None
) -> list[tuple[np.ndarray, ...]]:
    crops = CropDataset(pages, RECIPE, colour_aug=(7, 30, 30), seed=3, cache_mib=cache_mib, strips=strips)
    sampler = EpochSampler(len(crops), 3, repeat=2)
    loader = build_loader(crops, 4, sampler=sampler, collate=Collate(32, 3), workers=workers)
    result = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        result += [tuple(tensor.numpy() for tensor in (batch.images, batch.rois, batch.classes)) for batch in loader]
    return result


def test_crops_are_the_same_with_any_number_of_workers_and_wherever_pages_are_kept(
    pages: list[BoxedPage], tmp_path: Path
) -> None:
    expected = batches(pages)
    for place in ({"workers": 2}, {"workers": 2, "cache_mib": 1, "strips": tmp_path}, {"cache_mib": 100}):
        got = batches(pages, **place)
        assert len(got) == len(expected)
        for ours, theirs in zip(got, expected, strict=True):
            assert all(np.array_equal(mine, other) for mine, other in zip(ours, theirs, strict=True))


def test_epochs_and_passes_differ(pages: list[BoxedPage]) -> None:
    crops = CropDataset(pages, RECIPE)
    first, again, second_pass, next_epoch = (
        crops[SampleKey(*key)].image for key in ((0, 0, 1), (0, 0, 1), (0, 1, 1), (1, 0, 1))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second_pass) and not np.array_equal(first, next_epoch)


def test_crops_have_boxes_inside(pages: list[BoxedPage]) -> None:
    crops = CropDataset(pages, CropRecipe(width=64, height=96, page_height=240))
    for key in EpochSampler(len(crops), 0, repeat=3):
        crop = crops[key]
        assert crop.image.shape == (96, 64, 3) and crop.image.dtype == np.uint8
        assert len(crop.classes) == len(crop.boxes_xyxy) >= 1
        assert (crop.boxes_xyxy[:, :2] >= 0).all() and (crop.boxes_xyxy[:, 2:] <= [64, 96]).all()


def test_pages_without_boxes_are_left_out(pages: list[BoxedPage]) -> None:
    empty = [page for page in pages if not len(page.classes)]
    assert empty, "the tiny root has such a page"
    assert len(CropDataset(pages, RECIPE)) == len(pages) - len(empty)
    with pytest.raises(InputError, match="expected pages with boxes to train on, got none on 1 pages"):
        CropDataset(empty[:1], RECIPE)


def test_boxes_are_cut_at_the_page_s_edge(pages: list[BoxedPage]) -> None:
    """The page measures 160 x 240: one box reaches over its edge, one lies outside, one has no area."""
    boxes = np.array([[150, 230, 170, 250], [200, 10, 220, 30], [10, 10, 10, 30]], np.float32)
    page = BoxedPage("p", pages[0].path, boxes, np.array([4, 5, 6]))
    kept = CropDataset([page], RECIPE).pages[0]
    assert kept.boxes_xyxy.tolist() == [[150, 230, 160, 240]]
    assert kept.classes.tolist() == [4]


def test_whole_pages_show_every_box_in_every_size(pages: list[BoxedPage]) -> None:
    """For prediction nothing is left out: boxes without area or outside get a pixel of the page."""
    boxes = np.array([[20, 30, 60, 90], [150, 230, 170, 250], [200, 10, 220, 30], [10, 10, 10, 30]], np.float32)
    page = BoxedPage("p", pages[0].path, boxes, np.zeros(4, np.int64))
    view = PageDataset([page], (240, 480))[0]
    assert [image.shape for image in view.images] == [(240, 160, 3), (480, 320, 3)]
    boxes_xyxy = view.rois[0][:, 1:]
    assert boxes_xyxy.tolist() == [[20, 30, 60, 90], [150, 230, 160, 240], [159, 10, 160, 30], [10, 10, 11, 30]]
    assert (view.rois[1] == 2 * view.rois[0]).all() and not view.rois[0][:, 0].any()


def test_missing_image_is_found_before_training(pages: list[BoxedPage]) -> None:
    page = BoxedPage("gone", pages[0].path.parent / "gone.jpg", pages[0].boxes_xyxy, pages[0].classes)
    with pytest.raises(InputError, match=r"gone\.jpg"):
        CropDataset([*pages, page], RECIPE)
