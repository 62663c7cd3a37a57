"""A page with what was read on it: as SVG with tooltips, or as pixels with the characters beside the page."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.strokes import strokes_of
from kuzushiji.errors import InputError

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


DEFAULT_HEIGHT = 900
_JPEG_QUALITY = 70
_SMALLEST_TEXT = 11.0
_STYLE = (
    "rect{fill:none;stroke-width:1.5} text{font-family:'Noto Serif CJK JP','Noto Serif JP','Hiragino Mincho ProN',"
    "'Yu Mincho',serif;paint-order:stroke;stroke:#fff;stroke-width:2px;stroke-linejoin:round} "
    ".right{stroke:#1a7f37}.wrong{stroke:#cf222e;stroke-width:2.5}.missed{stroke:#bc4c00;stroke-dasharray:4 2}"
    ".read{stroke:#0550ae} text.right{fill:#1a7f37;stroke:#fff} text.wrong{fill:#cf222e;stroke:#fff;stroke-width:2px} "
    "text.missed{fill:#bc4c00;stroke:#fff;stroke-dasharray:none} text.read{fill:#0550ae;stroke:#fff}"
)


def page_svg(image: NDArray[np.uint8], marks: Sequence[Mark], *, height: int = DEFAULT_HEIGHT, title: str = "") -> str:
    """Return the page with its marks as one SVG element that needs nothing else.

    Args:
        image: (height, width, 3) RGB page.
        marks: Boxes in pixels of `image`.
        height: Height of the picture, pixels; the page is scaled down to it, never up.
        title: What a screen reader calls it.
    """
    import cv2

    scale = min(1.0, height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    picture = base64.b64encode(jpeg.tobytes()).decode()
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<image width="{size[0]}" height="{size[1]}" href="data:image/jpeg;base64,{picture}"/>',
        *(_mark_svg(mark, scale) for mark in marks),
        "</svg>",
    ]
    return "\n".join(lines)


def _mark_svg(mark: Mark, scale: float) -> str:
    x, y, w, h = (value * scale for value in (mark.x, mark.y, mark.w, mark.h))
    size = max(_SMALLEST_TEXT, min(w, h) * 0.7)
    return (
        f'<g><title>{escape(mark.note)}</title><rect class="{mark.kind}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" '
        f'height="{h:.1f}"/><text class="{mark.kind}" x="{x + w:.1f}" y="{y + size * 0.8:.1f}" '
        f'font-size="{size:.1f}">{escape(mark.char)}</text></g>'
    )


COLORS = {"right": (26, 127, 55), "wrong": (207, 34, 46), "missed": (188, 76, 0), "read": (5, 80, 174)}
"""RGB by kind of mark."""

_PAPER = 255
_GAP = 12


def overlay(image: NDArray[np.uint8], marks: Sequence[Mark], *, height: int) -> NDArray[np.uint8]:
    """Return the page with its boxes on the left, and on the right the characters where they stand on the page.

    Characters are drawn stroke by stroke (KanjiVG), so no font is needed; one without strokes is left out. A missed
    one is drawn as what is there.

    Args:
        image: (h, w, 3) RGB page.
        marks: Boxes in pixels of `image`.
        height: Height of the picture, pixels; the page is scaled down to it, never up.

    Returns:
        (height or less, twice the width and a gap, 3) RGB.
    """
    scale = min(1.0, height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    left = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    right = np.full_like(left, _PAPER)
    for mark in marks:
        x, y, w, h = (value * scale for value in (mark.x, mark.y, mark.w, mark.h))
        corners = (round(x), round(y)), (round(x + w), round(y + h))
        cv2.rectangle(left, *corners, COLORS[mark.kind], 1)
        _write(right, mark.char, x, y, w, h, COLORS[mark.kind])
    gap = np.full((size[1], _GAP, 3), _PAPER, np.uint8)
    return np.hstack([left, gap, right])


def _write(page: NDArray[np.uint8], char: str, x: float, y: float, w: float, h: float, color: tuple[int, ...]) -> None:
    """Draw a character in the middle of a box, as large as fits with its proportions kept."""
    try:
        strokes = strokes_of(char) if len(char) == 1 else ()
    except InputError:
        return
    size = max(w, h)
    start = np.array([x + (w - size) / 2, y + (h - size) / 2])
    fraction_bits = 4
    for stroke in strokes:
        points = ((start + stroke * size) * (1 << fraction_bits)).round().astype(np.int32)
        cv2.polylines(page, [points[:, None]], False, color, max(1, round(len(page) / 400)), cv2.LINE_AA, fraction_bits)
