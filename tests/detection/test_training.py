"""What the detector learns from, beside torchvision's parts image by image; each image adds to the losses by itself."""

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.ops import box_iou

from detection import training
from detection.faster_rcnn import DetectorConfig, build_detector
from detection.regions import draw, random_keys
from detection.training import Target, box_loss

CONFIG = DetectorConfig(
    backbone="resnet18", box_head_size=16, rois_per_image=12, anchors_per_image=24, fpn_channels=8, norm="group",
    trainable_layers=5, proposals_train=60,
)  # fmt: skip
BETAS = [(0.0, 1.0), (1 / 9, 1 / 9)]  # the reference's, torchvision's of today


def pages() -> tuple[list[Tensor], list[Target]]:
    """Three pages, of which one has no character."""
    images = list(torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(3), dtype=torch.uint8))
    boxes = [torch.tensor(rows, dtype=torch.float32).reshape(-1, 4) for rows in (
        [[4, 4, 28, 28], [36, 8, 60, 32]], [], [[20, 36, 44, 60]],
    )]  # fmt: skip
    return images, [{"boxes": each, "seed": seed} for seed, each in enumerate(boxes)]


def learned(parts: list[slice]) -> tuple[dict[str, float], Tensor]:
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


def one_by_one(detector, images: list[Tensor], targets: list[Target], betas: tuple[float, float]) -> dict[str, Tensor]:
    """The mean losses by torchvision's parts, image by image, with indices in place of masks; draws as ours."""
    means: dict[str, Tensor] = {}
    for image, target in zip(images, targets, strict=True):
        batch, _ = detector.transform([image])
        features = detector.backbone(batch.tensors)
        for name, loss in _of_one(detector, batch, features, target, betas).items():
            means[name] = means.get(name, 0) + loss / len(images)
    return means


def _of_one(detector, batch: ImageList, features, target: Target, betas: tuple[float, float]) -> dict[str, Tensor]:
    rpn, heads, boxes = detector.rpn, detector.roi_heads, target["boxes"]
    logits, deltas = rpn.head(list(features.values()))
    sizes = [each[0].numel() for each in logits]
    logits = torch.cat([each.permute(0, 2, 3, 1).reshape(-1) for each in logits])
    deltas = torch.cat([each.permute(0, 2, 3, 1).reshape(-1, 4) for each in deltas])
    (anchors,) = rpn.anchor_generator(batch, list(features.values()))
    regions = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode(deltas.detach(), [anchors]).view(1, -1, 4)
    (proposals,), _ = rpn.filter_proposals(regions, logits.detach(), batch.image_sizes, sizes)
    labels = torch.zeros(len(anchors), dtype=torch.int64)
    matched = labels
    if len(boxes):
        matched = Matcher(0.7, 0.3, allow_low_quality_matches=True)(box_iou(boxes, anchors))
        labels = torch.where(matched >= 0, 1, torch.where(matched == Matcher.BELOW_LOW_THRESHOLD, 0, -1))
    chosen, objects = _drawn(labels, target["seed"] * 2, CONFIG.anchors_per_image, 0.5)
    wanted = BoxCoder((1.0, 1.0, 1.0, 1.0)).encode_single(boxes[matched[objects]], anchors[objects])
    losses = {
        "loss_objectness": functional.binary_cross_entropy_with_logits(logits[chosen], labels[chosen].float()),
        "loss_rpn_box_reg": _plain_box_loss(deltas[objects], wanted, betas[0]) / len(chosen),
    }
    # The batch has 60 proposals of an image, and rows of zeros where there are less; then its boxes.
    room = min(CONFIG.proposals_train, sum(min(CONFIG.proposals_train, size) for size in sizes))
    regions = torch.cat([proposals, torch.zeros(room - len(proposals), 4), boxes, torch.zeros(2 - len(boxes), 4)])
    iou = box_iou(boxes, regions) if len(boxes) else torch.zeros(1, len(regions))
    best, matched = iou.nan_to_num().max(dim=0)
    labels = (best >= 0.5).long()
    labels[(regions[:, 2:] <= regions[:, :2]).any(dim=1)] = -1
    chosen, objects = _drawn(labels, target["seed"] * 2 + 1, CONFIG.rois_per_image, 0.25)
    pooled = heads.box_roi_pool(features, [regions[chosen]], batch.image_sizes)
    logits, deltas = heads.box_predictor(heads.box_head(pooled))
    wanted = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(boxes[matched[objects]], regions[objects])
    return losses | {
        "loss_classifier": functional.cross_entropy(logits, labels[chosen]),
        "loss_box_reg": _plain_box_loss(deltas[: len(objects), 4:], wanted, betas[1]) / len(chosen),
    }


def _drawn(labels: Tensor, seed: int, most: int, share: float) -> tuple[Tensor, Tensor]:
    """The regions with the greatest keys: all that are drawn, objects first, and the objects."""
    keys = random_keys(torch.tensor([seed]), len(labels))[0]
    objects, background = (torch.where(labels == kind)[0] for kind in (1, 0))
    objects = objects[keys[objects].argsort(descending=True)][: int(most * share)]
    background = background[keys[background].argsort(descending=True)][: most - len(objects)]
    return torch.cat([objects, background]), objects


def _plain_box_loss(deltas: Tensor, wanted: Tensor, beta: float) -> Tensor:
    if not beta:
        return functional.l1_loss(deltas, wanted, reduction="sum")
    return functional.smooth_l1_loss(deltas, wanted, beta=beta, reduction="sum")


@pytest.mark.parametrize("betas", BETAS)
def test_losses_are_those_of_torchvisions_parts_image_by_image(betas: tuple[float, float]) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, rpn_smooth_l1_beta=betas[0], box_smooth_l1_beta=betas[1])
    detector = build_detector(config).train()
    images, targets = pages()
    losses = detector(images, targets)
    with torch.no_grad():
        expected = one_by_one(detector, images, targets, betas)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(
        {name: loss.item() for name, loss in expected.items()}, rel=1e-4
    )
    assert losses["loss_box_reg"] > 0 and losses["loss_rpn_box_reg"] > 0


def test_proposals_of_torchvision() -> None:
    """In training rows of zeros follow; images of a batch may differ in size."""
    torch.manual_seed(0)
    detector = build_detector(CONFIG)
    images = [torch.rand(3, 64, 100), torch.rand(3, 120, 64)]
    batch, _ = detector.transform(images)
    with torch.no_grad():
        features = detector.backbone(batch.tensors)
        ours, _ = detector.train().rpn(batch, features, pages()[1][:2])
        most = {"testing": CONFIG.proposals_train}
        detector.rpn._pre_nms_top_n.update(most)
        detector.rpn._post_nms_top_n.update(most)
        theirs, _ = detector.eval().rpn(batch, features)  # torchvision's own
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own[: len(other)], other)
        assert not own[len(other) :].any()


def test_images_that_share_a_call_do_not_suppress_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU several images go through one call of NMS."""
    torch.manual_seed(0)
    start = torch.rand(3, 50, 2) * 80
    regions = torch.cat([start, start + 10 + torch.rand(3, 50, 2) * 20], dim=2)
    scores, shift = torch.rand(3, 50), (torch.arange(50) % 2) * 200.0
    scores[0, :40] = -1  # not to be used
    alone = training._suppress(regions, scores, shift, 400, 0.5, 30)
    monkeypatch.setattr(training, "_is_on_cpu", lambda _tensor: False)
    for together in (32_768, 100):
        monkeypatch.setattr(training, "_SUPPRESSED_TOGETHER", together)
        assert torch.equal(training._suppress(regions, scores, shift, 400, 0.5, 30), alone)
    assert (alone[0].sum(dim=1) > 0).sum() <= 10


def test_the_boxes_of_a_full_head_have_the_loss_of_torchvision() -> None:
    random = torch.Generator().manual_seed(0)
    logits, deltas = torch.randn(24, 2, generator=random), torch.randn(24, 8, generator=random)
    wanted = torch.randn(2, 12, 4, generator=random)
    labels = torch.stack([torch.arange(12) % 3 == 0, torch.arange(12) < 2])
    _, expected = fastrcnn_loss(logits, deltas, list(labels.long()), list(wanted))
    own = box_loss(deltas.view(2, 12, 2, 4)[:, :, 1], wanted, torch.full((2, 12), 1 / 24), labels, 1 / 9)
    torch.testing.assert_close(own, expected)


def test_what_has_no_meaning_does_not_reach_the_loss() -> None:
    deltas = torch.zeros(1, 2, 4, requires_grad=True)
    wanted = torch.tensor([[[1.0, 1, 1, 1], [torch.nan, torch.inf, -torch.inf, 0]]])
    loss = box_loss(deltas, wanted, torch.tensor([[0.5, 0.5]]), torch.tensor([[True, False]]), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * 4 * 0.5)
    assert deltas.grad is not None and torch.isfinite(deltas.grad).all()
    assert not deltas.grad[0, 1].any()


def test_boxes_without_area_are_ignored() -> None:
    torch.manual_seed(0)
    detector = build_detector(CONFIG).train()
    images, targets = pages()
    expected = detector(images, targets)
    targets[1]["boxes"] = torch.tensor([[9.0, 9, 9, 30]])
    losses = detector(images, targets)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["loss_objectness"].item() == pytest.approx(expected["loss_objectness"].item())


def test_without_a_seed_the_global_generator_decides() -> None:
    torch.manual_seed(0)
    detector = build_detector(CONFIG).train()
    images, targets = pages()
    unseeded = [{"boxes": target["boxes"]} for target in targets]

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return float(detector(images, unseeded)["loss_objectness"].detach())

    assert loss(1) == loss(1) != loss(2)


def test_both_parts_draw_by_streams_of_their_own() -> None:
    labels = (torch.arange(200) % 2)[None]
    first, second = (draw(labels, torch.tensor([2 * 7 + stream]), 40, 0.5)[0] for stream in (0, 1))
    assert not torch.equal(first, second)
