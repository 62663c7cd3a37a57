"""Crops of pages: where they lie, which boxes stay, how their size varies; a generator gives all randomness."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.imaging.window import Window, even

Boxes = NDArray[np.float32]

_TRIES = 20
"""Draws of a crop before it is laid around a box."""


@dataclass(frozen=True)
class CropRecipe:
    """How training crops are drawn.

    Attributes:
        width: Width of the crop, pixels.
        height: Height of the crop, pixels.
        page_height: Nominal height that pages are scaled to, pixels.
        scale_aug: The scale varies by a factor between 1 - scale_aug and 1 + scale_aug.
        min_visible: A box stays when this share of its area is inside the crop.
        box_jitter: Standard deviation of the shift of each box edge, as a share of the box's size; 0 for none.
    """

    width: int = 512
    height: int = 768
    page_height: int = 2528
    scale_aug: float = 0.3
    min_visible: float = 0.99
    box_jitter: float = 0.0


def draw_crop(
    rng: np.random.Generator, boxes_xyxy: Boxes, page_width: int, page_height: int, recipe: CropRecipe
) -> tuple[Window, NDArray[np.intp]]:
    """Draw a window of the page that shows at least one box.

    Windows without boxes are drawn again; after some tries one is laid around a random box, as large as that box needs.

    Args:
        rng: Source of the randomness.
        boxes_xyxy: (n, 4) boxes within the page and of some area, pixels of the page; n >= 1.
        page_width: Width of the page, pixels.
        page_height: Height of the page, pixels.
        recipe: Size and scale.

    Returns:
        The window and the positions of the boxes that stay.
    """
    for _ in range(_TRIES):
        width, height = _window_size(rng, page_height, recipe)
        x0 = _start(rng, page_width, width)
        y0 = _start(rng, page_height, height)
        window = Window(x0, y0, x0 + width, y0 + height)
        kept = np.flatnonzero(visible_share(boxes_xyxy, window) >= recipe.min_visible)
        if len(kept):
            return window, kept
    window = _window_around(boxes_xyxy[rng.integers(len(boxes_xyxy))], _window_size(rng, page_height, recipe))
    return window, np.flatnonzero(visible_share(boxes_xyxy, window) >= recipe.min_visible)


def visible_share(boxes_xyxy: Boxes, window: Window) -> NDArray[np.float32]:
    """Return (n,) shares of the boxes' areas that lie in the window; boxes have some area."""
    inner = clip_to(boxes_xyxy, window)
    return _area(inner) / _area(boxes_xyxy)


def clip_to(boxes_xyxy: Boxes, window: Window) -> Boxes:
    """Return (n, 4) boxes cut at the window's edges; those outside get no area."""
    low = np.array([window.x0, window.y0] * 2, np.float32)
    high = np.array([window.x1, window.y1] * 2, np.float32)
    return np.clip(boxes_xyxy, low, high)


def boxes_in(boxes_xyxy: Boxes, window: Window, width: int, height: int) -> Boxes:
    """Return page boxes in the pixels of the window after it was scaled to width and height."""
    scale = np.array([width / window.width, height / window.height] * 2, np.float32)
    origin = np.array([window.x0, window.y0] * 2, np.float32)
    return (boxes_xyxy - origin) * scale


def jitter_boxes(rng: np.random.Generator, boxes_xyxy: Boxes, strength: float) -> Boxes:
    """Return boxes whose edges are moved at random, by at most a quarter of the box's size.

    Args:
        rng: Source of the randomness; not used when strength is 0.
        boxes_xyxy: (n, 4) boxes.
        strength: Standard deviation of the shift, as a share of the box's size.
    """
    if not strength:
        return boxes_xyxy
    sizes = np.tile(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 2)
    shifts = np.clip(rng.normal(0, strength, boxes_xyxy.shape), -0.25, 0.25)
    return (boxes_xyxy + shifts * sizes).astype(np.float32)


def _window_size(rng: np.random.Generator, page_height: int, recipe: CropRecipe) -> tuple[int, int]:
    scale = recipe.page_height / page_height * rng.uniform(1 - recipe.scale_aug, 1 + recipe.scale_aug)
    return even(recipe.width / scale), even(recipe.height / scale)


def _start(rng: np.random.Generator, page: int, window: int) -> int:
    """Return where the window begins: inside the page, or around it where it is larger."""
    low, high = min(0, page - window), max(0, page - window)
    return int(rng.integers(low, high + 1))


def _window_around(box_xyxy: NDArray[np.float32], size: tuple[int, int]) -> Window:
    x0, y0, x1, y1 = (float(edge) for edge in box_xyxy)
    growth = max((x1 - x0 + 2) / size[0], (y1 - y0 + 2) / size[1], 1)
    width, height = int(np.ceil(size[0] * growth)), int(np.ceil(size[1] * growth))
    left, top = int(np.floor((x0 + x1 - width) / 2)), int(np.floor((y0 + y1 - height) / 2))
    return Window(left, top, left + width, top + height)


def _area(boxes_xyxy: Boxes) -> NDArray[np.float32]:
    return (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]) * (boxes_xyxy[:, 3] - boxes_xyxy[:, 1])
