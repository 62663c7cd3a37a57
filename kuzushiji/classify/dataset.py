"""Pages as a network sees them: random crops in batches for training, whole pages in several sizes for prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from kuzushiji.classify.inputs import BoxedPage
from kuzushiji.classify.network import rois_of
from kuzushiji.classify.targets import targets_kept
from kuzushiji.classify.transforms import Boxes, CropRecipe, boxes_in, clip_to, draw_crop, jitter_boxes
from kuzushiji.data.pages import page_size
from kuzushiji.engine.loader import SampleKey, generator_of
from kuzushiji.errors import InputError
from kuzushiji.imaging.colours import ColourAugmentation
from kuzushiji.imaging.store import PageStore
from kuzushiji.imaging.window import Image, Window, resize


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


@dataclass(frozen=True)
class PageView:
    """A whole page in the sizes of test-time augmentation.

    Attributes:
        index: Number of the page in the dataset.
        images: One (h, w, 3) uint8 picture for each size, as tensors: workers hand them over in shared memory.
        rois: One (n, 5) float32 tensor for each size: 0, and the page's boxes x0 y0 x1 y1 in pixels of the picture.
    """

    index: int
    images: tuple[Tensor, ...]
    rois: tuple[Tensor, ...]

    def pin_memory(self) -> "PageView":
        """Return the page in memory from which a GPU can copy by itself."""
        images, rois = (tuple(each.pin_memory() for each in tensors) for tensors in (self.images, self.rois))
        return PageView(self.index, images, rois)


class CropDataset(Dataset[LabelledCrop]):
    """Random crops of pages with at least one box each; the key of a sample decides everything about it."""

    def __init__(
        self,
        pages: Sequence[BoxedPage],
        recipe: CropRecipe,
        *,
        colour_aug: tuple[int, int, int] = (0, 0, 0),
        seed: int = 0,
        cache_mib: int = 0,
        strips: Path | None = None,
        processes: int = 1,
    ) -> None:
        """Take the pages; those without boxes on them are left out.

        Args:
            pages: The pages to train on.
            recipe: How crops are drawn.
            colour_aug: Largest shifts of hue, saturation and value.
            seed: Seed of the run.
            cache_mib: How much of the pages to keep in memory, MiB.
            strips: Folder where the others are kept as strips; see `PageStore`, as for `processes`.
            processes: Pages that are cut into strips at a time.

        Raises:
            InputError: an image is missing or is none; no page has a box.
        """
        self.pages = [page for page in map(_with_clipped_boxes, pages) if len(page.classes)]
        if not self.pages:
            raise InputError(f"expected pages with boxes to train on, got none on {len(pages)} pages")
        self.recipe = recipe
        self.seed = seed
        paths = (page.path for page in self.pages)
        self.store = PageStore(paths, cache_mib=cache_mib, strips=strips, processes=processes)
        self._change_colours = ColourAugmentation.of(*colour_aug)

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, key: SampleKey) -> LabelledCrop:
        """Return the crop of this key.

        Raises:
            InputError: the page cannot be read.
        """
        page = self.pages[key.sample]
        rng = generator_of(self.seed, key)
        width, height = self.store.size(page.path)
        window, kept = draw_crop(rng, page.boxes_xyxy, width, height, self.recipe)
        image = resize(self.store.read_window(page.path, window), self.recipe.width, self.recipe.height)
        boxes = jitter_boxes(rng, clip_to(page.boxes_xyxy[kept], window), self.recipe.box_jitter)
        return LabelledCrop(
            image=image if self._change_colours is None else self._change_colours(image, rng),
            boxes_xyxy=boxes_in(boxes, window, self.recipe.width, self.recipe.height),
            classes=page.classes[kept],
            key=key,
        )


class PageDataset(Dataset[PageView]):
    """Whole pages in the heights of test-time augmentation."""

    def __init__(self, pages: Sequence[BoxedPage], heights: Sequence[int], store: PageStore | None = None) -> None:
        """Take pages and heights (pixels); `store` spares reading what is in memory."""
        self.pages = pages
        self.heights = tuple(heights)
        self.store = store or PageStore()

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, index: int) -> PageView:
        """Return the page of this number.

        Raises:
            InputError: the page cannot be read.
        """
        page = self.pages[index]
        return page_view(index, self.store.read(page.path), page.boxes_xyxy, self.heights)


def page_view(index: int, image: Image, boxes_xyxy: Boxes, heights: Sequence[int]) -> PageView:
    """Return a page (h, w, 3) RGB and its boxes (n, 4), pixels of the page, in some heights (pixels)."""
    height, width = image.shape[:2]
    whole = Window(0, 0, width, height)
    boxes = _with_some_area(clip_to(boxes_xyxy, whole), width, height)
    sizes = [(max(round(width * new / height), 1), new) for new in heights]
    return PageView(
        index,
        tuple(torch.from_numpy(resize(image, *size)) for size in sizes),
        tuple(rois_of([torch.from_numpy(boxes_in(boxes, whole, *size))]) for size in sizes),
    )


def _with_clipped_boxes(page: BoxedPage) -> BoxedPage:
    """Return the page with its boxes cut at its edges, without those that lie wholly outside or have no area."""
    if not len(page.classes):
        return page
    width, height = page_size(page.path)
    boxes = clip_to(page.boxes_xyxy, Window(0, 0, width, height))
    there = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return BoxedPage(page.image_id, page.path, boxes[there], page.classes[there])


def _with_some_area(boxes_xyxy: Boxes, width: int, height: int) -> Boxes:
    """Return boxes widened to at least one pixel each way, within the page: every box gets a prediction."""
    start = np.minimum(boxes_xyxy[:, :2], np.array([width - 1, height - 1], np.float32))
    return np.concatenate([start, np.maximum(boxes_xyxy[:, 2:], start + 1)], axis=1)
