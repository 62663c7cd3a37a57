"""Layouts of real pages: where on a page columns stand and how large each character is, from a table of labels."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.folds import book_id
from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.reading_order import reading_order

Floats = NDArray[np.float64]

_LEAST = 12  # characters: a page with fewer gives no layout
_PER_CHARACTER = 120  # sizes that are kept of each character, spread over all pages
LEAST_STRETCH, _MOST_STRETCH = 1.5, 5.0  # factors by which a glyph's proportions may change
_OWN_SIZES = 20  # sizes from which a character's own proportions are known


@dataclass(frozen=True)
class Column:
    """One column of a page, from the top.

    Attributes:
        text: Its characters.
        boxes_xywh: Their boxes (n, 4) in heights of the page.
    """

    text: str
    boxes_xywh: Floats

    @property
    def pitch(self) -> float:
        """Width of its characters, in heights of the page: the 80th percentile."""
        return float(np.quantile(self.boxes_xywh[:, 2], 0.8))


@dataclass(frozen=True)
class Layout:
    """A page: columns in reading order; `ratio` is its width in heights."""

    image_id: str
    ratio: float
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Layouts:
    """All layouts, and how large characters are in them.

    Attributes:
        pages: The layouts.
        sizes: Character -> widths and heights (n, 2) in widths of its column.
        kana: The same of all kana, for those that are rare.
        kanji: The same of all other characters.
        gaps: Distances from one box to the next in a column, in widths of the column.
    """

    pages: tuple[Layout, ...]
    sizes: dict[str, Floats]
    kana: Floats
    kanji: Floats
    gaps: Floats

    def draw(self, rng: np.random.Generator) -> Layout:
        """Return a layout by chance, one with four times the characters twice as often."""
        weights = np.cumsum([np.sqrt(sum(len(column.text) for column in page.columns)) for page in self.pages])
        return self.pages[min(int(np.searchsorted(weights, rng.random() * weights[-1])), len(self.pages) - 1)]

    @property
    def text(self) -> str:
        """All characters of all pages, columns one after the other."""
        return "".join(column.text for page in self.pages for column in page.columns)

    def stretch(self, character: str) -> float:
        """Return by which factor a glyph's proportions may change: as far as they differ on real pages.

        し may be five times as high as wide, or hardly higher than wide.
        """
        sizes = self.sizes.get(character)
        if sizes is None or len(sizes) < _OWN_SIZES:
            return LEAST_STRETCH
        low, high = np.quantile(sizes[:, 1] / sizes[:, 0], (0.1, 0.9))
        return float(np.clip(high / low, LEAST_STRETCH, _MOST_STRETCH))


@lru_cache(maxsize=2)
def read_layouts(path: Path, without: frozenset[str]) -> Layouts:
    """Return the layouts of a table in the format of train.csv, which may be gzipped.

    Args:
        path: The table.
        without: Books whose pages are left out.

    Raises:
        InputError: no such table, a damaged one, or one without pages of text.
    """
    labels = read_page_labels(path)
    chosen = [image_id for image_id in labels.image_ids if not image_id.startswith(tuple(without))]
    table = labels.of_pages(chosen)
    parts = [
        (image_id, rows["code"].to_numpy(), rows[["x", "y", "w", "h"]].to_numpy(np.float64))
        for image_id, rows in table.by_page()
    ]
    extents = _extents(parts)
    pages = [
        _layout(image_id, codes, boxes, extents[book_id(image_id)])
        for image_id, codes, boxes in parts
        if len(codes) >= _LEAST
    ]
    if not pages:
        raise InputError(f"{path}: expected labels of pages with at least {_LEAST} characters, got none")
    return Layouts(tuple(pages), *_sizes(pages))


def _extents(parts: Sequence[tuple[str, NDArray[np.object_], Floats]]) -> dict[str, tuple[float, float]]:
    """Return height and width of each book's pages, estimated from where their text ends."""
    ends: dict[str, list[Floats]] = defaultdict(list)
    for image_id, _, boxes in parts:
        if len(boxes):
            ends[book_id(image_id)].append((boxes[:, :2] + boxes[:, 2:]).max(axis=0))
    return {
        book: (
            float(np.quantile(np.stack(found)[:, 1], 0.95)) * 1.09,
            float(np.quantile(np.stack(found)[:, 0], 0.95)) * 1.06,
        )
        for book, found in ends.items()
    }


def _layout(image_id: str, codes: NDArray[np.object_], boxes: Floats, extent: tuple[float, float]) -> Layout:
    height, width = (
        max(extent[0], float((boxes[:, 1] + boxes[:, 3]).max())),
        max(extent[1], float((boxes[:, 0] + boxes[:, 2]).max())),
    )
    order = reading_order(boxes)
    columns = []
    for number in range(int(order.column.max()) + 1):
        chosen = order.order[order.column[order.order] == number]
        columns.append(Column("".join(chr(int(code[2:], 16)) for code in codes[chosen]), boxes[chosen] / height))
    return Layout(image_id, float(np.clip(width / height, 0.5, 1.4)), tuple(columns))


def _spread(sizes: list[Floats]) -> list[Floats]:
    count = min(len(sizes), _PER_CHARACTER)
    return [sizes[number] for number in np.linspace(0, len(sizes) - 1, count).astype(int)]


def _sizes(pages: Sequence[Layout]) -> tuple[dict[str, Floats], Floats, Floats, Floats]:
    found: dict[str, list[Floats]] = defaultdict(list)
    gaps: list[Floats] = []
    for page in pages:
        for column in page.columns:
            if len(column.text) < 4:
                continue
            relative = column.boxes_xywh / column.pitch
            gaps.append(relative[1:, 1] - relative[:-1, 1] - relative[:-1, 3])
            for character, size in zip(column.text, relative[:, 2:], strict=True):
                found[character].append(size)
    found = {character: _spread(each) for character, each in found.items()}
    kana = [size for character, sizes in found.items() if "ぁ" <= character <= "ヿ" for size in sizes]
    kanji = [size for character, sizes in found.items() if character >= "一" for size in sizes]
    sizes = {character: np.stack(each) for character, each in found.items() if len(each) >= 4}
    every = np.clip(np.concatenate(gaps), -0.35, 0.8) if gaps else np.zeros(1)
    return sizes, np.stack(kana or [np.ones(2)]), np.stack(kanji or [np.ones(2)]), every
