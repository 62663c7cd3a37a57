"""Box formats and simple arithmetic on them.

A box is a row of four float numbers in pixels. `boxes_xyxy` are (left, top, right, bottom), `boxes_xywh` are
(left, top, width, height). Right and bottom edges are exclusive: width is right - left, without "+ 1"; an image of
width W spans 0 to W. All functions take arrays of shape (n, 4), n may be 0, and return new arrays.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> Floats:
    """Return `boxes` as a float64 array of shape (n, 4); an empty list becomes (0, 4).

    Raises:
        ValueError: the shape is another one.
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0 and array.ndim <= 2:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"expected boxes of shape (n, 4), got {array.shape}")
    return array


def xywh_to_xyxy(boxes_xywh: ArrayLike) -> Floats:
    """Return (left, top, width, height) as (left, top, right, bottom)."""
    boxes = as_boxes(boxes_xywh)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_xywh(boxes_xyxy: ArrayLike) -> Floats:
    """Return (left, top, right, bottom) as (left, top, width, height)."""
    boxes = as_boxes(boxes_xyxy)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def clip_xyxy(boxes_xyxy: ArrayLike, width: float, height: float) -> Floats:
    """Return the boxes cut to the image; one that lies wholly outside becomes a box without area on its edge."""
    return np.clip(as_boxes(boxes_xyxy), 0, np.array([width, height, width, height], dtype=np.float64))


def scale_boxes(boxes: ArrayLike, factor_x: float, factor_y: float) -> Floats:
    """Return the boxes after the image was resized by the factors; valid for both formats."""
    return as_boxes(boxes) * np.array([factor_x, factor_y, factor_x, factor_y], dtype=np.float64)


def area_xyxy(boxes_xyxy: ArrayLike) -> Floats:
    """Return the areas, shape (n,), 0 where right < left or bottom < top."""
    boxes = as_boxes(boxes_xyxy)
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
