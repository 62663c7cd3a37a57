"""Pages as a network sees them: random crops for training, whole pages in several sizes for prediction."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from kuzushiji.classify.collate import Crop
from kuzushiji.classify.inputs import Page
from kuzushiji.classify.transforms import (
    Boxes,
    CropRecipe,
    Image,
    Window,
    boxes_in,
    build_colour_transform,
    clip_to,
    cut,
    draw_crop,
    jitter_boxes,
    resize,
)
from kuzushiji.data.pages import page_size, read_page
from kuzushiji.engine.sampler import SampleKey, generator_of
from kuzushiji.errors import InputError

_MIB = 1 << 20
_MAX_SEED = 1 << 31


@dataclass(frozen=True)
class PageView:
    """A whole page in the sizes of test-time augmentation.

    Attributes:
        index: Number of the page in the dataset.
        images: One (h, w, 3) uint8 picture a size.
        boxes_xyxy: One (n, 4) float32 array a size: the page's boxes in the pixels of the picture.
    """

    index: int
    images: tuple[Image, ...]
    boxes_xyxy: tuple[Boxes, ...]


class PageStore:
    """Reads pages, and keeps as many of them in memory as fit a limit.

    Fill it before the data loader's workers start: they share what is there, and what they read later each keeps for
    itself, so it is not kept.
    """

    def __init__(self, paths: Iterable[Path], limit_mib: int) -> None:
        """Read pages until the limit is reached; 0 keeps none.

        Raises:
            InputError: a page that is read here cannot be.
        """
        self._pages: dict[Path, Image] = {}
        free = limit_mib * _MIB
        for path in paths:
            width, height = page_size(path)
            free -= 3 * width * height
            if free < 0:
                break
            self._pages[path] = read_page(path)

    def __len__(self) -> int:
        """Return how many pages are in memory."""
        return len(self._pages)

    def read(self, path: Path) -> Image:
        """Return the page in `path`; not to be written to.

        Raises:
            InputError: as `read_page`.
        """
        kept = self._pages.get(path)
        return read_page(path) if kept is None else kept


class CropDataset(Dataset[Crop]):
    """Random crops of pages with at least one box each; the key of a sample decides everything about it."""

    def __init__(
        self,
        pages: Sequence[Page],
        recipe: CropRecipe,
        *,
        colour_aug: tuple[int, int, int] = (0, 0, 0),
        seed: int = 0,
        cache_mib: int = 0,
    ) -> None:
        """Take the pages; those without boxes on them are left out.

        Args:
            pages: The pages to train on.
            recipe: How crops are drawn.
            colour_aug: Largest shifts of hue, saturation and value.
            seed: Seed of the run.
            cache_mib: How much of the pages to keep in memory, MiB.

        Raises:
            InputError: an image is missing or is none; no page has a box.
        """
        self.pages = [page for page in map(_with_clipped_boxes, pages) if len(page.classes)]
        if not self.pages:
            raise InputError(f"expected pages with boxes to train on, got none on {len(pages)} pages")
        self.recipe = recipe
        self.seed = seed
        self.store = PageStore(dict.fromkeys(page.path for page in self.pages), cache_mib)
        self._change_colours: Callable[[Image, int], Image] = build_colour_transform(*colour_aug)

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, key: SampleKey) -> Crop:
        """Return the crop of this key.

        Raises:
            InputError: the page cannot be read.
        """
        page = self.pages[key.sample]
        image = self.store.read(page.path)
        rng = generator_of(self.seed, key)
        height, width = image.shape[:2]
        window, kept = draw_crop(rng, page.boxes_xyxy, width, height, self.recipe)
        picture = cut(image, window, self.recipe.width, self.recipe.height)
        boxes = jitter_boxes(rng, clip_to(page.boxes_xyxy[kept], window), self.recipe.box_jitter)
        return Crop(
            image=self._change_colours(picture, int(rng.integers(_MAX_SEED))),
            boxes_xyxy=boxes_in(boxes, window, self.recipe.width, self.recipe.height),
            classes=page.classes[kept],
            key=key,
        )


class PageDataset(Dataset[PageView]):
    """Whole pages in the heights of test-time augmentation."""

    def __init__(self, pages: Sequence[Page], heights: Sequence[int], store: PageStore | None = None) -> None:
        """Take pages and heights (pixels); `store` spares reading what is in memory."""
        self.pages = pages
        self.heights = tuple(heights)
        self.store = store or PageStore((), 0)

    def __len__(self) -> int:
        return len(self.pages)

    def __getitem__(self, index: int) -> PageView:
        """Return the page of this number.

        Raises:
            InputError: the page cannot be read.
        """
        page = self.pages[index]
        image = self.store.read(page.path)
        height, width = image.shape[:2]
        whole = Window(0, 0, width, height)
        boxes = _with_some_area(clip_to(page.boxes_xyxy, whole), width, height)
        sizes = [(max(round(width * new / height), 1), new) for new in self.heights]
        return PageView(
            index,
            tuple(resize(image, *size) for size in sizes),
            tuple(boxes_in(boxes, whole, *size) for size in sizes),
        )


def _with_clipped_boxes(page: Page) -> Page:
    """Return the page with its boxes cut at its edges, without those that lie wholly outside or have no area."""
    if not len(page.classes):
        return page
    width, height = page_size(page.path)
    boxes = clip_to(page.boxes_xyxy, Window(0, 0, width, height))
    there = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Page(page.image_id, page.path, boxes[there], page.classes[there])


def _with_some_area(boxes_xyxy: Boxes, width: int, height: int) -> Boxes:
    """Return boxes widened to at least one pixel each way, within the page: every box gets a prediction."""
    start = np.minimum(boxes_xyxy[:, :2], np.array([width - 1, height - 1], np.float32))
    return np.concatenate([start, np.maximum(boxes_xyxy[:, 2:], start + 1)], axis=1)
