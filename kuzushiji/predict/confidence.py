"""How far a page's reading can be trusted, and whether there is ink on a page."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_SIZE = 800
"""Long side to which a page is scaled before its ink is measured, pixels."""
_BACKGROUND = 31
"""Diameter of the median that gives the paper's brightness, pixels of the scaled page: wider than a stroke."""
_DARKER = 40
"""Ink is darker than the paper around it by at least this, of 255."""
_MARGIN = 0.05
"""Share of the page on each side that is left out: photographs show edges, shadows and the table there."""
_LEAST = 0.002
"""Share of pixels with ink from which on there is something to read: twenty characters of 15 x 15 pixels are 0.003."""


def has_ink(image: Image) -> bool:
    """Return whether there is ink on a page (h, w, 3) RGB, apart from its edges."""
    height, width = image.shape[:2]
    scale = min(1.0, _SIZE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    ink = cv2.medianBlur(grey, _BACKGROUND).astype(np.int16) - grey >= _DARKER
    x, y = round(_MARGIN * size[0]), round(_MARGIN * size[1])
    return bool(ink[y : size[1] - y, x : size[0] - x].mean() >= _LEAST)


def page_confidence(probability: NDArray[np.float32], n_dropped: int) -> float | None:
    """Return the mean probability over all boxes of a page, in which a dropped box counts 0.

    Args:
        probability: (n,) of the characters, NaN where it is unknown: these do not count.
        n_dropped: Boxes that were taken for no character.

    Returns:
        0 to 1; None without any box of which something is known.
    """
    known = probability[~np.isnan(probability)]
    count = len(known) + n_dropped
    return float(known.sum() / count) if count else None


def page_doubt(doubtful: NDArray[np.bool_], n_kept: int, n_dropped: int, image: Image) -> str:
    """Return why a page's reading is not to be trusted; "" where nothing speaks against it.

    Args:
        doubtful: (n,) whether each character is.
        n_kept: Characters that no stage left out.
        n_dropped: Boxes that were taken for no character.
        image: (h, w, 3) RGB.
    """
    n_bad, total = int(doubtful.sum()) + n_dropped, len(doubtful) + n_dropped
    if 2 * n_bad > total:
        return f"{n_bad} of {total} boxes are doubtful or were dropped"
    if not n_kept and has_ink(image):
        return "no character was found, though there is ink"
    return ""
