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
    from kuzushiji.viewer import ViewerBox


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
    right = np.zeros(len(read), np.bool_)
    missed: list[Mark] = []
    if truth is not None:
        right, found = matched_boxes(read, truth)
        for box in truth[~found].to_dict("records"):
            char = chars.get(box["code"], box["code"])
            missed.append(Mark("missed", box["x"], box["y"], box["w"], box["h"], char, f"missed: {char} {box['code']}"))
    marks = []
    for row, is_right in zip(read.to_dict("records"), right, strict=True):
        kind = "read" if truth is None else "right" if is_right else "wrong"
        char = chars.get(row["code"], row["code"])
        note = f"{kind}: {char} {row['code']}, probability {row['probability']:.3f}"
        marks.append(Mark(kind, row["x"], row["y"], row["w"], row["h"], char, note))
    return missed + marks


def matched_boxes(read: "pd.DataFrame", truth: "pd.DataFrame") -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which characters of a page are right by the competition's rule, and which true boxes are found.

    Args:
        read: x y w h code of what was read.
        truth: x y w h code of what is there.

    Returns:
        (n,) and (m,) booleans.
    """
    centers = (read[["x", "y"]].to_numpy() + read[["w", "h"]].to_numpy() / 2).reshape(-1, 2)
    codes = read["code"].to_numpy(object)
    right, found = np.zeros(len(read), np.bool_), np.zeros(len(truth), np.bool_)
    for place, box in enumerate(truth.to_dict("records")):
        inside = _inside(centers, box) & ~right & (codes == box["code"])
        if inside.any():
            right[int(inside.argmax())] = found[place] = True
    return right, found


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


def marks_of_viewer(boxes: Sequence["ViewerBox"]) -> list[Mark]:
    """Return the boxes of a page of the viewer as marks, what was missed first, so that it lies below."""
    marks = []
    for box in boxes:
        probability = "" if box.probability is None else f", probability {box.probability:.3f}"
        truth = f", truth {box.truth or 'no character'}" if box.kind == "wrong" else ""
        note = f"{box.kind}: {box.char} {box.code}{probability}{truth}"
        marks.append(Mark(box.kind, box.x, box.y, box.w, box.h, box.char, note))
    return sorted(marks, key=lambda mark: mark.kind != "missed")


def _inside(centers_xy: NDArray[np.float64], box: Mapping[Any, Any]) -> NDArray[np.bool_]:
    x, y = centers_xy.T
    inside: NDArray[np.bool_] = (box["x"] < x) & (x < box["x"] + box["w"]) & (box["y"] < y) & (y < box["y"] + box["h"])
    return inside
