"""Real instances of characters that are taken for each other, cut out of the pages."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.pages import read_page
from kuzushiji.report.errors import confused_pairs
from kuzushiji.report.outcome import Outcome

SIZE = 56
"""Side of the square that an instance is shown in, pixels."""

PER_STRIP = 5
_MARGIN = 0.1
_PAPER = 255
_GAP = 4
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Strip:
    """Instances in one picture, side by side.

    Attributes:
        caption: What they are, in words.
        count: How many there are in all; the picture shows the first of them.
        source: The picture as a data URI; "" without instances.
    """

    caption: str
    count: int
    source: str


@dataclass(frozen=True)
class Pair:
    """Two characters that are taken for each other.

    Attributes:
        a: The one that is misread more often, as people write it, with its code; likewise b.
        a_as_b: How often a was read as b; likewise `b_as_a`.
        strips: Instances of a read as b, of b read as a, and of each read rightly.
    """

    a: str
    b: str
    a_as_b: int
    b_as_a: int
    strips: tuple[Strip, ...]


def pairs_with_pictures(outcome: Outcome, chars: Mapping[str, str], count: int) -> list[Pair]:
    """Return the pairs most often confused, most often first.

    Args:
        outcome: With truth.
        chars: The character of each code; a code that is not there stands for itself.
        count: Pairs at most.
    """
    table = confused_pairs(outcome, count)
    wanted = [_strips_of_pair(outcome.boxes, a, b) for a, b in zip(table["a"], table["b"], strict=True)]
    shown = {row for strips in wanted for rows in strips.values() for row in rows[:PER_STRIP].tolist()}
    crops = _crops(outcome, np.array(sorted(shown), np.int64))
    pairs = []
    for pair, strips in zip(table.to_dict("records"), wanted, strict=True):
        char_of = {code: chars.get(code, code) for code in (pair["a"], pair["b"])}
        pictures = tuple(
            Strip(_caption(true, pred, char_of), len(rows), _strip([crops[row] for row in rows[:PER_STRIP].tolist()]))
            for (true, pred), rows in strips.items()
        )
        a, b = (f"{char} {code}" for code, char in char_of.items())
        pairs.append(Pair(a, b, pair["a_as_b"], pair["b_as_a"], pictures))
    return pairs


def _strips_of_pair(boxes: pd.DataFrame, a: str, b: str) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Return the rows of each kind of instance, those that the reader was most sure of first."""
    true, pred = boxes["true"].to_numpy(object), boxes["pred"].to_numpy(object)
    probability = boxes["probability"].to_numpy(np.float64)
    strips = {}
    for key in ((a, b), (b, a), (a, a), (b, b)):
        rows = np.flatnonzero((true == key[0]) & (pred == key[1]))
        strips[key] = rows[np.argsort(-probability[rows], kind="stable")]
    return strips


def _caption(true: str, pred: str, char_of: Mapping[str, str]) -> str:
    return f"{char_of[true]} read rightly" if true == pred else f"{char_of[true]} read as {char_of[pred]}"


def _crops(outcome: Outcome, rows: NDArray[np.int64]) -> dict[int, NDArray[np.uint8]]:
    """Return the picture of each row's box, (SIZE, SIZE, 3) RGB; each page is read once."""
    boxes = outcome.boxes.iloc[rows]
    crops: dict[int, NDArray[np.uint8]] = {}
    for page, places in boxes.groupby("image_id", sort=False).indices.items():
        image = read_page(outcome.image(str(page)))
        for place in places.tolist():
            xywh = boxes[["x", "y", "w", "h"]].to_numpy(np.float64)[place]
            crops[int(rows[place])] = _crop(image, xywh)
    return crops


def _crop(image: NDArray[np.uint8], box_xywh: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a square around a box with a margin, the part beyond the page's edge white."""
    x, y, w, h = box_xywh
    half = max(w, h) * (0.5 + _MARGIN)
    left, top = x + w / 2 - half, y + h / 2 - half
    scale = SIZE / (2 * half)
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    white = (_PAPER, _PAPER, _PAPER)
    picture = cv2.warpAffine(image, move, (SIZE, SIZE), flags=cv2.INTER_AREA, borderValue=white)
    return np.asarray(picture, np.uint8)


def _strip(crops: Sequence[NDArray[np.uint8]]) -> str:
    if not crops:
        return ""
    gap = np.full((SIZE, _GAP, 3), _PAPER, np.uint8)
    parts = [part for crop in crops for part in (crop, gap)][:-1]
    _, jpeg = cv2.imencode(".jpg", np.hstack(parts)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"
