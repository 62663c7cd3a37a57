"""From crops to a batch whose shapes repeat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kuzushiji.classify.targets import targets_kept
from kuzushiji.engine.loader import SampleKey


@dataclass(frozen=True)
class LabelledCrop:
    """One picture with its boxes.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        boxes_xyxy: (n, 4) float32, pixels of the crop.
        classes: (n,) int64 numbers of the true classes.
        key: Which sample this is.
    """

    image: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    key: SampleKey


@dataclass
class Batch:
    """Several pictures with all their boxes.

    Attributes:
        images: (n, h, w, 3) uint8 RGB.
        rois: (k, 5) float32: number of the picture, x0 y0 x1 y1 in its pixels.
        classes: (k,) int64 numbers of the true classes.
        keys: The samples.
    """

    images: Tensor
    rois: Tensor
    classes: Tensor
    keys: tuple[SampleKey, ...]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`; from pinned memory the copy does not wait."""
        images, rois, classes = (
            tensor.to(device, non_blocking=True) for tensor in (self.images, self.rois, self.classes)
        )
        return Batch(images, rois, classes, self.keys)

    def pin_memory(self) -> "Batch":
        """Return the batch in memory from which a GPU can copy by itself."""
        images, rois, classes = (tensor.pin_memory() for tensor in (self.images, self.rois, self.classes))
        return Batch(images, rois, classes, self.keys)


@dataclass(frozen=True)
class Collate:
    """Puts crops of one size together.

    Attributes:
        max_targets: Most boxes of a batch; 0 for no limit. With a limit the number is also rounded down to a multiple
            of 32, unless there are fewer than 32. Which boxes stay depends on the samples' keys and `seed` alone.
        seed: Seed of the run.
        alone: Whether this is all of a batch: then a single box comes twice, since batch norm needs two. A process's
            part of a batch needs no more than one.
    """

    max_targets: int = 0
    seed: int = 0
    alone: bool = True

    def __call__(self, crops: Sequence[LabelledCrop]) -> Batch:
        """Return the batch of at least one crop."""
        picture = np.repeat(np.arange(len(crops), dtype=np.float32), [len(crop.classes) for crop in crops])
        rois = np.concatenate([picture[:, None], np.concatenate([crop.boxes_xyxy for crop in crops])], axis=1)
        classes = np.concatenate([crop.classes for crop in crops])
        chosen = self._choose(len(classes), crops)
        return Batch(
            images=torch.from_numpy(np.stack([crop.image for crop in crops])),
            rois=torch.from_numpy(rois[chosen].astype(np.float32)),
            classes=torch.from_numpy(classes[chosen].astype(np.int64)),
            keys=tuple(crop.key for crop in crops),
        )

    def _choose(self, count: int, crops: Sequence[LabelledCrop]) -> NDArray[np.int64]:
        if count == 1 and self.alone:
            return np.zeros(2, np.int64)
        kept = targets_kept(count, self.max_targets)
        if kept == count:
            return np.arange(count)
        rng = np.random.default_rng([self.seed, *(number for crop in crops for number in crop.key)])
        return np.sort(rng.choice(count, kept, replace=False))
