"""What stands around a box: its neighbours in the text, its size beside theirs, what else is on the page."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.ngrams import N_NEIGHBOURS
from kuzushiji.data.labels import rows_by_page
from kuzushiji.ragged import best_of_group, members
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
        page: (n,) int64, number of each box's page.
        order: (n,) int64, positions of the boxes page by page, each page in reading order.
        before: (n, N_NEIGHBOURS) int32, best classes of the characters read before, the nearest first; `edge` past the
            page's first. Text runs on from the foot of a column to the head of the next.
        after: (n, N_NEIGHBOURS) int32, the same of the characters read after.
        on_page: (m,) float32, share of the page's other boxes whose best class is the candidate.
        edge: The number that stands for the end of a page: the number of classes.
    """

    geometry: NDArray[np.float32]
    page: NDArray[np.int64]
    order: NDArray[np.int64]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    on_page: NDArray[np.float32]
    edge: int

    def take(self, offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> "Context":
        """Return the context of the boxes at `rows`; `offsets` say where each box's candidates begin.

        Their order is no longer that of whole pages: `order` is empty.
        """
        return replace(
            self,
            geometry=self.geometry[rows],
            page=self.page[rows],
            order=self.order[:0],
            before=self.before[rows],
            after=self.after[rows],
            on_page=self.on_page[members(offsets, rows)],
        )

    def keep(self, kept: NDArray[np.bool_]) -> "Context":
        """Return the context of the same boxes with those of their candidates (m,) only."""
        return replace(self, on_page=self.on_page[kept])

    def read_as(self, features: Features, best: NDArray[np.int32]) -> "Context":
        """Return the context of the same boxes, whole pages, when these are the best classes (n,)."""
        before, after = _neighbours(self.page[self.order], best[self.order], features.vocabulary.seg_fp, self.edge)
        by_box = np.empty_like(self.order)
        by_box[self.order] = np.arange(len(self.order))
        on_page = share_of_group(features, best, self.page)
        return replace(self, before=before[by_box], after=after[by_box], on_page=on_page)


def blended_logits(features: Features) -> NDArray[np.float32]:
    """Return the mean of the groups' logits for each candidate (m,); a class that a group lacks counts 0 there."""
    mean: NDArray[np.float32] = np.nan_to_num(features.candidate_logits, nan=0.0).mean(axis=1)
    return mean


def best_classes(features: Features, scores: NDArray[np.floating]) -> NDArray[np.int32]:
    """Return the candidate (n,) with the best score (m,) of each box."""
    return features.candidates[best_of_group(scores, features.offsets)]


def context_of(features: Features) -> Context:
    """Return the surroundings of the boxes of whole pages, read as the blend of all groups reads them."""
    page, image_ids = pd.factorize(features.boxes["image_id"])
    n, edge = len(features), len(features.vocabulary)
    geometry = np.full((n, len(BOX_FEATURES)), np.nan, np.float32)
    boxes_xywh = features.boxes[["x", "y", "w", "h"]].to_numpy(np.float64)
    order = [np.zeros(0, np.int64)]
    for rows in rows_by_page(page, len(image_ids)):
        reading = reading_order(boxes_xywh[rows])
        geometry[rows] = _geometry(boxes_xywh[rows], reading)
        order.append(rows[reading.order])
    nobody = np.full((n, N_NEIGHBOURS), edge, np.int32)
    context = Context(
        geometry=geometry,
        page=page.astype(np.int64),
        order=np.concatenate(order),
        before=nobody,
        after=nobody,
        on_page=np.zeros(len(features.candidates), np.float32),
        edge=edge,
    )
    return context.read_as(features, best_classes(features, blended_logits(features)))


def _neighbours(
    page: NDArray[np.int64], best: NDArray[np.int32], seg_fp: int, edge: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the classes before and after each box, (n, N_NEIGHBOURS) each; boxes page by page in reading order.

    Boxes that are read as no character do not part their neighbours.
    """
    real = best != seg_fp
    behind = np.cumsum(real) - real
    classes, pages = best[real], page[real]
    before = np.full((len(best), N_NEIGHBOURS), edge, np.int32)
    after = before.copy()
    for k in range(N_NEIGHBOURS):
        for neighbours, position in ((before, behind - 1 - k), (after, behind + real + k)):
            inside = (position >= 0) & (position < len(classes))
            inside[inside] = pages[position[inside]] == page[inside]
            neighbours[inside, k] = classes[position[inside]]
    return before, after


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


def share_of_group(features: Features, best: NDArray[np.int32], page: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how often the candidate (m,) is the best class of the other boxes of its page or book, as a share of them.

    Args:
        features: n boxes.
        best: (n,) their best classes.
        page: (n,) number of each box's page or book, from 0.
    """
    size, box = len(features.vocabulary), features.box_of_candidate
    keys, counts = np.unique(page * size + best, return_counts=True)
    wanted = page[box] * size + features.candidates
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    found = np.where(keys[place] == wanted, counts[place], 0) if len(keys) else np.zeros(0)
    others = np.bincount(page, minlength=1)[page[box]] - 1 if len(page) else np.zeros(0)
    share: NDArray[np.floating] = (found - (best[box] == features.candidates)) / np.maximum(others, 1)
    return share.astype(np.float32)
