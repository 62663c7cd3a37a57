"""Pages as samples: random crops with their boxes for training, whole pages for inference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from detection.boxes import clip_xyxy, scale_boxes, xywh_to_xyxy
from kuzushiji.data.labels import PageLabels
from kuzushiji.engine.loader import SampleKey, generator_of
from kuzushiji.imaging.colours import ColourAugmentation
from kuzushiji.imaging.store import PageStore
from kuzushiji.imaging.window import Image, resize
from kuzushiji.segment.transforms import CropSpec, cut_boxes, inference_size, random_window

_SEEDS = 2**62
"""A detector takes seeds below this (`detection.training`)."""


class Crop(NamedTuple):
    """A training sample.

    Attributes:
        image: (3, h, w) uint8.
        boxes_xyxy: (n, 4) float32, pixels of the crop; n may be 0.
        image_id: Its page.
        seed: Decides which of its regions the detector learns from.
    """

    image: Tensor
    boxes_xyxy: Tensor
    image_id: str
    seed: int


class TrainCrops(Dataset[Crop]):
    """One random crop of a page for each key; crops without characters are samples like others.

    Args:
        labels: Boxes of the training pages.
        images: Their images.
        store: Reads them.
        spec: What a crop is.
        augment: Change of colours, or None.
        seed: Together with the key it decides everything random.
    """

    def __init__(
        self,
        labels: PageLabels,
        images: Mapping[str, Path],
        store: PageStore,
        spec: CropSpec,
        augment: ColourAugmentation | None,
        seed: int,
    ) -> None:
        self._image_ids = labels.image_ids
        self._paths = [images[image_id] for image_id in labels.image_ids]
        self._boxes_xyxy = [
            xywh_to_xyxy(boxes[["x", "y", "w", "h"]].to_numpy(np.float64)) for _, boxes in labels.by_page()
        ]
        self._store, self._spec, self._augment, self._seed = store, spec, augment, seed

    def __len__(self) -> int:
        return len(self._image_ids)

    def __getitem__(self, key: SampleKey) -> Crop:
        rng = generator_of(self._seed, key)
        path = self._paths[key.sample]
        width, height = self._store.size(path)
        window = random_window(rng, width, height, self._spec)
        image = resize(self._store.read_window(path, window), self._spec.out_width, self._spec.out_height)
        if self._augment is not None:
            image = self._augment(image, rng)
        boxes_xyxy = cut_boxes(clip_xyxy(self._boxes_xyxy[key.sample], width, height), window, self._spec)
        boxes = torch.from_numpy(boxes_xyxy.astype(np.float32))
        return Crop(channels_first(image), boxes, self._image_ids[key.sample], seed=int(rng.integers(_SEEDS)))


class WholePage(NamedTuple):
    """A page as the detector sees it in inference.

    Attributes:
        number: Of the page in the dataset.
        image: (3, h, w) uint8, the scaled page.
        width: Of the original page, pixels.
        height: Of the original page, pixels.
    """

    number: int
    image: Tensor
    width: int
    height: int

    def to_original(self, boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes (n, 4) of the scaled page in pixels of the original page, cut to it."""
        factor_x, factor_y = self.width / self.image.shape[2], self.height / self.image.shape[1]
        return clip_xyxy(scale_boxes(boxes_xyxy, factor_x, factor_y), self.width, self.height)


class WholePages(Dataset[tuple[WholePage, ...]]):
    """Pages, by number, each in several sizes.

    Args:
        paths: Their images.
        store: Reads them.
        long_sides: Long side of the scaled page in each size, pixels.
    """

    def __init__(self, paths: Sequence[Path], store: PageStore, long_sides: Sequence[int]) -> None:
        self._paths, self._store, self._long_sides = tuple(paths), store, tuple(long_sides)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> tuple[WholePage, ...]:
        page = self._store.read(self._paths[number])
        return tuple(whole_page(number, page, long_side) for long_side in self._long_sides)


def whole_page(number: int, page: Image, long_side: int) -> WholePage:
    """Return a page (h, w, 3) RGB scaled to a long side in pixels."""
    height, width = page.shape[:2]
    scaled = resize(page, *inference_size(width, height, long_side))
    return WholePage(number, channels_first(scaled), width, height)


class CropBatch(NamedTuple):
    """Crops of one step.

    Attributes:
        images: (b, 3, h, w) uint8.
        boxes_xyxy: (n, 4) float32, boxes of all crops one after the other, pixels of their crop.
        counts: Number of boxes of each crop.
        image_ids: The pages.
        seeds: (b,) int64, of the crops.
    """

    images: Tensor
    boxes_xyxy: Tensor
    counts: list[int]
    image_ids: list[str]
    seeds: Tensor


def collate_crops(crops: Sequence[Crop]) -> CropBatch:
    """Join crops to a batch: two tensors, which are quick to move between processes and to the device."""
    return CropBatch(
        images=torch.stack([crop.image for crop in crops]),
        boxes_xyxy=torch.cat([crop.boxes_xyxy for crop in crops]),
        counts=[len(crop.boxes_xyxy) for crop in crops],
        image_ids=[crop.image_id for crop in crops],
        seeds=torch.tensor([crop.seed for crop in crops]),
    )


def channels_first(image: Image) -> Tensor:
    """Return an image (h, w, 3) as a tensor (3, h, w) uint8; it is normalised on the device."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
