"""A page to try models on: columns of characters drawn with plain strokes."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.strokes import strokes_of

_TEXT = ("いろはにほへとち", "りぬるをわかよた", "れそつねならむう", "ゐのおくやまけふ")
_ASPECT = 0.7
_PAPER, _INK = (228, 214, 184), (48, 40, 36)


def sample_page(height: int) -> NDArray[np.uint8]:
    """Return a page (height, 0.7 of it, 3) RGB with four columns of kana; the same every time."""
    width = max(round(height * _ASPECT), 1)
    page = np.empty((height, width, 3), np.uint8)
    page[:] = _PAPER
    size = height / 11
    for column, text in enumerate(_TEXT):
        for row, character in enumerate(text):
            corner = np.array([width - (column + 1.1) * 1.45 * size, (row + 1.2) * 1.1 * size])
            for stroke in strokes_of(character):
                points = np.rint(corner + stroke * size).astype(np.int32)
                cv2.polylines(page, [points[:, None]], False, _INK, max(1, round(size / 12)), cv2.LINE_AA)
    return page
