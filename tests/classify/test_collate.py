"""Batches: which boxes stay, and that shapes repeat."""

import numpy as np
import pytest
import torch

from kuzushiji.classify.dataset import Batch, Collate, LabelledCrop
from kuzushiji.engine.loader import SampleKey


def crop(n: int, sample: int = 0, epoch: int = 0) -> LabelledCrop:
    boxes = np.tile(np.arange(n, dtype=np.float32)[:, None], (1, 4)) + np.array([0, 0, 5, 5], np.float32)
    return LabelledCrop(
        np.full((8, 6, 3), sample, np.uint8), boxes, np.arange(n) + 100 * sample, SampleKey(epoch, 0, sample)
    )


@pytest.mark.parametrize(("max_targets", "kept"), [(0, 1501), (256, 256)])
def test_a_crop_of_very_many_boxes_beside_one_of_one(max_targets: int, kept: int) -> None:
    batch = Collate(max_targets)([crop(1, 0), crop(1500, 1)])
    assert batch.images.shape == (2, 8, 6, 3)
    assert batch.rois.shape == (kept, 5)
    assert batch.classes.shape == (kept,)


def test_shapes_repeat() -> None:
    """What cuDNN's benchmark mode needs: over many batches only a handful of shapes."""
    collate = Collate(max_targets=128)
    counts = np.random.default_rng(0).integers(5, 80, (200, 4))
    batches = [collate([crop(int(n), sample) for sample, n in enumerate(row)]) for row in counts]
    shapes = {(tuple(batch.images.shape), tuple(batch.rois.shape)) for batch in batches}
    assert {images for images, _ in shapes} == {(4, 8, 6, 3)}
    assert {rois for _, rois in shapes} <= {(n, 5) for n in (32, 64, 96, 128)} | {(n, 5) for n in range(20, 32)}


def test_boxes_keep_their_picture_and_class() -> None:
    batch = Collate()([crop(2, 0), crop(3, 1)])
    assert batch.images.dtype == torch.uint8 and batch.images[1].unique().tolist() == [1]
    assert batch.rois[:, 0].tolist() == [0, 0, 1, 1, 1]
    assert batch.rois[:, 1].tolist() == [0, 1, 0, 1, 2]
    assert batch.classes.tolist() == [0, 1, 100, 101, 102]
    assert batch.rois.dtype == torch.float32 and batch.classes.dtype == torch.int64


def test_chosen_boxes_depend_on_the_samples_alone() -> None:
    def chosen(epoch: int, seed: int = 0) -> list[int]:
        batch: Batch = Collate(32, seed)([crop(40, 0, epoch), crop(40, 1, epoch)])
        pairs = zip(batch.classes.tolist(), batch.rois[:, :2].tolist(), strict=True)
        assert all(label == 100 * picture + place for label, (picture, place) in pairs)
        return batch.classes.tolist()

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(1)
    assert chosen(0) != chosen(0, seed=1)
    assert len(set(chosen(0))) == 32


def test_a_single_box_comes_twice() -> None:
    """Batch norm over one box has no variance."""
    batch = Collate(256)([crop(1)])
    assert batch.classes.tolist() == [0, 0]
    assert batch.rois[0].tolist() == batch.rois[1].tolist()


def test_a_part_of_a_batch_may_have_a_single_box() -> None:
    """The other processes have the rest; twice it would count double among theirs."""
    assert len(Collate(256, alone=False)([crop(1)]).classes) == 1
