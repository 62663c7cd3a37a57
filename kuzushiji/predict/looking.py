"""Other ways to look at a page on which nothing is found: turned, inverted, in parts; and why it may be empty."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kuzushiji.predict.transcription import Transcription

Image = NDArray[np.uint8]

_ENOUGH = 2.0
"""Sum of a detector's scores from which another way of looking counts: a stray mark does not make a text."""

_POOR = 0.35
"""Confidence of a page below which it is looked at in other ways too."""

_BETTER = 2.0
"""How many times as many characters must be right, by their probabilities, for another way to count."""

_BLANK = 6.0
"""Standard deviation of grey values below which a page has nothing on it."""

_DARK = 100
"""Median grey value below which a page is likely to be a negative."""

_TWO_PAGES = 1.2
"""Width by height from which two pages are likely."""

_SMALL_PAGE, _LARGE_PAGE = 400, 8000
"""Longer side in pixels of a page whose characters are likely to be too small, or a small part of the page."""


class PageReader(Protocol):
    """What reads a page: `reader.BundleReader`."""

    def read(
        self,
        image: Image,
        *,
        name: str = "",
        file: str = "",
        boxes_xywh: NDArray[np.floating] | None = None,
        finer: int = 1,
    ) -> Transcription:
        """Return what is read on a page."""
        ...

    def found(self, image: Image, finer: int = 1) -> float:
        """Return the sum of one detector's scores."""
        ...


@dataclass(frozen=True)
class Look:
    """A way of looking at a page.

    Attributes:
        says: What it means that characters are found so.
        turns: Quarter turns of the page, against the clock.
        inverted: Whether black and white are exchanged.
        finer: Into how many parts each side of the page is cut.
    """

    says: str
    turns: int = 0
    inverted: bool = False
    finer: int = 1

    def picture(self, page: Image) -> Image:
        """Return the page (h, w, 3) as it is looked at."""
        turned = np.ascontiguousarray(np.rot90(page, self.turns)) if self.turns else page
        return 255 - turned if self.inverted else turned

    def back(self, boxes_xywh: NDArray[np.int64], width: int, height: int) -> NDArray[np.int64]:
        """Return boxes (n, 4) of the turned picture on the page, whose width and height are given, in pixels."""
        x, y, w, h = boxes_xywh.T
        columns = {
            0: (x, y, w, h),
            1: (width - y - h, x, h, w),
            2: (width - x - w, height - y - h, w, h),
            3: (y, height - x - w, h, w),
        }[self.turns]
        return np.stack(columns, axis=1)


LOOKS = (
    Look("it was turned by 90 degrees", turns=1),
    Look("it was turned by 90 degrees", turns=3),
    Look("it stands on its head", turns=2),
    Look("it is a negative", inverted=True),
    Look("its characters are small", finer=2),
    Look("its characters are very small", finer=4),
)


def read_somehow(
    reader: PageReader, page: Image, *, name: str = "", file: str = "", boxes_xywh: NDArray[np.floating] | None = None
) -> tuple[Transcription, str]:
    """Return what is read on a page (h, w, 3) RGB, and a note where it had to be looked at in another way, or is empty.

    Other ways are tried where nothing is found, and turns and inversion also where the reading has little confidence;
    what was read first is kept unless another way is much better. A page that was turned is read turned: its columns
    follow that, and its boxes stand where they are on the page. With boxes (n, 4) from elsewhere it is looked at once.
    """
    first = reader.read(page, name=name, file=file, boxes_xywh=boxes_xywh)
    confidence = first.doubts.confidence
    if boxes_xywh is not None or (len(first) and (confidence is None or confidence >= _POOR)):
        return first, ""
    if not len(first) and _grey(page).std() < _BLANK:
        return first, "empty: the page looks blank"
    looks = [look for look in LOOKS if not len(first) or look.finer == 1]
    scores = [reader.found(look.picture(page), look.finer) for look in looks]
    look = looks[int(np.argmax(scores))]
    if max(scores) >= _ENOUGH:
        read = reader.read(look.picture(page), name=name, file=file, finer=look.finer)
        if (len(read) and not len(first)) or _certain(read) > _BETTER * _certain(first):
            return _on_page(read, look, page), f"read after a second look: {look.says}"
    return first, "" if len(first) else f"empty: no characters were found{_likely(page)}"


def _certain(read: Transcription) -> float:
    """Return how many characters are right by their own probabilities."""
    return float(np.nansum(read.probability))


def _on_page(read: Transcription, look: Look, page: Image) -> Transcription:
    """Return what was read in another way, with its boxes where they are on the page."""
    height, width = page.shape[:2]
    doubts = read.doubts
    dropped = replace(doubts.dropped, boxes_xywh=look.back(doubts.dropped.boxes_xywh, width, height))
    return replace(
        read,
        boxes_xywh=look.back(read.boxes_xywh, width, height),
        width=width,
        height=height,
        given_doubts=replace(doubts, dropped=dropped),
    )


def _likely(page: Image) -> str:
    """Return what may be wrong with a page on which nothing is found, to follow a sentence."""
    grey = _grey(page)
    height, width = page.shape[:2]
    reasons = [
        reason
        for reason, holds in (
            ("a negative", np.median(grey) < _DARK <= grey.max(initial=0)),
            ("deep pixels of which few bits are used", grey.max(initial=0) < _DARK // 2),
            ("two pages in one picture", width > _TWO_PAGES * height),
            ("characters that are too small", max(width, height) < _SMALL_PAGE),
            ("characters that are a small part of a large page", max(width, height) > _LARGE_PAGE),
        )
        if holds
    ]
    return f"; likely: {', '.join(reasons)}" if reasons else "; it may have none, or be turned"


def _grey(page: Image) -> NDArray[np.uint8]:
    """Return some of a page's grey values, at most 1000 of each side."""
    step = max(max(page.shape[:2]) // 1000, 1)
    return page[::step, ::step, 1]
