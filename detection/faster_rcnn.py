"""Faster R-CNN with a feature pyramid, assembled from torchvision's parts for many small objects on large pages.

Differences from `torchvision.models.detection.fasterrcnn_resnet50_fpn`: images are not resized (whoever makes them
knows the scale), small anchors on the same five levels, float32 wherever coordinates or losses are computed, so that
the rest may run under autocast, frozen norms that are part of their convolution (`detection.frozen`), and losses to
which each image adds by itself (`detection.training`).
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torchvision.models.resnet as resnet
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops.poolers import initLevelMapper

from detection.frozen import FoldedNorm, fold_norms
from detection.roi_align import PyramidRoIAlign
from detection.training import Heads, Proposals, Target

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
NORMS = ("frozen", "batch", "group")

Detections = dict[str, Tensor]

_LEVELS = ("layer1", "layer2", "layer3", "layer4")
_STRIDES_LOG2 = (2, 3, 4, 5)
_SIZE_DIVISIBLE = 2 ** _STRIDES_LOG2[-1]
"""Of the padded batch: the stride of the backbone's last map, so that each map has half the sides of the one before."""

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_GROUPS = 8
_FOREGROUND = 1

_PROPOSALS = {"fg_iou_thresh": 0.7, "bg_iou_thresh": 0.3, "positive_fraction": 0.5, "nms_thresh": 0.7}
_HEADS = {"fg_iou_thresh": 0.5, "bg_iou_thresh": 0.5, "positive_fraction": 0.25, "bbox_reg_weights": None}
"""What torchvision's `FasterRCNN` takes unless it is told otherwise."""


@dataclass(frozen=True)
class DetectorConfig:
    """What a detector is made of: enough to build it again.

    Attributes:
        backbone: `resnet18` to `resnet152`.
        anchor_sizes: Side of the square anchor in pixels, one for each of the five levels (strides 4 to 64).
        aspect_ratios: Height by width of the anchors of each level.
        max_detections: At most so many boxes an image.
        nms_threshold: Of two boxes with a higher IoU the one with the lower score is dropped.
        score_threshold: Boxes with a lower score are dropped.
        box_head_size: Width of the two layers that look at a region.
        rois_per_image: Regions sampled an image for the loss of the box head.
        anchors_per_image: Anchors sampled an image for the loss of the proposals.
        proposals_train: Regions proposed an image in training, and at most so many from a level before NMS.
        proposals_test: The same for inference: should exceed `max_detections`.
        fpn_channels: Width of the feature pyramid.
        norm: Of the backbone: `frozen` batch norm (for pretrained weights), `batch` (to train from scratch with
            batches that allow it), `group` (from scratch with any batch).
        trainable_layers: How many of the backbone's five parts (stem, layer1 … layer4) are trained, from the last.
        rpn_smooth_l1_beta: Of the proposals' smooth L1 loss of boxes: up to this error it is quadratic; 0: L1. The
            default is torchvision's.
        box_smooth_l1_beta: The same of the box head.
    """

    backbone: str = "resnet152"
    anchor_sizes: tuple[int, ...] = (12, 24, 32, 64, 96)
    aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    max_detections: int = 1000
    nms_threshold: float = 0.25
    score_threshold: float = 0.5
    box_head_size: int = 1024
    rois_per_image: int = 512
    anchors_per_image: int = 256
    proposals_train: int = 2000
    proposals_test: int = 1000
    fpn_channels: int = 256
    norm: str = "frozen"
    trainable_layers: int = 3
    rpn_smooth_l1_beta: float = 1 / 9
    box_smooth_l1_beta: float = 1 / 9

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"expected a backbone of {', '.join(BACKBONES)}, got {self.backbone!r}")
        if self.norm not in NORMS:
            raise ValueError(f"expected a norm of {', '.join(NORMS)}, got {self.norm!r}")
        if len(self.anchor_sizes) != len(_LEVELS) + 1:
            raise ValueError(f"expected {len(_LEVELS) + 1} anchor sizes, one a level, got {len(self.anchor_sizes)}")
        if not 0 <= self.trainable_layers <= len(_LEVELS) + 1:
            raise ValueError(f"expected 0 to {len(_LEVELS) + 1} trainable layers, got {self.trainable_layers}")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DetectorConfig":
        """Return the config out of JSON values, such as those of `dataclasses.asdict`.

        Raises:
            AttributeError, TypeError, ValueError: they are others.
        """
        fields: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in values.items()}
        return cls(**fields)


def build_detector(config: DetectorConfig) -> GeneralizedRCNN:
    """Return a detector with one class, `1`, and random weights; the backbone is `detector.backbone.body`.

    Its forward takes a list of images, tensors (3, h, w) of RGB, uint8 or float 0..1, of any sizes. In training it also
    takes a list of targets, dicts with `boxes` (n, 4) float32 xyxy pixels; n may be 0, boxes without area are ignored;
    `seed`, a whole number below 2**62, makes what is drawn from the image depend on nothing else. It returns a dict of
    four losses, float32 scalars, means over the images. In evaluation it returns for each image a dict with `boxes`
    (n, 4) float32 xyxy within the image, `scores` (n,) falling, `labels` (n,); n may be 0.
    """
    backbone = _build_backbone(config)
    anchors = _Anchors(
        tuple((size,) for size in config.anchor_sizes), (config.aspect_ratios,) * len(config.anchor_sizes)
    )
    most = {"training": config.proposals_train, "testing": config.proposals_test}
    proposals = Proposals(
        beta=config.rpn_smooth_l1_beta,
        anchor_generator=anchors,
        head=_Float32RPNHead(config.fpn_channels, len(config.aspect_ratios)),
        batch_size_per_image=config.anchors_per_image,
        pre_nms_top_n=most,
        post_nms_top_n=most,
        **_PROPOSALS,
    )
    pool = _build_roi_pool()
    heads = Heads(
        beta=config.box_smooth_l1_beta,
        box_roi_pool=pool,
        box_head=_BoxHead(config.fpn_channels * pool.output_size[0] ** 2, config.box_head_size),
        box_predictor=_Float32Predictor(config.box_head_size, _FOREGROUND + 1),
        batch_size_per_image=config.rois_per_image,
        score_thresh=config.score_threshold,
        nms_thresh=config.nms_threshold,
        detections_per_img=config.max_detections,
        **_HEADS,
    )
    return _Detector(backbone, proposals, heads, PadAndNormalize())


class _Detector(GeneralizedRCNN):  # type: ignore[misc]
    """torchvision's without its checks of the boxes, each of which waits for a GPU."""

    def forward(
        self, images: list[Tensor], targets: list[Target] | None = None
    ) -> dict[str, Tensor] | list[Detections]:
        """Return losses in training, else detections; see `build_detector`."""
        batch, targets = self.transform(images, targets)
        features = self.backbone(batch.tensors)
        proposals, losses = self.rpn(batch, features, targets)
        found, head_losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        return {**head_losses, **losses} if self.training else found


class PadAndNormalize(nn.Module):
    """Images of any sizes -> one normalised, zero-padded batch, on their device; nothing is resized."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD)[:, None, None], persistent=False)

    def forward(
        self, images: list[Tensor], targets: list[Target] | None = None
    ) -> tuple[ImageList, list[Target] | None]:
        """Return the batch (n, 3, h, w) float32, h and w multiples of 32, and the targets as they are."""
        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        height, width = (-(-max(side) // _SIZE_DIVISIBLE) * _SIZE_DIVISIBLE for side in zip(*sizes, strict=True))
        shape = (len(images), 3, height, width)
        batch = torch.empty(shape, device=images[0].device, memory_format=torch.channels_last).zero_()
        if len(set(sizes)) == 1:  # training crops: all at once
            batch[..., : sizes[0][0], : sizes[0][1]] = self._normalise(torch.stack(images))
        else:
            for slot, image, (image_height, image_width) in zip(batch, images, sizes, strict=True):
                slot[:, :image_height, :image_width] = self._normalise(image)
        return ImageList(batch, sizes), targets

    def _normalise(self, images: Tensor) -> Tensor:
        values = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        return (values - self.mean) / self.std


class _Backbone(BackboneWithFPN):  # type: ignore[misc]
    def forward(self, images: Tensor) -> "OrderedDict[str, Tensor]":
        features: OrderedDict[str, Tensor] = super().forward(_as_weights(self, images))
        return features


class _Anchors(AnchorGenerator):  # type: ignore[misc]
    """Anchors in float32 whatever the features are: bfloat16 does not distinguish pixel 1000 from 1003.

    They lie on the strides of the levels. torchvision divides the sides of the batch by those of the maps, which gives
    48 in place of 64 for the last level of a batch 96 high.
    """

    def forward(self, batch: ImageList, maps: list[Tensor]) -> list[Tensor]:
        self.set_cell_anchors(torch.float32, maps[0].device)
        strides = [(4 << level, 4 << level) for level in range(len(maps))]
        anchors = torch.cat(self.grid_anchors([level.shape[-2:] for level in maps], strides))
        return [anchors] * len(batch.image_sizes)


class _Float32RPNHead(RPNHead):  # type: ignore[misc]
    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = super().forward([_as_weights(self, feature) for feature in features])
        return [item.float() for item in logits], [item.float() for item in deltas]


class _BoxHead(TwoMLPHead):  # type: ignore[misc]
    def forward(self, regions: Tensor) -> Tensor:
        looked_at: Tensor = super().forward(_as_weights(self, regions))
        return looked_at


class _Float32Predictor(FastRCNNPredictor):  # type: ignore[misc]
    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = super().forward(_as_weights(self, regions))
        return logits.float(), deltas.float()


def _as_weights(module: nn.Module, values: Tensor) -> Tensor:
    """Return float32 values in the number format of a module's weights: float16 where an optimizer keeps the float32.

    Under autocast the weights are float32; what is in half precision already stays so.
    """
    return values.to(next(module.parameters()).dtype) if values.dtype == torch.float32 else values


def _build_backbone(config: DetectorConfig) -> BackboneWithFPN:
    norms = {"frozen": FoldedNorm, "batch": nn.BatchNorm2d, "group": _group_norm}
    makers: dict[str, Any] = {
        "resnet18": resnet.resnet18,
        "resnet34": resnet.resnet34,
        "resnet50": resnet.resnet50,
        "resnet101": resnet.resnet101,
        "resnet152": resnet.resnet152,
    }
    body = makers[config.backbone](weights=None, norm_layer=norms[config.norm])
    if config.norm == "frozen":
        fold_norms(body)
    _freeze(body, config.trainable_layers)
    last = body.fc.in_features
    return _Backbone(
        body,
        return_layers={layer: str(number) for number, layer in enumerate(_LEVELS)},
        in_channels_list=[last // 8, last // 4, last // 2, last],
        out_channels=config.fpn_channels,
    )


def _freeze(body: nn.Module, trainable_layers: int) -> None:
    """Exclude all parts but the last `trainable_layers` from training."""
    parts = [("conv1", "bn1"), *((layer,) for layer in _LEVELS)]
    for names in parts[: len(parts) - trainable_layers]:
        for name in names:
            body.get_submodule(name).requires_grad_(False)


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, channels)


def _build_roi_pool() -> PyramidRoIAlign:
    """Return the pooling of 7x7 regions with its scales set.

    Left to itself it takes them from the first batch it sees, and takes wrong ones where that was padded much.
    """
    pool = PyramidRoIAlign([str(number) for number in range(len(_LEVELS))], output_size=7, sampling_ratio=2)
    pool.scales = [2.0**-power for power in _STRIDES_LOG2]
    pool.map_levels = initLevelMapper(_STRIDES_LOG2[0], _STRIDES_LOG2[-1])
    return pool
