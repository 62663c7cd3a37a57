"""Boxes as they are drawn on the picture of a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def marks_of(boxes: Sequence["ViewerBox"]) -> list[Mark]:
    """Return the boxes of a page as marks, what was missed first, so that it lies below."""
    marks = []
    for box in boxes:
        probability = "" if box.probability is None else f", probability {box.probability:.3f}"
        truth = f", truth {box.truth or 'no character'}" if box.kind == "wrong" else ""
        note = f"{box.kind}: {box.char} {box.code}{probability}{truth}"
        marks.append(Mark(box.kind, box.x, box.y, box.w, box.h, box.char, note))
    return sorted(marks, key=lambda mark: mark.kind != "missed")


def marks_of_table(image_id: str, labels: "PageLabels", chars: Mapping[str, str]) -> list[Mark]:
    """Return the boxes that a table of labels has on a page.

    Raises:
        InputError: the page is not in the table.
    """
    rows = labels.of_pages([image_id]).boxes.to_dict("records")
    return [
        Mark("read", row["x"], row["y"], row["w"], row["h"], chars.get(row["code"], row["code"]), row["code"])
        for row in rows
    ]
