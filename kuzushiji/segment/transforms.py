"""From a page to what the network sees: a random crop with its boxes in training, the scaled page in inference."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.boxes import area_xyxy, clip_xyxy

Image = NDArray[np.uint8]


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


@dataclass(frozen=True)
class Window:
    """A rectangle in pixels of the original page; it may reach over the page's edges."""

    x: int
    y: int
    width: int
    height: int


def random_window(rng: np.random.Generator, page_width: int, page_height: int, spec: CropSpec) -> Window:
    """Choose the crop: its height uniformly, then its place uniformly within the page.

    The page is not scaled as a whole and then cut: the window is given in pixels of the original, so that the pixels
    are resampled once and only where they are seen. Where the window is larger than the page, the page lies somewhere
    within it.
    """
    scale = spec.long_side / max(page_width, page_height)
    scaled_height = rng.integers(spec.min_height, spec.max_height + 1)
    height = max(1, round(scaled_height / scale))
    width = max(1, round(scaled_height / scale * spec.out_width / spec.out_height))
    x = rng.integers(min(0, page_width - width), max(0, page_width - width) + 1)
    y = rng.integers(min(0, page_height - height), max(0, page_height - height) + 1)
    return Window(int(x), int(y), width, height)


def cut_image(image: Image, window: Window, out_width: int, out_height: int) -> Image:
    """Return the window of an image, resized; what is outside the image is black, as the ground around a page.

    Args:
        image: Page (h, w, 3).
        window: What is cut.
        out_width: Width of the result, pixels.
        out_height: Height of the result, pixels.

    Returns:
        Image (out_height, out_width, 3).
    """
    height, width = image.shape[:2]
    left, top = max(window.x, 0), max(window.y, 0)
    right, bottom = min(window.x + window.width, width), min(window.y + window.height, height)
    inside = image[top:bottom, left:right]
    if inside.shape[:2] != (window.height, window.width):
        padding = (
            (top - window.y, window.y + window.height - bottom),
            (left - window.x, window.x + window.width - right),
            (0, 0),
        )
        inside = np.pad(inside, padding)
    return resize(inside, out_width, out_height)


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
    shifted = boxes_xyxy - np.array([window.x, window.y, window.x, window.y])
    visible = clip_xyxy(shifted, window.width, window.height)
    area = area_xyxy(boxes_xyxy)
    stays = (area > 0) & (area_xyxy(visible) >= np.maximum(spec.min_visible * area, 1e-9))
    factor_x, factor_y = spec.out_width / window.width, spec.out_height / window.height
    scaled: NDArray[np.float64] = visible[stays] * np.array([factor_x, factor_y, factor_x, factor_y])
    return scaled


def inference_size(page_width: int, page_height: int, long_side: int) -> tuple[int, int]:
    """Return width and height of a page for inference, pixels: its long side becomes `long_side`, each at least 1."""
    scale = long_side / max(page_width, page_height)
    return max(1, round(page_width * scale)), max(1, round(page_height * scale))


def resize(image: Image, width: int, height: int) -> Image:
    """Return the image in another size; averaged over the pixels' areas where it shrinks, linear where it grows."""
    import cv2

    if image.shape[:2] == (height, width):
        return image
    shrinks = width * height < image.shape[0] * image.shape[1]
    resized: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


class ColorAugmentation:
    """Random shifts of hue, saturation and value, of brightness and contrast, and of gamma; each half of the time."""

    def __init__(self, hue: int, saturation: int, value: int) -> None:
        # On import the library would ask a server for a newer version of itself.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        import albumentations

        self._transforms: list[Any] = [
            albumentations.HueSaturationValue(
                hue_shift_limit=hue, sat_shift_limit=saturation, val_shift_limit=value, p=0.5
            ),
            albumentations.RandomBrightnessContrast(p=0.5),
            albumentations.RandomGamma(p=0.5),
        ]
        self._compose = albumentations.Compose(self._transforms)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image (h, w, 3) in other colours; what is done depends on the state of `rng` alone."""
        # Compose.set_random_seed would give all transforms the same seed, so that all happen or none.
        for transform in self._transforms:
            transform.set_random_seed(int(rng.integers(2**31)))
        result: Image = self._compose(image=image)["image"]
        return result
