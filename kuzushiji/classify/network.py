"""The classifier of given boxes: a backbone over a large crop, RoI align from two of its maps, and a head."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detection.roi_align import roi_align
from kuzushiji.classify.backbones import Backbone, backbone_info, build_backbone
from kuzushiji.errors import InputError

ROI_SIZE = 3
"""Cells of the grid that RoI align reads from a box, in each direction."""

SAMPLING_RATIO = 2
"""Points that RoI align averages in each cell and direction: the cells of a character of 100 px are 4 steps of the
stride-8 map wide, and two bilinear points cover four steps."""

ROWS = 32
"""The head computes with a multiple of this many boxes; see `RowsLinear`."""


@dataclass(frozen=True)
class ModelConfig:
    """What rebuilds a classifier from its checkpoint, beside the vocabulary.

    Attributes:
        base: Name of the backbone.
        head_size: Width of the head's bottleneck.
        head_dropout: Share of features that each dropout of the head clears in training.
    """

    base: str = "resnet152"
    head_size: int = 1024
    head_dropout: float = 0.5


class RoIClassifier(nn.Module):
    """Gives every box of a picture logits over the classes."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        config: ModelConfig,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        frozen_start: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            backbone: The network that gives the two maps.
            n_classes: Number of classes, `seg_fp` included.
            config: Sizes of the head.
            mean: Mean colour, 0 to 1, that is taken off the pictures.
            std: Standard deviation that they are divided by.
            frozen_start: Whether the backbone's modules up to stride 4 keep their weights, and their norms the
                statistics that they came with.

        Raises:
            InputError: the start of a backbone is to be frozen that does not tell which modules it is.
        """
        super().__init__()
        if frozen_start and not backbone.start:
            raise InputError(f"--frozen-start 1: expected a backbone with a map at stride 4, {config.base} has none")
        self.backbone = backbone
        self.head = build_head(roi_features(backbone), config.head_size, n_classes, config.head_dropout)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.frozen = tuple(backbone.start) if frozen_start else ()
        for module in self._frozen_modules():
            module.requires_grad_(False)
        self.train()

    def forward(self, images: Tensor, rois: Tensor) -> Tensor:
        """Return the logits of all boxes.

        Args:
            images: (n, h, w, 3) uint8 RGB, as a batch of pictures lies in memory.
            rois: (k, 5) float32: which picture of the batch, then x0 y0 x1 y1 in pixels of the picture.

        Returns:
            (k, classes) float32 logits; no rows without boxes.
        """
        logits: Tensor = self.head(self.features(images, rois).to(self._format))
        return logits.float()

    def features(self, images: Tensor, rois: Tensor) -> Tensor:
        """Return (k, features) float32, what the head sees of each box; arguments as of `forward`."""
        pictures = self.normalise(images).to(self._format)
        pairs = zip(self.backbone(pictures), (8, 16), strict=True)
        cells = torch.cat([roi_cells(maps, rois, stride) for maps, stride in pairs], dim=1)
        return cells.flatten(1)

    def normalise(self, images: Tensor) -> Tensor:
        """Return (n, h, w, 3) uint8 pictures as (n, 3, h, w) normalised floats, channels last in memory."""
        return (images.permute(0, 3, 1, 2).float() - self.mean.float()) / self.std.float()

    def train(self, mode: bool = True) -> "RoIClassifier":
        """Switch between training and evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    @property
    def _format(self) -> torch.dtype:
        """Number format of the weights: float16 where an optimizer keeps the float32."""
        return next(self.head.parameters()).dtype

    def _frozen_modules(self) -> list[nn.Module]:
        return [self.backbone.get_submodule(name) for name in self.frozen]


def build_model(
    config: ModelConfig, n_classes: int, *, pretrained: bool, weights: Path | None = None, frozen_start: bool = False
) -> RoIClassifier:
    """Build the classifier of `config`; see `build_backbone` for where its weights come from.

    Raises:
        InputError: as `build_backbone`, and as `RoIClassifier`.
    """
    info = backbone_info(config.base)
    backbone = build_backbone(config.base, pretrained=pretrained, weights=weights)
    model = RoIClassifier(
        backbone, n_classes, config, mean=info.mean, std=info.std, frozen_start=frozen_start
    )  # fmt: skip
    return model.to(memory_format=torch.channels_last)


class RowsLinear(nn.Linear):
    """A linear layer for a number of rows that is another in every batch: it computes with a multiple of 32 rows.

    The result is the same. On the CPU in bfloat16 oneDNN keeps a compiled kernel and a copy of the weights for every
    number of rows that it meets: measured with 3,456 x 512 weights, training took 4 MB more memory for each.
    """

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n, out_features) of (n, in_features)."""
        n = len(rows)
        return super().forward(nn.functional.pad(rows, (0, 0, 0, -n % ROWS)))[:n]


def build_head(n_features: int, head_size: int, n_classes: int, dropout: float) -> nn.Sequential:
    """Return the head: the bottleneck and both dropouts matter, as the reference found."""
    return nn.Sequential(
        nn.Dropout(dropout),
        RowsLinear(n_features, head_size),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.BatchNorm1d(head_size),
        RowsLinear(head_size, n_classes),
    )


def roi_features(backbone: Backbone) -> int:
    """Return the number of features of one box: (512 + 1024) * 9 = 13,824 for ResNet-152."""
    return sum(backbone.channels) * ROI_SIZE**2


def roi_cells(maps: Tensor, rois: Tensor, stride: int) -> Tensor:
    """Return (k, channels, 3, 3) features of the boxes, in float32 whatever the precision of the maps.

    Box edges are positions between pixels, as everywhere here (`aligned=True`): the centre of the map's first cell
    lies half a stride from the picture's edge.
    """
    with torch.autocast(maps.device.type, enabled=False):
        return roi_align(
            maps, rois.float(), size=ROI_SIZE, scale=1 / stride, ratio=SAMPLING_RATIO, aligned=True
        )  # fmt: skip


def rois_of(boxes_xyxy: Sequence[Tensor]) -> Tensor:
    """Return (k, 5) rois of the boxes of a batch's pictures: number of the picture, x0 y0 x1 y1."""
    numbers = torch.repeat_interleave(torch.tensor([len(boxes) for boxes in boxes_xyxy], dtype=torch.int64))
    boxes = torch.cat(list(boxes_xyxy)) if boxes_xyxy else torch.zeros(0, 4)
    return torch.cat([numbers[:, None].float(), boxes.float()], dim=1)


def describe(model: nn.Module) -> str:
    """Return the model's modules and its number of weights as text."""
    count: Any = sum(parameter.numel() for parameter in model.parameters())
    free: Any = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return f"{model}\n{count:,} weights, {free:,} of them trained"
