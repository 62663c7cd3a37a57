"""What was read on a page beside what is there: the boxes that a picture of the page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from kuzushiji.artifacts import Characters
    from kuzushiji.data.labels import PageLabels


@dataclass(frozen=True)
class Mark:
    """A box to draw.

    Attributes:
        kind: `right`, `wrong`, `missed` (a true character that was not read) or `read` (the truth is not known).
        x: Left edge, pixels of the original page; likewise y, w and h.
        char: What was read there; of a missed one, what is there.
        note: What a pointer that rests on the box is told.
    """

    kind: str
    x: float
    y: float
    w: float
    h: float
    char: str
    note: str


def marks_of_page(read: "pd.DataFrame", truth: "pd.DataFrame | None", chars: dict[str, str]) -> list[Mark]:
    """Return the boxes of one page: what was read, and what was missed.

    A character is right by the competition's rule: true boxes in order, each takes the first unused prediction of its
    code whose centre is strictly inside.

    Args:
        read: One row a character that was read: x y w h (pixels), code, probability.
        truth: One row a true character: x y w h, code; None where the truth is not known.
        chars: The character of each code; a code that is not there stands for itself.
    """
    centers = (read[["x", "y"]].to_numpy() + read[["w", "h"]].to_numpy() / 2).reshape(-1, 2)
    codes = read["code"].to_numpy(object)
    right = np.zeros(len(read), bool)
    missed: list[Mark] = []
    for box in [] if truth is None else truth.to_dict("records"):
        inside = _inside(centers, box) & ~right & (codes == box["code"])
        if inside.any():
            right[int(inside.argmax())] = True
        else:
            char = chars.get(box["code"], box["code"])
            missed.append(Mark("missed", box["x"], box["y"], box["w"], box["h"], char, f"missed: {char} {box['code']}"))
    marks = []
    for row, is_right in zip(read.to_dict("records"), right, strict=True):
        kind = "read" if truth is None else "right" if is_right else "wrong"
        char = chars.get(row["code"], row["code"])
        note = f"{kind}: {char} {row['code']}, probability {row['probability']:.3f}"
        marks.append(Mark(kind, row["x"], row["y"], row["w"], row["h"], char, note))
    return missed + marks


def marks_of_test_page(
    image_id: str, characters: "Characters", truth: "PageLabels | None", chars: dict[str, str]
) -> list[Mark]:
    """Return the boxes of a test page; arguments as of `marks_of_page`, of all pages.

    Raises:
        InputError: the page was not read, or is not in the truth.
    """
    if image_id not in characters.pages:
        raise InputError(f"expected one of the {len(characters.pages)} pages that were read, got {image_id}")
    read = characters.rows[characters.rows["image_id"] == image_id]
    return marks_of_page(read, None if truth is None else truth.of_pages([image_id]).boxes, chars)


def marks_of_table(image_id: str, labels: "PageLabels", chars: dict[str, str]) -> list[Mark]:
    """Return the boxes that a table of labels has on a page.

    Raises:
        InputError: the page is not in the table.
    """
    rows = labels.of_pages([image_id]).boxes.to_dict("records")
    return [
        Mark("read", row["x"], row["y"], row["w"], row["h"], chars.get(row["code"], row["code"]), row["code"])
        for row in rows
    ]


def choose_pages(pages: Sequence[str], scores: "pd.DataFrame | None", count: int) -> list[tuple[str, str]]:
    """Return pages to show with their headings: the worst, the best and what lies between them, worst first.

    Args:
        pages: All pages that were read.
        scores: Columns image_id tp fp fn, one row a page; without it the first pages are shown.
        count: Number of pages at most; pages where there is nothing to read or to miss are left out.
    """
    if scores is None:
        return [(image_id, image_id) for image_id in pages[:count]]
    total = 2 * scores["tp"] + scores["fp"] + scores["fn"]
    known = scores[(total > 0) & scores["image_id"].isin(pages)]
    f1 = (2 * known["tp"] / total[known.index]).sort_values(kind="stable")
    picked = np.unique(np.linspace(0, len(f1) - 1, min(count, len(f1))).round().astype(int))
    chosen = f1.iloc[picked]
    return [
        (image_id, f"{image_id}: F1 {value:.3f}")
        for image_id, value in zip(known.loc[chosen.index, "image_id"], chosen, strict=True)
    ]


def _inside(centers_xy: NDArray[np.float64], box: Mapping[Any, Any]) -> NDArray[np.bool_]:
    x, y = centers_xy.T
    inside: NDArray[np.bool_] = (box["x"] < x) & (x < box["x"] + box["w"]) & (box["y"] < y) & (y < box["y"] + box["h"])
    return inside
