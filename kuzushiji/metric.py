# PYTHON_ARGCOMPLETE_OK
"""The competition's metric: modified F1 over all pages together.

`python -m kuzushiji.metric SUBMISSION TRUTH` scores a submission.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji import cli
from kuzushiji.data.labels import PageLabels, PagePoints, page_numbers, read_page_labels, read_page_points
from kuzushiji.errors import InputError
from kuzushiji.options import json_option, option, pages_option
from kuzushiji.stage import Command
from kuzushiji.terminal import print_result

_MAX_PAIRS = 4_000_000
"""Pairs of box and point that are looked at together: about 200 MB."""


@dataclass(frozen=True)
class Counts:
    """Characters found, wrongly found, and missed; counts of pages and folds add up.

    Attributes:
        tp: Truth boxes that a prediction matches.
        fp: Predictions that match no truth box.
        fn: Truth boxes that no prediction matches.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Counts":
        """Return the counts under `tp`, `fp` and `fn`, such as those of `as_dict`; other entries do not matter.

        Raises:
            ValueError: one of them is no number.
        """
        return cls(tp=int(values["tp"]), fp=int(values["fp"]), fn=int(values["fn"]))

    @classmethod
    def total(cls, pages: pd.DataFrame) -> "Counts":
        """Return the sum over a table with the columns tp, fp and fn, such as that of `score_pages`."""
        return cls.of(pages[["tp", "fp", "fn"]].sum())

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """Share of the predictions that are right; 0 where there are none."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the truth that is found; 0 where there is none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where that is undefined."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn) if self.tp else 0.0

    def as_dict(self) -> dict[str, float]:
        """Return f1, precision, recall, tp, fp, fn."""
        return {"f1": self.f1, "precision": self.precision, "recall": self.recall, **asdict(self)}


def score_points(truth: PageLabels, predictions: PagePoints) -> Counts:
    """Score a submission by the rule of `match`.

    A page that the predictions lack counts all its characters as missed.

    Raises:
        InputError: a predicted page is not in the truth.
    """
    return Counts.total(score_pages(truth, predictions))


def score_pages(truth: PageLabels, predictions: PagePoints) -> pd.DataFrame:
    """Return image_id, tp, fp, fn (int64) of each page of the truth, in its order; arguments as of `score_points`."""
    matched, used = match(truth, predictions)
    point_page = page_numbers(predictions.points["image_id"], truth.image_ids)
    n_pages = len(truth.image_ids)
    columns = {
        "image_id": list(truth.image_ids),
        "tp": np.bincount(truth.page[matched], minlength=n_pages),
        "fp": np.bincount(point_page[~used], minlength=n_pages),
        "fn": np.bincount(truth.page[~matched], minlength=n_pages),
    }
    table: pd.DataFrame = pd.DataFrame(columns)
    return table


def match(truth: PageLabels, predictions: PagePoints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which truth boxes a prediction matches, and which predictions match a truth box.

    On each page, truth boxes are taken in order; a box is matched by the first unused prediction that has the same
    code and lies strictly inside.

    Returns:
        (n,) booleans, an entry a row of `truth.boxes`, and (m,) booleans, one a row of `predictions.points`.

    Raises:
        InputError: a predicted page is not in the truth.
    """
    unknown = page_numbers(pd.Series(predictions.image_ids, dtype=object), truth.image_ids) < 0
    if unknown.any():
        page = predictions.image_ids[int(unknown.argmax())]
        raise InputError(f"expected predictions for the {len(truth.image_ids)} pages of the truth, got page {page}")
    points = predictions.points
    matched = np.zeros(len(truth.boxes), dtype=bool)
    used = np.zeros(len(points), dtype=bool)
    for boxes, inside in _points_inside(truth, points, page_numbers(points["image_id"], truth.image_ids)):
        _match_in_order(boxes, inside, matched, used)
    return matched, used


def _points_inside(
    truth: PageLabels, points: pd.DataFrame, point_page: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield all pairs (box, point) with the same page and code and the point strictly inside.

    Pairs come in the order of the boxes, and in the order of the points for the same box. Points are sorted by page,
    code and x; those between a box's left and right edge are then a range, found by binary search. Coordinates are
    replaced by their ranks, so that page, code and x are one exact whole number.
    """
    x, y = (points[name].to_numpy(np.float64) for name in ("x", "y"))
    left, top, width, height = truth.boxes_xywh.T
    right, bottom = left + width, top + height
    group_of_box, group_of_point = _groups(truth, points, point_page)
    ranks, n_ranks = _ranks(left, right, x)
    keys = group_of_point * n_ranks + ranks[2]
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], group_of_box * n_ranks + ranks[0], side="right")
    last = np.searchsorted(keys[order], group_of_box * n_ranks + ranks[1], side="left")
    counts = np.maximum(last - first, 0)
    for start, stop in _chunks(counts):
        size = counts[start:stop]
        boxes = np.repeat(np.arange(start, stop), size)
        within = np.arange(len(boxes)) - np.repeat(np.cumsum(size) - size, size)
        inside = order[first[boxes] + within]
        keep = (top[boxes] < y[inside]) & (y[inside] < bottom[boxes])
        boxes, inside = boxes[keep], inside[keep]
        by_order = np.lexsort((inside, boxes))
        yield boxes[by_order], inside[by_order]


def _groups(
    truth: PageLabels, points: pd.DataFrame, point_page: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one number for page and code together, of each box and of each point."""
    codes = pd.concat([truth.boxes["code"], points["code"]], ignore_index=True)
    numbers, distinct = pd.factorize(codes)
    pages = np.concatenate([truth.page, point_page])
    groups = pages * len(distinct) + numbers
    return groups[: len(truth.boxes)], groups[len(truth.boxes) :]


def _ranks(*values: NDArray[np.float64]) -> tuple[list[NDArray[np.int64]], int]:
    """Return the values' ranks among all of them (equal values, equal ranks), and the number of ranks."""
    ranks, distinct = pd.factorize(np.concatenate(values), sort=True)
    ends = np.cumsum([len(part) for part in values])[:-1]
    return np.split(ranks, ends), len(distinct)


def _chunks(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield ranges of boxes that have about `_MAX_PAIRS` pairs each; a single box may have more."""
    chunk = np.cumsum(counts) // _MAX_PAIRS
    starts = np.flatnonzero(np.diff(chunk, prepend=-1))
    return pairwise([*starts.tolist(), len(counts)])


def _match_in_order(
    boxes: NDArray[np.int64], inside: NDArray[np.int64], matched: NDArray[np.bool_], used: NDArray[np.bool_]
) -> None:
    """Mark what the rule matches; pairs as of `_points_inside`.

    A box and a point that have only each other need no order: that is nearly all. The rest is done pair by pair.
    """
    alone = (np.bincount(boxes, minlength=1)[boxes] == 1) & (np.bincount(inside, minlength=1)[inside] == 1)
    alone &= ~used[inside]
    matched[boxes[alone]] = True
    used[inside[alone]] = True
    for box, point in zip(boxes[~alone].tolist(), inside[~alone].tolist(), strict=True):
        if not matched[box] and not used[point]:
            matched[box] = True
            used[point] = True


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def chosen_pages(words: Sequence[str]) -> tuple[str, ...]:
    """Return the pages that words name, each once: a word is an image id, or a file with one a line.

    Raises:
        InputError: a file cannot be read.
    """
    pages: list[str] = []
    for word in words:
        try:
            pages += Path(word).read_text(encoding="utf-8-sig").split() if Path(word).is_file() else [word]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{word}: expected image ids, one a line, cannot be read: {error}") from error
    return tuple(dict.fromkeys(pages))


@dataclass(frozen=True)
class MetricConfig:
    """What the command line asks for."""

    submission: Path = option(
        MISSING, 'CSV: image_id,labels with "U+XXXX X Y" repeated', positional=True, metavar="SUBMISSION"
    )
    truth: Path = option(
        MISSING, 'CSV: image_id,labels with "U+XXXX x y w h" repeated', positional=True, metavar="TRUTH"
    )
    pages: tuple[str, ...] = pages_option()
    json: bool = json_option()


class Metric(Command):
    """Score a submission: modified F1 over all pages together, with precision, recall and counts."""

    config: MetricConfig

    def execute(self) -> int:
        """Print the score."""
        truth, points = read_page_labels(self.config.truth), read_page_points(self.config.submission)
        if self.config.pages:
            truth = truth.of_pages(chosen_pages(self.config.pages))
            read = set(points.image_ids)
            points = points.of_pages(page for page in truth.image_ids if page in read)
        counts = score_points(truth, points).as_dict()
        print_result(counts, as_json=self.config.json)
        return 0


main = Metric.main

if __name__ == "__main__":
    cli.run(main)
