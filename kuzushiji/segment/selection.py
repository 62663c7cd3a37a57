"""Which of a detector's many boxes are characters: trees that look at each box among its neighbours.

A detector scores each box alone. On pages unlike those that it was trained on, true boxes have low scores, and the
better of two that overlap is often the one with the lower score. So the detector returns boxes of low scores too, and
boosted trees weigh each of them by its place: its size beside that of the page's characters, how far other boxes cover
it, the gaps above and below in its column.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detection.boxes import area_xyxy, centers_xy, xywh_to_xyxy
from detection.overlap import pairwise_intersection, pairwise_iou
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, read_json
from kuzushiji.layout import TEXT, layout_of_page

if TYPE_CHECKING:
    import lightgbm

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FORMAT = "kuzushiji-selection-1"
FEATURES = (
    "score", "width", "height", "area", "proportions", "iou_better", "covered_better", "covers_better", "covered",
    "covers", "covers_all", "gap_above", "gap_below", "in_column", "near_in_column", "off_column", "size_in_column",
    "gap_left", "gap_right", "size_left", "edge_x", "edge_y",
)  # fmt: skip
"""Lengths are in sides of the page's median character; see `features`."""

_SURE = 0.5
"""Score from which on a box stands for the page's characters."""
_FAR = 8.0
"""Gap where there is no neighbour, and the longest that is told from others."""
_SAME_COLUMN, _SAME_ROW = 0.4, 0.4
"""Share of the narrower, or the lower, of two boxes that must overlap."""
_TREES: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.025, "num_leaves": 6, "min_data_in_leaf": 30, "feature_fraction": 0.5,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5.0, "deterministic": True, "num_threads": 1,
    "verbose": -1,
}  # fmt: skip
_ROUNDS = 300


@dataclass(frozen=True)
class Rule:
    """What the detector returns, and which of it stays.

    Attributes:
        score: Least score of the detector's boxes.
        nms: Of two boxes with a higher IoU the detector drops the one with the lower score.
        probability: Least probability of a box that stays.
        iou: Of two boxes with a higher IoU the less probable one goes.
        covered: So it does where a larger share of one of them is covered by the other.
    """

    score: float = 0.03
    nms: float = 0.6
    probability: float = 0.3
    iou: float = 0.35
    covered: float = 0.7


@dataclass(frozen=True)
class Selection:
    """Trees and the rule that was used for their training.

    Attributes:
        rule: The rule.
        trees: They return the probability of rows of `FEATURES`.
    """

    rule: Rule
    trees: "lightgbm.Booster"

    def probability(
        self, boxes_xywh: NDArray[np.number], score: NDArray[np.floating], width: int, height: int
    ) -> Floats:
        """Return how probable it is that each of n boxes of a page, `width` x `height` pixels, is a character."""
        if not len(boxes_xywh):
            return np.zeros(0)
        return np.asarray(self.trees.predict(features(boxes_xywh, score, width, height), num_threads=1))

    def kept(
        self, boxes_xywh: NDArray[np.number], score: NDArray[np.floating], width: int, height: int, found: Mask
    ) -> Mask:
        """Return which of the n boxes of a page, `width` x `height` pixels, stay.

        Labels have neither furigana nor the strip of the neighbouring page, so the trees know nothing of them: boxes
        there stay where the detector alone would have found them (`found`, (n,)), unless one that was chosen overlaps.
        """
        chosen = self.chosen(boxes_xywh, self.probability(boxes_xywh, score, width, height))
        own = np.flatnonzero(found)
        aside = own[layout_of_page(np.asarray(boxes_xywh)[own], width).role != TEXT]
        free = ~self._same(boxes_xywh)[np.ix_(aside, chosen)].any(axis=1)
        chosen[aside[free]] = True
        return chosen

    def chosen(self, boxes_xywh: NDArray[np.number], probability: Floats) -> Mask:
        """Return which of n boxes are characters of the text: the probable ones that no more probable one overlaps."""
        same = self._same(boxes_xywh)
        kept = np.zeros(len(probability), np.bool_)
        for box in np.argsort(-probability, kind="stable"):
            if probability[box] < self.rule.probability:
                break
            kept[box] = not (same[box] & kept).any()
        return kept

    def _same(self, boxes_xywh: NDArray[np.number]) -> Mask:
        """Return (n, n): whether two boxes are too much the same for both to stay."""
        boxes_xyxy = xywh_to_xyxy(boxes_xywh)
        shared = pairwise_intersection(boxes_xyxy, boxes_xyxy)
        area = np.maximum(area_xyxy(boxes_xyxy), 1e-9)
        covered = shared / np.minimum(area[:, None], area[None])
        same: Mask = (pairwise_iou(boxes_xyxy, boxes_xyxy) > self.rule.iou) | (covered > self.rule.covered)
        return same


@dataclass(frozen=True)
class LabelledBoxes:
    """The n boxes of low scores that a detector found on a page it was not trained on, and the m true ones.

    Attributes:
        boxes_xywh: (n, 4) pixels.
        score: (n,).
        width: Of the page, pixels; likewise its height.
        height: Pixels.
        true_xywh: (m, 4) pixels.
        sure: (m,) bool, whether each true box is exact; None where all are.
    """

    boxes_xywh: NDArray[np.number]
    score: NDArray[np.floating]
    width: int
    height: int
    true_xywh: NDArray[np.number]
    sure: Mask | None = None

    def labels(self) -> tuple[NDArray[np.int64], Mask]:
        """Return which boxes (n,) are characters, and which (n,) can be learned from.

        Of the boxes whose centre lies in a true one, the one that overlaps it most is the character. Boxes that touch
        a true one that is not exact are not learned from.
        """
        found, true = xywh_to_xyxy(self.boxes_xywh), xywh_to_xyxy(self.true_xywh)
        x, y = (centers_xy(found)[:, axis, None] for axis in range(2))
        inside = (x > true[:, 0]) & (x < true[:, 2]) & (y > true[:, 1]) & (y < true[:, 3])
        fit = np.where(inside, 1e-3 + pairwise_iou(found, true), 0)
        label = np.zeros(len(found), np.int64)
        if fit.size:
            label[fit.argmax(axis=0)[fit.max(axis=0) > 0]] = 1
        doubtful = np.zeros(len(true), np.bool_) if self.sure is None else ~self.sure
        return label, ~(pairwise_intersection(found, true[doubtful]) > 0).any(axis=1)


def features(boxes_xywh: NDArray[np.number], score: NDArray[np.floating], page_width: int, page_height: int) -> Floats:
    """Return what the trees look at, (n, len(FEATURES)): each box among the others of its page.

    Sizes and gaps are in sides of the median character, of the boxes with a score of at least 0.5. Columns and rows
    are those of such boxes too. `better` means of a higher score; what is covered is weighted with the other's score.
    """
    x, y, w, h = np.asarray(boxes_xywh, np.float64).T
    score = np.asarray(score, np.float64)
    sure = score >= min(_SURE, float(np.sort(score)[-min(3, len(score))]))
    area = np.maximum(w * h, 1e-9)
    side = float(np.sqrt(np.median(area[sure])))
    size = np.sqrt(area) / side
    corners = xywh_to_xyxy(np.asarray(boxes_xywh))
    iou, covered = pairwise_iou(corners, corners), pairwise_intersection(corners, corners) / area[:, None]
    for mask in (iou, covered):
        np.fill_diagonal(mask, 0)
    better = score[None] > score[:, None]
    column = (_overlap(x, w) > _SAME_COLUMN) & sure[None] & (covered.T < 0.5)
    row = (_overlap(y, h) > _SAME_ROW) & sure[None]
    for mask in (column, row):
        np.fill_diagonal(mask, val=False)
    cx, cy = x + w / 2, y + h / 2
    near = column & (np.abs(cy[None] - cy[:, None]) < 4 * side)
    above, _ = _nearest(column & (cy[None] < cy[:, None]), y[:, None] - (y + h)[None], side)
    below, _ = _nearest(column & (cy[None] > cy[:, None]), y[None] - (y + h)[:, None], side)
    left, beside = _nearest(row & (cx[None] < cx[:, None]), x[:, None] - (x + w)[None], side)
    right, _ = _nearest(row & (cx[None] > cx[:, None]), x[None] - (x + w)[:, None], side)
    values = (
        score, w / side, h / side, size, np.log(np.maximum(h, 1) / np.maximum(w, 1)),
        (iou * better).max(axis=1), (covered * better).max(axis=1), (covered.T * better).max(axis=1),
        (covered * score).max(axis=1), (covered.T * score).max(axis=1), (covered.T * score).sum(axis=1),
        above, below, column.sum(axis=1), near.sum(axis=1), (cx - _mean(near, cx)) / side, size / _mean(near, size),
        left, right, np.where(beside >= 0, size / size[beside], -1),
        np.minimum(x, page_width - x - w) / side, np.minimum(y, page_height - y - h) / side,
    )  # fmt: skip
    return np.stack([np.asarray(value, np.float64) for value in values], axis=1)


def _overlap(start: Floats, length: Floats) -> Floats:
    """Return (n, n): the share of the shorter of two intervals that both have."""
    end = start + length
    shared = np.minimum(end[:, None], end[None]) - np.maximum(start[:, None], start[None])
    found: Floats = shared / np.maximum(np.minimum(length[:, None], length[None]), 1e-9)
    return found


def _nearest(among: Mask, gap: Floats, side: float) -> tuple[Floats, NDArray[np.int64]]:
    """Return the least gap (n,) to one of the boxes `among` (n, n), in sides, and which box that is; -1: none."""
    gaps = np.where(among, gap, np.inf)
    nearest = gaps.argmin(axis=1)
    least = gaps[np.arange(len(gaps)), nearest]
    return (least / side).clip(-3, _FAR), np.where(np.isfinite(least), nearest, -1)


def _mean(among: Mask, values: Floats) -> Floats:
    """Return the mean (n,) of the values of the boxes `among` (n, n); NaN without any."""
    count = among.sum(axis=1)
    return np.where(count > 0, (among * values[None]).sum(axis=1) / np.maximum(count, 1), np.nan)


def train_selection(pages: Sequence[LabelledBoxes], rule: Rule, seed: int = 1) -> Selection:
    """Train the trees on pages that the detector was not trained on.

    Raises:
        InputError: the pages have no boxes, or all of them are characters, or none.
    """
    import lightgbm

    rows, labels = [], []
    for page in pages:
        if len(page.boxes_xywh):
            label, known = page.labels()
            rows.append(features(page.boxes_xywh, page.score, page.width, page.height)[known])
            labels.append(label[known])
    if len(np.unique(np.concatenate([*labels, np.zeros(0, np.int64)]))) < 2:
        raise InputError(f"expected boxes with and without characters on {len(pages)} pages, got one kind")
    table = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), feature_name=list(FEATURES))
    return Selection(rule, lightgbm.train({**_TREES, "seed": seed}, table, _ROUNDS))


def write_selection(path: Path, selection: Selection) -> None:
    """Write trees and rule as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    trees = selection.trees.model_to_string()
    atomic_write_json(path, {"format": FORMAT, "features": FEATURES, "rule": asdict(selection.rule), "trees": trees})


def read_selection(path: Path) -> Selection:
    """Read what `write_selection` has written.

    Raises:
        InputError: the file is missing or damaged, or of other features.
    """
    import lightgbm

    value = read_json(path)
    try:
        if value["format"] != FORMAT or tuple(value["features"]) != FEATURES:
            raise ValueError(f"it is not a {FORMAT} of these features")
        rule = Rule(**{name: float(number) for name, number in value["rule"].items()})
        trees = lightgbm.Booster(model_str=value["trees"])
        if trees.num_feature() != len(FEATURES):
            raise ValueError(f"its trees look at {trees.num_feature()} features")
    except (KeyError, TypeError, ValueError, AttributeError, lightgbm.basic.LightGBMError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: expected trees that choose among boxes, got a damaged file ({reason})") from error
    return Selection(rule, trees)
