"""What the viewer shows of a page: plain values, whatever they come from."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kuzushiji.reading_order import reading_order

KINDS = ("right", "wrong", "missed", "read", "doubtful", "dropped")
"""What a box can be: read rightly, read wrongly, not read though it is there; read while the truth is unknown, read
with little probability, taken for no character."""

TEXT = "text"

DEFAULT_HEIGHT = 1400
_JPEG_QUALITY = 65


@dataclass(frozen=True)
class Candidate:
    """What a model takes a box for.

    Attributes:
        char: The character; the name of the class where it is none.
        code: Its code, such as `U+3042`, or `seg_fp` for "no character".
        probability: 0 to 1.
    """

    char: str
    code: str
    probability: float


@dataclass(frozen=True)
class ViewerBox:
    """A box on a page.

    Attributes:
        x: Left edge, pixels of the original page; likewise y (upper edge), w and h.
        kind: One of `KINDS`.
        char: What was read; of a missed character, what is there.
        code: Its code.
        probability: Probability of what was read, 0 to 1; None where there is none.
        truth: The true character; "" where it is unknown, or where nothing is there (`kind` tells which).
        truth_code: Its code; "" likewise.
        candidates: The best candidates of each model by the model's name, best first.
        single_candidates: Likewise of the single models that those are blends of; shown on demand.
        why: Why it was missed, in words; "" where that is not known.
        role: `text`, or what else it is in the page's layout, such as `furigana`.
    """

    x: float
    y: float
    w: float
    h: float
    kind: str
    char: str
    code: str
    probability: float | None = None
    truth: str = ""
    truth_code: str = ""
    candidates: Mapping[str, Sequence[Candidate]] = field(default_factory=dict)
    single_candidates: Mapping[str, Sequence[Candidate]] = field(default_factory=dict)
    why: str = ""
    role: str = TEXT

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"expected a kind of box of {', '.join(KINDS)}, got {self.kind!r}")


@dataclass(frozen=True)
class ViewerPicture:
    """The picture of a page as the viewer embeds it: a JPEG, and the size of the page that it shows.

    Attributes:
        jpeg: The file's bytes.
        width: Width of the original page, pixels.
        height: Height of the original page, pixels.
    """

    jpeg: bytes
    width: int
    height: int

    @classmethod
    def of_page(cls, image: NDArray[np.uint8], *, height: int = DEFAULT_HEIGHT) -> "ViewerPicture":
        """Return the picture of an RGB page (h, w, 3), scaled down to `height` pixels, never up."""
        import cv2

        page_height, page_width = image.shape[:2]
        scale = min(1.0, height / page_height)
        size = max(1, round(page_width * scale)), max(1, round(page_height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return cls(jpeg.tobytes(), page_width, page_height)

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class ViewerPage:
    """A page of the viewer.

    Attributes:
        name: Its image id or file name.
        picture: What it looks like.
        boxes: What was read on it and what was missed, in any order.
        columns: Lines of the text: positions in `boxes`, each line from top to bottom, the lines in reading order;
            boxes that are in none are drawn but are no text. None: all boxes, in `reading_order`.
        note: Added to the page's name in the list of pages, such as its F1.
    """

    name: str
    picture: ViewerPicture
    boxes: Sequence[ViewerBox]
    columns: Sequence[Sequence[int]] | None = None
    note: str = ""

    @property
    def lines(self) -> list[list[int]]:
        """The columns, computed where they were not given."""
        if self.columns is not None:
            return [list(map(int, column)) for column in self.columns]
        order = reading_order(np.array([(box.x, box.y, box.w, box.h) for box in self.boxes], np.float64).reshape(-1, 4))
        lines: list[list[int]] = [[] for _ in range(int(order.column.max(initial=-1)) + 1)]
        for position in order.order.tolist():
            lines[order.column[position]].append(position)
        return lines
