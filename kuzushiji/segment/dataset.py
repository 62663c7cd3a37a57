"""Pages as samples: random crops with their boxes for training, whole pages for inference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from detection.boxes import clip_xyxy, xywh_to_xyxy
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.pages import page_size, read_page
from kuzushiji.engine.sampler import SampleKey, generator_of
from kuzushiji.segment.transforms import (
    ColorAugmentation,
    CropSpec,
    Image,
    cut_boxes,
    cut_image,
    inference_size,
    random_window,
    resize,
)


class PageStore:
    """Reads pages, and keeps as many decoded ones in memory as fit a limit.

    It is filled when it is made, before the loader's workers start, so that all of them share what it holds.

    Args:
        images: Path of each page's image.
        limit_mib: Memory for decoded pages, MiB; 0 keeps none.

    Raises:
        InputError: an image that is read already cannot be; the message names it.
    """

    def __init__(self, images: Mapping[str, Path], limit_mib: int) -> None:
        self._images = images
        self._pages: dict[str, Image] = {}
        free = limit_mib * 2**20
        for image_id, path in images.items():
            width, height = page_size(path) if free > 0 else (0, 0)
            free -= 3 * width * height
            if free <= 0:
                break
            self._pages[image_id] = read_page(path)

    def __len__(self) -> int:
        """Return how many pages are in memory."""
        return len(self._pages)

    def read(self, image_id: str) -> Image:
        """Return the page (h, w, 3), RGB, not to be written to.

        Raises:
            InputError: the image cannot be read; the message names it.
        """
        kept = self._pages.get(image_id)
        return read_page(self._images[image_id]) if kept is None else kept


class Crop(NamedTuple):
    """A training sample.

    Attributes:
        image: (3, h, w) uint8.
        boxes_xyxy: (n, 4) float32, pixels of the crop; n may be 0.
        image_id: Its page.
    """

    image: Tensor
    boxes_xyxy: Tensor
    image_id: str


class TrainCrops(Dataset[Crop]):
    """One random crop of a page for each key; crops without characters are samples like others.

    Args:
        labels: Boxes of the training pages.
        store: Their images.
        spec: What a crop is.
        augment: Change of colours, or None.
        seed: Together with the key it decides everything random.
    """

    def __init__(
        self, labels: PageLabels, store: PageStore, spec: CropSpec, augment: ColorAugmentation | None, seed: int
    ) -> None:
        self._image_ids = labels.image_ids
        self._boxes_xyxy = [
            xywh_to_xyxy(boxes[["x", "y", "w", "h"]].to_numpy(np.float64)) for _, boxes in labels.by_page()
        ]
        self._store, self._spec, self._augment, self._seed = store, spec, augment, seed

    def __len__(self) -> int:
        return len(self._image_ids)

    def __getitem__(self, key: SampleKey) -> Crop:
        rng = generator_of(self._seed, key)
        image_id = self._image_ids[key.sample]
        page = self._store.read(image_id)
        height, width = page.shape[:2]
        window = random_window(rng, width, height, self._spec)
        image = cut_image(page, window, self._spec.out_width, self._spec.out_height)
        if self._augment is not None:
            image = self._augment(image, rng)
        boxes_xyxy = cut_boxes(clip_xyxy(self._boxes_xyxy[key.sample], width, height), window, self._spec)
        return Crop(channels_first(image), torch.from_numpy(boxes_xyxy.astype(np.float32)), image_id)


class WholePage(NamedTuple):
    """A sample of inference.

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
        return clip_xyxy(boxes_xyxy * np.array([factor_x, factor_y, factor_x, factor_y]), self.width, self.height)


class WholePages(Dataset[WholePage]):
    """Scaled pages, by number.

    Args:
        image_ids: The pages.
        store: Their images.
        long_side: Long side of the scaled page, pixels.
    """

    def __init__(self, image_ids: Sequence[str], store: PageStore, long_side: int) -> None:
        self._image_ids, self._store, self._long_side = image_ids, store, long_side

    def __len__(self) -> int:
        return len(self._image_ids)

    def __getitem__(self, number: int) -> WholePage:
        page = self._store.read(self._image_ids[number])
        height, width = page.shape[:2]
        scaled = resize(page, *inference_size(width, height, self._long_side))
        return WholePage(number, channels_first(scaled), width, height)


class CropBatch(NamedTuple):
    """Crops of one step.

    Attributes:
        images: (b, 3, h, w) uint8.
        boxes_xyxy: (n, 4) float32, boxes of all crops one after the other, pixels of their crop.
        counts: Number of boxes of each crop.
        image_ids: The pages.
    """

    images: Tensor
    boxes_xyxy: Tensor
    counts: list[int]
    image_ids: list[str]


def collate_crops(crops: Sequence[Crop]) -> CropBatch:
    """Join crops to a batch: two tensors, which are quick to move between processes and to the device."""
    return CropBatch(
        images=torch.stack([crop.image for crop in crops]),
        boxes_xyxy=torch.cat([crop.boxes_xyxy for crop in crops]),
        counts=[len(crop.boxes_xyxy) for crop in crops],
        image_ids=[crop.image_id for crop in crops],
    )


def channels_first(image: Image) -> Tensor:
    """Return an image (h, w, 3) as a tensor (3, h, w) uint8; it is normalised on the device."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
