"""What the detector learns from: draws by the image's seed, and losses to which each image adds by itself."""

import pytest
import torch
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork

from detection.faster_rcnn import DetectorConfig, build_detector
from detection.training import Heads, RegionSampler, Target

LABELS = torch.tensor([0, 1, -1, 0, 2, 0, 1, -1, 0, 1])  # objects 1, 4, 6, 9; neither 2, 7
OBJECTS, BACKGROUND = {1, 4, 6, 9}, {0, 3, 5, 8}


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
    drawn = RegionSampler(most, share, 0)(LABELS, seed=5).tolist()
    assert len(set(drawn)) == len(drawn)
    assert set(drawn[:objects]) <= OBJECTS and set(drawn[objects:]) <= BACKGROUND
    assert len(drawn) == objects + background


def test_of_nothing_nothing_is_drawn() -> None:
    assert RegionSampler(4, 0.5, 0)(LABELS[:0], seed=1).tolist() == []
    assert RegionSampler(4, 0.5, 0)(torch.tensor([-1, -1]), seed=1).tolist() == []


def test_the_seed_decides() -> None:
    labels = torch.arange(200) % 2
    draw, other = RegionSampler(40, 0.5, 0), RegionSampler(40, 0.5, 1)
    first = draw(labels, 7)
    torch.rand(3)  # the global generator does not matter
    assert torch.equal(draw(labels, 7), first)
    assert not torch.equal(draw(labels, 8), first)
    assert not torch.equal(other(labels, 7), first)
    assert len(draw(labels, 2**62 - 1)) == 40


def test_without_a_seed_the_global_generator_decides() -> None:
    labels, draw = torch.arange(200) % 2, RegionSampler(40, 0.5, 0)
    torch.manual_seed(1)
    first, second = draw(labels, None), draw(labels, None)
    torch.manual_seed(1)
    assert torch.equal(draw(labels, None), first)
    assert not torch.equal(first, second)


CONFIG = DetectorConfig(
    backbone="resnet18", box_head_size=16, rois_per_image=12, anchors_per_image=24, fpn_channels=8, norm="group",
    trainable_layers=5, proposals_train=60,
)  # fmt: skip


def pages() -> tuple[list[torch.Tensor], list[Target]]:
    """Three pages, of which one has no character."""
    images = list(torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(3), dtype=torch.uint8))
    boxes = [torch.tensor(rows, dtype=torch.float32).reshape(-1, 4) for rows in (
        [[4, 4, 28, 28], [36, 8, 60, 32]], [], [[20, 36, 44, 60]],
    )]  # fmt: skip
    targets = [
        {"boxes": each, "labels": torch.ones(len(each), dtype=torch.int64), "seed": seed}
        for seed, each in enumerate(boxes)
    ]
    return images, targets


def learned(parts: list[slice]) -> tuple[dict[str, float], torch.Tensor]:
    """The mean losses of all pages and their gradients, computed part by part."""
    torch.manual_seed(0)
    detector = build_detector(CONFIG).train()
    images, targets = pages()
    means: dict[str, float] = {}
    for part in parts:
        losses = detector(images[part], targets[part])
        share = len(images[part]) / len(images)
        (sum(losses.values()) * share).backward()
        for name, loss in losses.items():
            means[name] = means.get(name, 0.0) + loss.item() * share
    return means, torch.cat([p.grad.flatten() for p in detector.parameters() if p.grad is not None])


@pytest.mark.parametrize("parts", [[slice(0, 1), slice(1, 3)], [slice(2, 3), slice(0, 2)]])
def test_parts_of_a_batch_give_losses_and_gradients_of_the_whole(parts: list[slice]) -> None:
    losses, gradients = learned([slice(0, 3)])
    own_losses, own_gradients = learned(parts)
    assert own_losses == pytest.approx(losses, rel=1e-5)
    torch.testing.assert_close(own_gradients, gradients, rtol=1e-3, atol=1e-6)


def test_a_full_number_of_regions_has_the_losses_of_torchvision() -> None:
    detector = build_detector(CONFIG)
    random = torch.Generator().manual_seed(0)
    logits, deltas = torch.randn(24, 2, generator=random), torch.randn(24, 8, generator=random)
    wanted = [torch.randn(12, 4, generator=random) for _ in range(2)]
    labels = [torch.arange(12) % 3 == 0, torch.arange(12) < 2]
    labels = [each.long() for each in labels]
    classifier, box = fastrcnn_loss(logits, deltas, labels, wanted)
    own = Heads._losses(logits, deltas, labels, wanted)
    torch.testing.assert_close(own, {"loss_classifier": classifier, "loss_box_reg": box})

    all_anchors = RegionProposalNetwork(None, None, 0.7, 0.3, 1000, 1.0, {}, {}, 0.7)  # takes every anchor
    scores, shifts = logits[:, :1], deltas[:, :4]
    theirs = all_anchors.compute_loss(scores, shifts, [each.float() for each in labels], wanted)
    ours = detector.rpn.compute_loss(scores, shifts, [each.float() for each in labels], wanted)
    torch.testing.assert_close(ours, theirs)


def test_an_image_without_regions_counts_as_one_without_loss() -> None:
    logits, deltas = torch.zeros(2, 2), torch.zeros(2, 8)
    labels, wanted = [torch.tensor([1, 0]), torch.zeros(0, dtype=torch.int64)], [torch.ones(2, 4), torch.ones(0, 4)]
    losses = Heads._losses(logits, deltas, labels, wanted)
    assert losses["loss_classifier"].item() == pytest.approx(torch.tensor(2.0).log().item() / 2)
    assert torch.isfinite(losses["loss_box_reg"])
