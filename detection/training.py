"""What Faster R-CNN learns from: regions drawn from each image by its own seed, and losses that are means over images.

torchvision draws from the global generator and averages over all regions of a batch, so that what an image adds depends
on the images beside it. Here it does not: a batch that several processes divide, or that is accumulated in parts, gives
the losses and gradients of the whole. Where every image has as many regions as are drawn at most, which is the usual
case, the means are torchvision's.

All images of a batch go through each operation together, and no shape depends on values on the device: a training step
on a GPU waits only for non-maximum suppression (`_suppress`) and for the pooling of regions (`detection.roi_align`).
In evaluation both parts are torchvision's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image, nms

from detection.regions import Weights, decode, draw, encode, padded, pairwise_iou, rows_of

Target = dict[str, Any]
"""Of a training image: `boxes` (n, 4) float32 xyxy pixels, and perhaps `seed`, a whole number from 0 to 2**62 - 1 (an
int, or an int64 scalar on the device) that decides which regions are drawn; without it torch's global generator does.
"""

_SMALLEST = 1e-3
"""Regions with a shorter side, pixels, are not used: torchvision's value."""

_SUPPRESSED_TOGETHER = 32_768
"""Non-maximum suppression on a GPU gets at most so many regions in one call: its time and memory grow with their
square (2**15 regions: 134 MB), and each call waits for the device."""

_PROPOSALS, _HEADS = 0, 1
"""Streams of a seed: both parts draw differently by the same seed."""


class Proposals(RegionProposalNetwork):  # type: ignore[misc]
    """torchvision's, but for training; all images of a batch have the same anchors.

    Args:
        beta: Of the smooth L1 loss of boxes: up to this error it is quadratic; 0: L1.
        options: As torchvision's.
    """

    def __init__(self, *, beta: float, **options: Any) -> None:
        super().__init__(**options)
        self.beta = beta
        self.most, self.object_share = options["batch_size_per_image"], options["positive_fraction"]
        self.object_iou, self.background_iou = options["fg_iou_thresh"], options["bg_iou_thresh"]
        self.weights: Weights = self.box_coder.weights

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: list[Target] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return proposals (n, 4) xyxy of each image, and in training two losses.

        In training n is the same for all images, and what is missing from it are rows of zeros.
        """
        if not self.training:
            found: tuple[list[Tensor], dict[str, Tensor]] = super().forward(images, features)
            return found
        assert targets is not None
        maps = list(features.values())
        logits, deltas = self.head(maps)
        counts = [level[0].numel() for level in logits]
        logits, deltas = concat_box_prediction_layers(logits, deltas)
        logits, deltas = logits.view(len(targets), -1), deltas.view(len(targets), -1, 4)
        (anchors,) = self.anchor_generator(ImageList(images.tensors, images.image_sizes[:1]), maps)
        regions = self._propose(logits.detach(), deltas.detach(), anchors, counts, images)
        return list(regions), self._losses(logits, deltas, anchors, targets)

    @torch.no_grad()
    def _propose(self, logits: Tensor, deltas: Tensor, anchors: Tensor, counts: list[int], images: ImageList) -> Tensor:
        """Return the best regions (images, n, 4), as `filter_proposals` of torchvision chooses them."""
        best = self._get_top_n_idx(logits, counts)
        regions = decode(rows_of(deltas, best), anchors[best], self.weights)
        regions = torch.stack(
            [clip_boxes_to_image(own, size) for own, size in zip(regions, images.image_sizes, strict=True)]
        )
        scores = logits.gather(1, best).sigmoid_().masked_fill_(_is_small(regions), -1)
        level = [min(self.pre_nms_top_n(), count) for count in counts]
        shift = torch.cat([regions.new_full((n,), float(number)) for number, n in enumerate(level)])
        side = max(images.tensors.shape[-2:]) + 1  # what is shifted by this does not overlap
        return _suppress(regions, scores, shift * side, len(level) * side, self.nms_thresh, self.post_nms_top_n())

    def _losses(self, logits: Tensor, deltas: Tensor, anchors: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Return both losses from logits (images, n), deltas (images, n, 4) and anchors (n, 4)."""
        with torch.no_grad():
            boxes = padded([target["boxes"] for target in targets])
            labels, matched = self._assign(boxes, anchors)
            chosen, is_object, drawn = draw(labels, _seeds(targets, labels, _PROPOSALS), self.most, self.object_share)
            weights = _shares(drawn)
            objects = slice(int(self.most * self.object_share))
            numbers = chosen[:, objects]
            wanted = encode(rows_of(boxes, matched.gather(1, numbers)), anchors[numbers], self.weights)
        losses = functional.binary_cross_entropy_with_logits(
            logits.gather(1, chosen), is_object.to(logits.dtype), reduction="none"
        )
        return {
            "loss_objectness": (losses * weights).sum(),
            "loss_rpn_box_reg": box_loss(
                rows_of(deltas, numbers), wanted, weights[:, objects], is_object[:, objects], self.beta
            ),
        }

    def _assign(self, boxes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels (images, n), as of `draw`, and numbers of the boxes that anchors overlap most.

        Those that overlap a box most are objects however little it is (`allow_low_quality_matches` of torchvision).
        """
        iou = pairwise_iou(boxes, anchors[None])
        best, matched = iou.max(dim=1)
        most = iou.amax(dim=2, keepdim=True)
        nearest = ((iou == most) & (most > 0)).any(dim=1)
        neither = torch.where(best < self.background_iou, 0, -1)
        return torch.where(nearest | (best >= self.object_iou), 1, neither), matched


class Heads(RoIHeads):  # type: ignore[misc]
    """torchvision's for one class, but for training.

    Args:
        beta: Of the smooth L1 loss of boxes: up to this error it is quadratic; 0: L1.
        options: As torchvision's.
    """

    def __init__(self, *, beta: float, **options: Any) -> None:
        super().__init__(**options)
        self.beta = beta
        self.most, self.object_share = options["batch_size_per_image"], options["positive_fraction"]
        self.object_iou = options["fg_iou_thresh"]
        self.weights: Weights = self.box_coder.weights

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
        assert targets is not None
        with torch.no_grad():
            regions, boxes, is_object, drawn = self._choose(torch.stack(proposals), targets)
        pooled, places = self.box_roi_pool.unordered(features, list(regions))
        logits, deltas = (each.index_select(0, places) for each in self.box_predictor(self.box_head(pooled)))
        return [], self._losses(logits, deltas, regions, boxes, is_object, drawn)

    def _choose(self, proposals: Tensor, targets: list[Target]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the regions drawn (images, k, 4), what they overlap most, whether it is an object, and was drawn."""
        boxes = padded([target["boxes"].to(proposals.dtype) for target in targets])
        regions = torch.cat([proposals, boxes], dim=1)
        best, matched = pairwise_iou(boxes, regions).max(dim=1)
        labels = (best >= self.object_iou).long().masked_fill_(_is_small(regions), -1)
        chosen, is_object, drawn = draw(labels, _seeds(targets, labels, _HEADS), self.most, self.object_share)
        return rows_of(regions, chosen), rows_of(boxes, matched.gather(1, chosen)), is_object, drawn

    def _losses(
        self, logits: Tensor, deltas: Tensor, regions: Tensor, boxes: Tensor, is_object: Tensor, drawn: Tensor
    ) -> dict[str, Tensor]:
        """Return the losses from logits (images * k, 2), deltas (images * k, 8), and what `_choose` returned."""
        weights = _shares(drawn)
        losses = functional.cross_entropy(logits, is_object.flatten().long(), reduction="none")
        objects = slice(int(self.most * self.object_share))
        own_deltas = deltas.view(*drawn.shape, 2, 4)[:, objects, 1]
        wanted = encode(boxes[:, objects], regions[:, objects], self.weights)
        return {
            "loss_classifier": (losses * weights.flatten()).sum(),
            "loss_box_reg": box_loss(own_deltas, wanted, weights[:, objects], is_object[:, objects], self.beta),
        }


def box_loss(deltas: Tensor, wanted: Tensor, weights: Tensor, is_object: Tensor, beta: float) -> Tensor:
    """Return the weighted sum over objects of the smooth L1 loss of their four deltas; 0 without objects.

    Args:
        deltas: (images, k, 4) predicted.
        wanted: (images, k, 4), without meaning where there is no object.
        weights: (images, k).
        is_object: (images, k).
        beta: Up to this error the loss is quadratic; 0: L1.
    """
    wanted = wanted.masked_fill(~is_object[..., None], 0)
    losses = functional.smooth_l1_loss(deltas, wanted, beta=beta, reduction="none").sum(dim=-1)
    return (losses * (weights * is_object)).sum()


def _seeds(targets: list[Target], like: Tensor, stream: int) -> Tensor:
    """Return a seed of each image (images,) int64 on the device of `like`, for one of two streams."""
    given = [target.get("seed") for target in targets]
    seeds = [torch.randint(1 << 62, ()) if seed is None else seed for seed in given]
    own = [(seed if isinstance(seed, Tensor) else torch.tensor(seed)).to(like.device) for seed in seeds]
    return torch.stack(own) * 2 + stream


def _shares(drawn: Tensor) -> Tensor:
    """Return the weight of each region (images, k): together 1 / images of an image, 0 for those not drawn."""
    return drawn / (drawn.sum(dim=1, keepdim=True).clamp(min=1) * len(drawn))


def _is_small(regions: Tensor) -> Tensor:
    return ((regions[..., 2:] - regions[..., :2]) < _SMALLEST).any(dim=-1)


def _suppress(
    regions: Tensor, scores: Tensor, shift: Tensor, shift_of_image: float, threshold: float, most: int
) -> Tensor:
    """Return the regions (images, m, 4) that no better one overlaps, by falling score, m = min(most, n).

    Several images go through one call, each shifted to a place of its own; on the CPU, where a call costs nothing, one.
    Where fewer than m are left, rows of zeros follow.

    Args:
        regions: (images, n, 4) xyxy within their images.
        scores: (images, n); below 0: the region is not to be used.
        shift: (n,): what is added to a region's coordinates, so that those of several levels do not meet.
        shift_of_image: The same for images.
        threshold: IoU above which the region with the lower score is dropped.
        most: Regions of an image that stay.
    """
    images, n, _ = regions.shape
    most = min(most, n)
    together = 1 if _is_on_cpu(regions) else max(_SUPPRESSED_TOGETHER // n, 1)
    found = []
    for part, own_scores in zip(torch.split(regions, together), torch.split(scores, together), strict=True):
        image_shift = torch.arange(len(part), device=part.device)[:, None] * shift_of_image
        moved = part + (shift + image_shift)[..., None]
        kept = nms(moved.flatten(0, 1), own_scores.flatten(), threshold)
        image = kept // n
        place = (image[:, None] == torch.arange(len(part), device=part.device)).cumsum(dim=0)
        place = (place.gather(1, image[:, None])[:, 0] - 1).masked_fill_(own_scores.flatten()[kept] < 0, most)
        rows = part.new_zeros(len(part), most + 1, 4)  # the last one takes what is too much
        rows[image, place.clamp_(max=most)] = part.flatten(0, 1)[kept]
        found.append(rows[:, :most])
    return torch.cat(found)


def _is_on_cpu(regions: Tensor) -> bool:
    return regions.device.type == "cpu"
