"""What stands around a box: its neighbours in the column, its size beside theirs, what else is on the page."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features, members
from kuzushiji.classify.segments import best_of_group
from kuzushiji.data.folds import book_id
from kuzushiji.reading_order import ReadingOrder, reading_order

BOX_FEATURES = (
    "width_in_column", "height_in_column", "width_on_page", "height_on_page", "aspect", "gap_above", "gap_below",
    "offset_in_column", "column_length", "place_in_column",
)  # fmt: skip


@dataclass(frozen=True)
class Context:
    """Surroundings of n boxes with m candidates.

    Attributes:
        geometry: (n, len(BOX_FEATURES)) float32; sizes in medians of the column or the page, gaps and offsets in median
            heights and widths of the page; NaN where there is no neighbour.
        before: (n, 2) int32, best classes of the two characters read before, the nearest first; `edge` past the
            page's first. Text runs on from the foot of a column to the head of the next.
        after: (n, 2) int32, the same of the two characters read after.
        on_page: (m,) float32, share of the page's other boxes whose best class is the candidate.
        in_book: (m,) float32, the same among the boxes of the book's other pages in the table.
        edge: The number that stands for the end of a page: the number of classes.
    """

    geometry: NDArray[np.float32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    on_page: NDArray[np.float32]
    in_book: NDArray[np.float32]
    edge: int

    def take(self, offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> "Context":
        """Return the context of the boxes at `rows`; `offsets` say where each box's candidates begin."""
        chosen = members(offsets, rows)
        return Context(
            self.geometry[rows], self.before[rows], self.after[rows],
            self.on_page[chosen], self.in_book[chosen], self.edge,
        )  # fmt: skip


def blended_logits(features: Features) -> NDArray[np.float32]:
    """Return the mean of the groups' logits for each candidate (m,); a class that a group lacks counts 0 there."""
    mean: NDArray[np.float32] = np.nan_to_num(features.candidate_logits, nan=0.0).mean(axis=1)
    return mean


def context_of(features: Features) -> Context:
    """Return the surroundings of the boxes of whole pages, from the blend of all groups."""
    best = features.candidates[best_of_group(blended_logits(features), features.offsets)]
    pages, page_names = pd.factorize(features.boxes["image_id"])
    books, _ = pd.factorize(pd.Series([book_id(str(name)) for name in page_names], dtype=object))
    edge, seg_fp = len(features.vocabulary), features.vocabulary.seg_fp
    n = len(features)
    geometry = np.full((n, len(BOX_FEATURES)), np.nan, np.float32)
    before, after = np.full((n, 2), edge, np.int32), np.full((n, 2), edge, np.int32)
    boxes_xywh = features.boxes[["x", "y", "w", "h"]].to_numpy(np.float64)
    order = np.argsort(pages, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(pages[order])) + 1) if n else []
    for part in parts:
        geometry[part], before[part], after[part] = _page_context(boxes_xywh[part], best[part], seg_fp, edge)
    return Context(geometry, before, after, *_shares(features, best, pages, books[pages] if n else pages), edge)


def _page_context(
    boxes_xywh: NDArray[np.float64], best: NDArray[np.int32], seg_fp: int, edge: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
    """Return geometry, classes before and classes after of one page."""
    reading = reading_order(boxes_xywh)
    before, after = (np.empty((len(best), 2), np.int32) for _ in range(2))
    # Boxes that the blend takes for no character do not part their neighbours.
    real = best[reading.order] != seg_fp
    behind = np.cumsum(real) - real + 2
    padded = np.concatenate([[edge, edge], best[reading.order][real], [edge, edge]])
    for k in range(2):
        before[reading.order, k] = padded[behind - 1 - k]
        after[reading.order, k] = padded[behind + real + k]
    return _geometry(boxes_xywh, reading), before, after


def _geometry(boxes_xywh: NDArray[np.float64], reading: ReadingOrder) -> NDArray[np.float32]:
    above, below, column = reading.above, reading.below, reading.column
    x, y, w, h = np.maximum(boxes_xywh, [-np.inf, -np.inf, 1, 1]).T
    page_w, page_h = np.median(w), np.median(h)
    center = x + w / 2
    column_w, column_h, column_x = (_median_of_column(values, column) for values in (w, h, center))
    bottom = y + h
    gap_above = np.where(above >= 0, y - bottom[above], np.nan) / page_h
    gap_below = np.where(below >= 0, y[below] - bottom, np.nan) / page_h
    length = np.bincount(column)[column]
    columns = (
        w / column_w, h / column_h, w / page_w, h / page_h, w / h, gap_above, gap_below,
        (center - column_x) / page_w, length, reading.place,
    )  # fmt: skip
    return np.stack([np.asarray(values, np.float32) for values in columns], axis=1)


def _median_of_column(values: NDArray[np.float64], column: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each box the median of its column; columns are numbered from 0, none is empty."""
    order = np.lexsort((values, column))
    size = np.bincount(column)
    start = np.cumsum(size) - size
    middle: NDArray[np.float64] = values[order[start + (size - 1) // 2]] + values[order[start + size // 2]]
    return middle[column] / 2


def _shares(
    features: Features, best: NDArray[np.int32], pages: NDArray[np.int64], books: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how often the candidate is the best class of other boxes, on the page and on the book's other pages."""
    size = len(features.vocabulary)
    box = features.box_of_candidate
    counts, totals = [], []
    for place in (pages, books):
        counts.append(_count(place * size + best, place[box] * size + features.candidates))
        totals.append(np.bincount(place, minlength=1)[place[box]] if len(place) else np.zeros(0))
    itself = best[box] == features.candidates
    on_page = (counts[0] - itself) / np.maximum(totals[0] - 1, 1)
    in_book = (counts[1] - counts[0]) / np.maximum(totals[1] - totals[0], 1)
    return on_page.astype(np.float32), in_book.astype(np.float32)


def _count(values: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each of `of` (m,) is among `values`."""
    keys, counts = np.unique(values, return_counts=True)
    place = np.minimum(np.searchsorted(keys, of), max(len(keys) - 1, 0))
    return np.where(keys[place] == of, counts[place], 0) if len(keys) else np.zeros(len(of), np.int64)
