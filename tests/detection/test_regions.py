"""Regions of a batch: overlap and deltas as torchvision's, and what is drawn of them."""

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_iou

from detection.regions import decode, draw, encode, padded, pairwise_iou, random_keys, rows_of

LABELS = torch.tensor([0, 1, -1, 0, 1, 0, 1, -1, 0, 1])  # objects 1, 4, 6, 9; neither 2, 7
OBJECTS, BACKGROUND = {1, 4, 6, 9}, {0, 3, 5, 8}
HEADS = (10.0, 10.0, 5.0, 5.0)


def some_boxes(*shape: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    start = torch.rand(*shape, 2, generator=random) * 60
    return torch.cat([start, start + 1 + torch.rand(*shape, 2, generator=random) * 40], dim=-1)


def test_overlap_of_each_image() -> None:
    boxes, regions = some_boxes(3, 5, seed=1), some_boxes(3, 9, seed=2)
    expected = torch.stack([box_iou(*pair) for pair in zip(boxes, regions, strict=True)])
    assert torch.equal(pairwise_iou(boxes, regions).clamp(min=0), expected)
    shared = pairwise_iou(boxes, regions[:1]).clamp(min=0)
    assert torch.equal(shared, torch.stack([box_iou(own, regions[0]) for own in boxes]))


def test_rows_of_zeros_overlap_nothing() -> None:
    nothing, boxes = torch.zeros(1, 1, 4), some_boxes(1, 3, seed=1)
    for pair in ((nothing, nothing), (nothing, boxes), (boxes, nothing)):
        assert (pairwise_iou(*pair) <= 0).all()  # and none is NaN


def test_padding() -> None:
    rows = padded([torch.ones(2, 4), torch.ones(0, 4), torch.ones(1, 4)])
    assert rows.shape == (3, 2, 4)
    assert rows.sum(dim=(1, 2)).tolist() == [8, 0, 4]
    assert padded([torch.ones(0, 4)] * 2).shape == (2, 1, 4)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), HEADS])
def test_deltas_of_torchvision(weights: tuple[float, float, float, float]) -> None:
    boxes, regions = some_boxes(2, 6, seed=3), some_boxes(2, 6, seed=4)
    coder = BoxCoder(weights)
    deltas = encode(boxes, regions, weights)
    torch.testing.assert_close(deltas.flatten(0, 1), coder.encode_single(boxes.flatten(0, 1), regions.flatten(0, 1)))
    torch.testing.assert_close(decode(deltas, regions, weights), boxes)
    wild = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(5)) * 20
    expected = coder.decode_single(wild.flatten(0, 1), regions.flatten(0, 1))
    torch.testing.assert_close(decode(wild, regions, weights).flatten(0, 1), expected, rtol=1e-4, atol=1e-2)


def test_rows() -> None:
    values = torch.arange(12.0).view(2, 3, 2)
    assert rows_of(values, torch.tensor([[2, 0], [1, 1]])).tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]


@pytest.mark.parametrize(
    ("most", "share", "objects", "background"),
    [
        (4, 0.5, 2, 2),
        (6, 1 / 6, 1, 4),  # more background than there is
        (8, 0.25, 2, 4),
        (100, 1.0, 4, 4),  # all
        (1, 0.5, 0, 1),
    ],
)
def test_so_many_regions_are_drawn(most: int, share: float, objects: int, background: int) -> None:
    numbers, is_object, drawn = draw(LABELS[None], torch.tensor([5]), most, share)
    assert numbers.shape == is_object.shape == drawn.shape == (1, min(most, len(LABELS)))
    found = numbers[0].tolist()
    assert len(set(found)) == len(found)
    assert is_object[0].tolist() == [place < objects for place in range(len(found))]
    assert drawn[0].tolist() == [place < objects + background for place in range(len(found))]
    assert set(found[:objects]) <= OBJECTS
    assert set(found[objects : objects + background]) <= BACKGROUND


def test_of_nothing_nothing_is_drawn() -> None:
    _, is_object, drawn = draw(torch.tensor([[-1, -1], [0, 1]]), torch.tensor([1, 2]), 4, 0.5)
    assert drawn.sum(dim=1).tolist() == [0, 2]
    assert is_object.sum(dim=1).tolist() == [0, 1]


def test_the_seed_of_an_image_decides() -> None:
    labels = (torch.arange(200) % 2).repeat(3, 1)
    numbers, _, _ = draw(labels, torch.tensor([7, 8, 7]), 40, 0.5)
    assert torch.equal(numbers[0], numbers[2])
    assert not torch.equal(numbers[0], numbers[1])
    alone, _, _ = draw(labels[:1], torch.tensor([8]), 40, 0.5)
    assert torch.equal(alone[0], numbers[1])


def test_every_region_is_drawn_as_often() -> None:
    """Of 60 objects and 140 others 32 are drawn, 8 of them objects: over 3,000 images, within four standard errors."""
    labels = (torch.arange(200) < 60).long().repeat(3000, 1)
    numbers, _, drawn = draw(labels, torch.arange(3000) * 2, 32, 0.25)
    assert drawn.all()
    for chosen, first, count in ((numbers[:, :8], 0, 60), (numbers[:, 8:], 60, 140)):
        often = torch.bincount(chosen.flatten(), minlength=200)[first : first + count]
        share = chosen.shape[1] / count
        assert (often - 3000 * share).abs().max() < 4.5 * (3000 * share * (1 - share)) ** 0.5


def test_random_keys() -> None:
    keys = random_keys(torch.tensor([0, 1, 2**63 - 1]), 20_000)
    assert keys.min() >= 0 and keys.max() < 2**61
    assert len(keys.flatten().unique()) == keys.numel()
    shares = keys.double() / 2**61
    assert shares.mean(dim=1).tolist() == pytest.approx([0.5] * 3, abs=0.01)
    correlation = torch.corrcoef(torch.cat([shares, shares.roll(1, dims=1)])) - torch.eye(6)
    assert correlation.abs().max() < 0.03
