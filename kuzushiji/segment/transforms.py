"""From a page to what the network sees: a random crop with its boxes in training, the scaled page in inference."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.boxes import area_xyxy, clip_xyxy, scale_boxes
from kuzushiji.imaging.window import Window, even


@dataclass(frozen=True)
class CropSpec:
    """What a training crop is.

    Attributes:
        long_side: Long side of the scaled page in which the heights below are meant, pixels.
        min_height: Least height of the crop in the scaled page, pixels.
        max_height: Greatest height of the crop in the scaled page, pixels.
        out_width: Width of the result, pixels; the crop has the shape of the result.
        out_height: Height of the result, pixels.
        min_visible: Part of a box's area that must be inside the crop for the box to stay.
    """

    long_side: int
    min_height: int
    max_height: int
    out_width: int
    out_height: int
    min_visible: float = 0.5


def random_window(rng: np.random.Generator, page_width: int, page_height: int, spec: CropSpec) -> Window:
    """Choose the crop: its height uniformly, then its place uniformly within the page.

    The page is not scaled as a whole and then cut: the window is given in pixels of the original, so that the pixels
    are resampled once and only where they are seen. Where the window is larger than the page, the page lies somewhere
    within it. Its sides are even, so that it is quickly halved (`imaging.window.resize`).
    """
    scale = spec.long_side / max(page_width, page_height)
    scaled_height = int(rng.integers(spec.min_height, spec.max_height + 1))
    height = even(scaled_height / scale)
    width = even(scaled_height / scale * spec.out_width / spec.out_height)
    x = int(rng.integers(min(0, page_width - width), max(0, page_width - width) + 1))
    y = int(rng.integers(min(0, page_height - height), max(0, page_height - height) + 1))
    return Window(x, y, x + width, y + height)


def cut_boxes(boxes_xyxy: NDArray[np.float64], window: Window, spec: CropSpec) -> NDArray[np.float64]:
    """Return the boxes of a crop in the result's pixels, cut to it.

    A box stays when at least `spec.min_visible` of its area is inside the window.

    Args:
        boxes_xyxy: (n, 4) boxes, pixels of the original page, cut to the page; boxes of no area never stay.
        window: The crop.
        spec: Its result.

    Returns:
        (m, 4) boxes, m may be 0.
    """
    shifted = boxes_xyxy - np.array([window.x0, window.y0] * 2)
    visible = clip_xyxy(shifted, window.width, window.height)
    area = area_xyxy(boxes_xyxy)
    stays = (area > 0) & (area_xyxy(visible) >= np.maximum(spec.min_visible * area, 1e-9))
    factor_x, factor_y = spec.out_width / window.width, spec.out_height / window.height
    return scale_boxes(visible[stays], factor_x, factor_y)


def inference_size(page_width: int, page_height: int, long_side: int) -> tuple[int, int]:
    """Return width and height of a page for inference, pixels: its long side becomes `long_side`, each at least 1."""
    scale = long_side / max(page_width, page_height)
    return max(1, round(page_width * scale)), max(1, round(page_height * scale))
