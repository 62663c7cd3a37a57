"""Variants of a real page: other proportions, slant, curves, ink, tone. Few pages then look like many hands."""

import cv2
import numpy as np
from numpy.typing import NDArray

_ASPECT, _SHEAR, _TURN = 0.14, 0.12, 0.02
"""Largest log of the change of width, shift a pixel of height, and radians."""
_BEND, _BEND_STEP = 2.1, 52
"""Deviation of the bends and distance of their knots, pixels: a character is about 33 high."""
_INK, _TONE = 0.7, 0.25
"""Largest share of the page with bolder or thinner ink, and largest log of gamma."""


def variant(
    page: NDArray[np.uint8], boxes_xywh: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a variant of a page (h, w, 3), as high, and its boxes (n, 4), x y w h."""
    bent, boxes = _bend(page, boxes_xywh, rng)
    return _print(bent, rng), boxes


def _bend(
    page: NDArray[np.uint8], boxes: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Change the page's geometry; a box keeps its sides parallel to the page's."""
    height, width = page.shape[:2]
    aspect = float(np.exp(rng.uniform(-_ASPECT, _ASPECT)))
    shear, turn = rng.uniform(-_SHEAR, _SHEAR), rng.uniform(-_TURN, _TURN)
    cos, sin = np.cos(turn), np.sin(turn)
    forward = np.array([[cos, -sin], [sin, cos]]) @ np.array([[aspect, shear], [0, 1]])
    new_width = round(width * aspect)
    middle, new_middle = np.array([width / 2, height / 2]), np.array([new_width / 2, height / 2])
    knots = (-(-height // _BEND_STEP) + 1, -(-new_width // _BEND_STEP) + 1, 2)
    bends = cv2.resize(
        rng.normal(0, _BEND, knots).astype(np.float32), (new_width, height), interpolation=cv2.INTER_CUBIC
    )
    y, x = np.mgrid[:height, :new_width]
    back = np.linalg.inv(forward)
    source = (np.stack([x, y], axis=2) - new_middle) @ back.T + middle + bends
    bent = cv2.remap(page, source.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    centers = (boxes[:, :2] + boxes[:, 2:] / 2 - middle) @ forward.T + new_middle
    at = centers.round().astype(int).clip(0, [new_width - 1, height - 1])
    centers -= bends[at[:, 1], at[:, 0]] @ forward.T
    sizes = boxes[:, 2:] * [aspect, 1]
    low, high = (np.clip(centers + side * sizes / 2, 0, [new_width, height]) for side in (-1, 1))
    return bent.astype(np.uint8), np.hstack([low, high - low])


def _print(page: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change ink and tone."""
    kernel = np.ones((2, 2), np.uint8)
    bolder = (cv2.erode if rng.random() < 0.5 else cv2.dilate)(page, kernel)
    share = rng.uniform(0, _INK)
    inked = (1 - share) * page + share * bolder
    if rng.random() < 0.4:
        inked = cv2.GaussianBlur(inked, (0, 0), rng.uniform(0.4, 0.9))
    if rng.random() < 0.3:
        inked = np.repeat(inked.mean(axis=2, keepdims=True), 3, axis=2)
    toned = 255 * (inked.clip(0, 255) / 255) ** np.exp(rng.uniform(-_TONE, _TONE))
    toned += rng.normal(0, rng.uniform(0, 5), page.shape[:2])[..., None]
    result: NDArray[np.uint8] = toned.clip(0, 255).astype(np.uint8)
    return result
