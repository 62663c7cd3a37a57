"""Real instances of characters that are taken for each other, cut out of the pages."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.pages import read_page
from kuzushiji.report.error_counts import misread
from kuzushiji.report.outcome import RIGHT, Outcome

SIZE = 56
"""Side of the square that an instance is shown in, pixels."""

PER_STRIP = 5
_MARGIN = 0.1
_PAPER = 255
_JPEG_QUALITY = 75


@dataclass(frozen=True)
class Instance:
    """A box on a page.

    Attributes:
        page: Its page.
        row: Its row in the outcome's boxes.
        source: Its picture as a data URI.
    """

    page: str
    row: int
    source: str


@dataclass(frozen=True)
class Strip:
    """Instances of one kind.

    Attributes:
        caption: What they are, in words.
        count: How many there are in all.
        instances: The first of them.
    """

    caption: str
    count: int
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Pair:
    """Two characters that are taken for each other.

    Attributes:
        a: The one that is misread more often, as people write it, with its code; likewise b.
        strips: Instances of a read as b, of b read as a, and of each read rightly.
    """

    a: str
    b: str
    strips: tuple[Strip, ...]


def pairs_with_pictures(
    outcome: Outcome, table: pd.DataFrame, chars: Mapping[str, str], pages: Sequence[str] = ()
) -> list[Pair]:
    """Return pairs of characters with instances.

    Args:
        outcome: With truth.
        table: The pairs, as `error_counts.confused_pairs` returns them.
        chars: The character of each code; a code that is not there stands for itself.
        pages: Instances on these pages come first: the viewer shows them. Then those that the reader was most sure of.
    """
    is_shown = outcome.boxes["image_id"].isin(list(pages)).to_numpy(np.bool_)
    wanted = [_strips_of_pair(outcome, a, b, is_shown) for a, b in zip(table["a"], table["b"], strict=True)]
    shown = {row for strips in wanted for rows in strips.values() for row in rows[:PER_STRIP].tolist()}
    instances = _instances(outcome, np.array(sorted(shown), np.int64))
    pairs = []
    for pair, strips in zip(table.to_dict("records"), wanted, strict=True):
        char_of = {code: chars.get(code, code) for code in (pair["a"], pair["b"])}
        pictures = tuple(
            Strip(_caption(true, pred, char_of), len(rows), tuple(instances[row] for row in rows[:PER_STRIP].tolist()))
            for (true, pred), rows in strips.items()
        )
        a, b = (f"{char} {code}" for code, char in char_of.items())
        pairs.append(Pair(a, b, pictures))
    return pairs


def _strips_of_pair(
    outcome: Outcome, a: str, b: str, is_shown: NDArray[np.bool_]
) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Return the rows of each kind of instance, in the order in which they are shown."""
    true, pred = (outcome.boxes[name].to_numpy(object) for name in ("true", "pred"))
    probability = outcome.boxes["probability"].to_numpy(np.float64)
    is_misread, is_right = misread(outcome), outcome.fates.boxes == RIGHT
    strips = {}
    for key in ((a, b), (b, a), (a, a), (b, b)):
        kind = is_right & (pred == key[1]) if key[0] == key[1] else is_misread & (true == key[0]) & (pred == key[1])
        rows = np.flatnonzero(kind)
        strips[key] = rows[np.lexsort((-probability[rows], ~is_shown[rows]))]
    return strips


def _caption(true: str, pred: str, char_of: Mapping[str, str]) -> str:
    return f"{char_of[true]} read rightly" if true == pred else f"{char_of[true]} read as {char_of[pred]}"


def _instances(outcome: Outcome, rows: NDArray[np.int64]) -> dict[int, Instance]:
    """Return each row's box with its picture; each page is read once."""
    boxes = outcome.boxes.iloc[rows]
    instances: dict[int, Instance] = {}
    for page, places in boxes.groupby("image_id", sort=False).indices.items():
        image = read_page(outcome.image(str(page)))
        for place in places.tolist():
            xywh = boxes[["x", "y", "w", "h"]].to_numpy(np.float64)[place]
            row = int(rows[place])
            instances[row] = Instance(str(page), row, _as_uri(_crop(image, xywh)))
    return instances


def _crop(image: NDArray[np.uint8], box_xywh: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a square around a box with a margin, (SIZE, SIZE, 3) RGB, the part beyond the page's edge white."""
    x, y, w, h = box_xywh
    half = max(w, h) * (0.5 + _MARGIN)
    left, top = x + w / 2 - half, y + h / 2 - half
    scale = SIZE / (2 * half)
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    white = (_PAPER, _PAPER, _PAPER)
    picture = cv2.warpAffine(image, move, (SIZE, SIZE), flags=cv2.INTER_AREA, borderValue=white)
    return np.asarray(picture, np.uint8)


def _as_uri(picture: NDArray[np.uint8]) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    _, jpeg = cv2.imencode(".jpg", picture[:, :, ::-1], quality)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"
