"""A labelled page: as a file of some form has it, and as it is after everything odd was settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kuzushiji.layout import TEXT, PageLayout, layout_of_page

NO_LINE = -1

MAX_IN_LAYOUT = 5_000
"""Characters on a page whose lines can be found: the memory for it grows with the square, 0.2 GB each array here."""


class Label(NamedTuple):
    """A box as a file has it.

    Attributes:
        text: Its character, its code, or whatever else stands there.
        x: Left edge, in the unit of the page's size; likewise the others.
        y: Upper edge.
        w: Width.
        h: Height.
        place: The element or row, in words.
        line: Number of its line in reading order, `NO_LINE` where the file has no lines.
        role: One of `kuzushiji.layout.ROLES`.
    """

    text: str
    x: float
    y: float
    w: float
    h: float
    place: str
    line: int = NO_LINE
    role: str = TEXT


class TextLine(NamedTuple):
    """A line of text as a file has it, with or without boxes; `role` is one of `kuzushiji.layout.ROLES`."""

    text: str
    role: str = TEXT


@dataclass
class RawPage:
    """A page as a file has it.

    Attributes:
        name: Of the page, usually that of its picture without the ending.
        file: The file that describes it.
        image: How that file names the picture, empty where it does not.
        size: Width and height in the unit of the boxes; None where the file does not say.
        labels: Its boxes in the file's order.
        lines: Its text where the file has lines; empty where it has none.
        in_pixels: Whether the size counts pixels; otherwise boxes are shares of it, such as percent.
        as_stored: Whether boxes count the picture's pixels as they are stored, whatever rotation the camera noted.
        sha256: Of the picture's file; "" where the file does not say.
        done: Whether somebody has said that nothing is left to correct; True for forms that do not say.
        history: Who read and corrected the page, as `corrections.schema.json` describes it; empty if not known.
    """

    name: str
    file: Path
    image: str
    size: tuple[float, float] | None
    labels: list[Label] = field(default_factory=list)
    lines: list[TextLine] = field(default_factory=list)
    in_pixels: bool = True
    as_stored: bool = False
    sha256: str = ""
    done: bool = True
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class LabelledPage:
    """A page whose n boxes each have one character.

    Attributes:
        name: Of the page, unique among those that are converted.
        picture: The file of its picture.
        turned: Whether the picture must be turned as its EXIF data say, for the boxes to fit.
        width: Of the picture, pixels; likewise its height.
        height: Pixels.
        codes: (n,) codes such as U+3042, in the file's order.
        boxes_xywh: (n, 4) corner and size, pixels.
        line: (n,) number of each box's line in reading order, or `NO_LINE` for all.
        role: (n,) one of `kuzushiji.layout.ROLES`.
        history: As of `RawPage`.
    """

    name: str
    picture: Path
    turned: bool
    width: int
    height: int
    codes: NDArray[np.object_]
    boxes_xywh: NDArray[np.float64]
    line: NDArray[np.int64]
    role: NDArray[np.object_]
    history: tuple[Mapping[str, Any], ...] = ()

    def layout(self) -> PageLayout:
        """Return the page's layout: the file's own lines, or found by the boxes where it has none.

        Raises:
            InputError: there are more than `MAX_IN_LAYOUT` boxes without lines.
        """
        if not len(self.line) or (self.line == NO_LINE).any():
            return found_layout(self.boxes_xywh, self.width, self.name)
        order = np.lexsort((np.arange(len(self.line)), self.line))
        return PageLayout(self.role, self.line, order)


def found_layout(boxes_xywh: NDArray[np.float64], width: float, page: str) -> PageLayout:
    """Return the layout of a page by its boxes.

    Raises:
        InputError: there are more than `MAX_IN_LAYOUT`.
    """
    from kuzushiji.errors import InputError

    if len(boxes_xywh) > MAX_IN_LAYOUT:
        got = f"{len(boxes_xywh):,}"
        raise InputError(f"page {page}: expected at most {MAX_IN_LAYOUT:,} characters to find its lines, got {got}")
    return layout_of_page(boxes_xywh, round(width))
