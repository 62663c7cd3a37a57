"""What Faster R-CNN learns from: regions that an image draws by itself, and losses that are means over images.

torchvision draws from the global generator and averages over all regions of a batch, so that what an image adds depends
on the images beside it. Here it does not: a batch that several processes divide, or that is accumulated in parts, gives
the losses and gradients of the whole. Where every image has as many regions as are drawn at most, which is the usual
case, the means are torchvision's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

Target = dict[str, Any]
"""Of a training image: `boxes` (n, 4) float32 xyxy pixels, `labels` (n,) int64, and perhaps `seed`, a whole number from
0 to 2**62 - 1 that decides which regions are drawn; without it torch's global generator does."""

_BETA = 1 / 9
"""Of the smooth L1 loss: up to this error it is quadratic; torchvision's."""

_NOT_DRAWN = -1.0
_PROPOSALS, _HEADS = 0, 1
"""Streams of a seed."""


class RegionSampler:
    """Draws some regions of an image, among them at most a certain share of objects.

    Args:
        most: Regions drawn of an image; fewer where there are not as many.
        object_share: Largest share of them that are objects.
        stream: 0 or 1: samplers with different streams draw differently by the same seed.
    """

    def __init__(self, most: int, object_share: float, stream: int) -> None:
        self.most, self.object_share, self.stream = most, object_share, stream

    def __call__(self, labels: Tensor, seed: int | None) -> Tensor:
        """Return the numbers (m,) of the regions drawn, objects first.

        Args:
            labels: (n,) of all regions: objects from 1 on, background 0, neither of both below 0.
            seed: Of the image; None: torch's global generator draws.
        """
        generator = None
        if seed is not None:
            generator = torch.Generator(labels.device).manual_seed(2 * seed + self.stream)
        objects = _some_of(torch.where(labels >= 1)[0], int(self.most * self.object_share), generator)
        background = _some_of(torch.where(labels == 0)[0], self.most - len(objects), generator)
        return torch.cat([objects, background])


def _some_of(numbers: Tensor, most: int, generator: torch.Generator | None) -> Tensor:
    return numbers[torch.randperm(len(numbers), generator=generator, device=numbers.device)[:most]]


class Proposals(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's, but for what it learns from; all images of a batch have the same anchors."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._draw = RegionSampler(options["batch_size_per_image"], options["positive_fraction"], _PROPOSALS)

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return labels (n,) and matched boxes (n, 4) of each image; the label of an anchor not drawn is -1."""
        labels, matched_boxes = super().assign_targets_to_anchors(anchors, targets)
        drawn = []
        for own, target in zip(labels, targets, strict=True):
            chosen = self._draw(own, target.get("seed"))
            drawn.append(torch.full_like(own, _NOT_DRAWN).index_copy_(0, chosen, own[chosen]))
        return drawn, matched_boxes

    def compute_loss(
        self, objectness: Tensor, deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of objectness and of boxes, scalars.

        Args:
            objectness: (images * n, 1) logits.
            deltas: (images * n, 4) predicted.
            labels: (n,) of each image, from `assign_targets_to_anchors`.
            regression_targets: (n, 4) of each image, what the deltas should be.
        """
        by_image = torch.stack(labels)
        chosen = torch.where(by_image.flatten() >= 0)[0]
        counts = (by_image >= 0).sum(dim=1).clamp(min=1)
        weights = (1 / (counts * len(labels)))[chosen // by_image.shape[1]]
        truth = by_image.flatten()[chosen]
        losses = functional.binary_cross_entropy_with_logits(objectness.flatten()[chosen], truth, reduction="none")
        objects = torch.where(truth > 0)[0]
        regions = chosen[objects]
        box_loss = _box_loss(deltas[regions], torch.cat(regression_targets)[regions], weights[objects])
        return (losses * weights).sum(), box_loss


class Heads(RoIHeads):  # type: ignore[misc]
    """torchvision's, but for what they learn from."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._draw = RegionSampler(options["batch_size_per_image"], options["positive_fraction"], _HEADS)

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Return detections in evaluation, as torchvision's, and two losses in training."""
        if not self.training:
            found: tuple[list[dict[str, Tensor]], dict[str, Tensor]] = super().forward(
                features, proposals, image_shapes
            )
            return found
        regions, _, labels, regression_targets = self.select_training_samples(proposals, targets)
        pooled = self.box_roi_pool(features, regions, image_shapes)
        logits, deltas = self.box_predictor(self.box_head(pooled))
        return [], self._losses(logits, deltas, labels, regression_targets)

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[Target] | None
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Return of each image the regions drawn (m, 4), their box's number, labels (m,), regression targets (m, 4)."""
        self.check_targets(targets)
        assert targets is not None
        boxes = [target["boxes"].to(proposals[0].dtype) for target in targets]
        regions = self.add_gt_proposals(proposals, boxes)
        matched, labels = self.assign_targets_to_proposals(regions, boxes, [target["labels"] for target in targets])
        drawn = [self._draw(own, target.get("seed")) for own, target in zip(labels, targets, strict=True)]
        regions, matched, labels = (
            [own[chosen] for own, chosen in zip(items, drawn, strict=True)] for items in (regions, matched, labels)
        )
        some = [own if len(own) else own.new_zeros((1, 4)) for own in boxes]  # background alone matches nothing
        matched_boxes = [own[numbers] for own, numbers in zip(some, matched, strict=True)]
        return regions, matched, labels, self.box_coder.encode(matched_boxes, regions)

    @staticmethod
    def _losses(
        logits: Tensor, deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> dict[str, Tensor]:
        weights = torch.cat([logits.new_full((len(own),), 1 / (max(len(own), 1) * len(labels))) for own in labels])
        truth = torch.cat(labels)
        losses = functional.cross_entropy(logits, truth, reduction="none")
        objects = torch.where(truth > 0)[0]
        own_deltas = deltas.view(len(deltas), -1, 4)[objects, truth[objects]]
        box_loss = _box_loss(own_deltas, torch.cat(regression_targets)[objects], weights[objects])
        return {"loss_classifier": (losses * weights).sum(), "loss_box_reg": box_loss}


def _box_loss(deltas: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum over objects of the smooth L1 loss of their four deltas; 0 without objects."""
    losses = functional.smooth_l1_loss(deltas, targets, beta=_BETA, reduction="none")
    return (losses.sum(dim=1) * weights).sum()
