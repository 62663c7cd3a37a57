"""What was read on the pages of a run beside the truth, and what became of each character and of each box."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detection.boxes import xywh_to_xyxy
from detection.overlap import match_boxes
from kuzushiji.artifacts import Detailed, characters_path, concat_detailed, read_characters, read_detailed
from kuzushiji.classify.calibration import best_probability
from kuzushiji.data.labels import SEG_FP, PageLabels, PagePoints, read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.metric import match, score_pages
from kuzushiji.report.collect import SECOND_LEVEL, Collected
from kuzushiji.run_folder import DETAILED, LEVEL2, LEVEL2_OOF, SEGMENT
from kuzushiji.scoring import points_of

RIGHT = "right"
WRONG_CHARACTER = "wrong character"
DROPPED = "dropped"
NO_BOX = "no box"
SECOND_BOX = "second box"
FALSE_BOX = "false box"
RIGHTLY_DROPPED = "rightly dropped"

OF_CHARACTERS = (RIGHT, WRONG_CHARACTER, DROPPED, NO_BOX)
"""What can become of a true character."""
OF_BOXES = (RIGHT, WRONG_CHARACTER, SECOND_BOX, FALSE_BOX, DROPPED, RIGHTLY_DROPPED)
"""What can become of a box; the first four were read as a character."""


@dataclass(frozen=True)
class Fates:
    """The fate of m true characters and n boxes.

    Attributes:
        characters: (m,) of `OF_CHARACTERS`. `right`: the metric's true positives; `wrong character`: a box stands for
            it that was read and is not right; `dropped`: its only box was taken for no character; `no box`: the rest.
        boxes: (n,) of `OF_BOXES`. `second box`: it stands for a character that another box was counted for.
            `false box`: it was read and stands for no character.
        box: (m,) row of the box of a character that is `wrong character` or `dropped`, else -1.
    """

    characters: NDArray[np.object_]
    boxes: NDArray[np.object_]
    box: NDArray[np.int64]


def fates_of(
    is_read: NDArray[np.bool_], is_right: NDArray[np.bool_], is_found: NDArray[np.bool_], truth_row: NDArray[np.int64]
) -> Fates:
    """Return the fates.

    Args:
        is_read: (n,) which boxes were read as a character.
        is_right: (n,) which boxes match a character by `metric.match`; only boxes that were read do.
        is_found: (m,) which characters a box matches by `metric.match`.
        truth_row: (n,) the character that each box stands for by IoU, -1 for none.
    """
    stands = truth_row >= 0
    characters = np.where(is_found, RIGHT, NO_BOX).astype(object)
    boxes = np.where(is_read, np.where(stands, SECOND_BOX, FALSE_BOX), RIGHTLY_DROPPED).astype(object)
    boxes[is_right] = RIGHT
    box = np.full(len(characters), -1, np.int64)
    for kind, candidates in ((WRONG_CHARACTER, is_read & ~is_right), (DROPPED, ~is_read)):
        rows = np.flatnonzero(candidates & stands)
        rows = rows[characters[truth_row[rows]] == NO_BOX]
        own, first = np.unique(truth_row[rows], return_index=True)
        characters[own], boxes[rows[first]], box[own] = kind, kind, rows[first]
    return Fates(characters, boxes, box)


TEST_PAGES = "test pages"
"""Name of the outcome of the whole chain on the test pages."""
_DEFAULT_MATCH_IOU = 0.5
"""As the reference's detector has it; a run's own value is in its params.json."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a model or the whole chain read on some pages.

    Attributes:
        name: What read, and which pages.
        pages: All pages that were looked at.
        boxes: One row a box that the detector found: image_id box x y w h (pixels), `true` (code of the character
            that the box stands for, `SEG_FP` for none, "" where the truth is unknown), `pred` (code that was read,
            `SEG_FP` for a box that was dropped), `probability` of `pred` (NaN where it is not known).
        truth: Truth of the pages; None where it is unknown.
        image: Where the photograph of a page is.
        match_iou: IoU from which a box stands for a character.
        is_submission: Whether it is scored as a submission, which has whole pixels.
    """

    name: str
    pages: tuple[str, ...]
    boxes: pd.DataFrame
    truth: PageLabels | None
    image: Callable[[str], Path]
    match_iou: float = _DEFAULT_MATCH_IOU
    is_submission: bool = False

    @cached_property
    def truth_row(self) -> NDArray[np.int64]:
        """(n,) row of `truth.boxes` that each box stands for, -1 for none."""
        if self.truth is None:
            return np.full(len(self.boxes), -1, np.int64)
        return rows_of_truth(self.boxes, self.truth, self.match_iou)

    @cached_property
    def matched(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """By the competition's rule: (n,) which boxes are right, (m,) which of the truth are found; else none."""
        right = np.zeros(len(self.boxes), np.bool_)
        if self.truth is None:
            return right, np.zeros(0, np.bool_)
        found, right[self.is_read] = match(self.truth, self.points)
        return right, found

    @cached_property
    def fates(self) -> Fates:
        """What became of each character and each box; the truth must be known."""
        assert self.truth is not None
        return fates_of(self.is_read, *self.matched, self.truth_row)

    @property
    def is_read(self) -> NDArray[np.bool_]:
        """(n,) which boxes were read as a character."""
        return (self.boxes["pred"] != SEG_FP).to_numpy(np.bool_)

    @cached_property
    def scores(self) -> pd.DataFrame | None:
        """Columns image_id tp fp fn by the competition's rule, a row a page; None where the truth is unknown."""
        return None if self.truth is None else score_pages(self.truth, self.points)

    @cached_property
    def points(self) -> PagePoints:
        """The centres of the boxes that were read, rounded down where a submission has them so."""
        points = points_of(self.labels())
        if self.is_submission:
            points.points[["x", "y"]] = np.floor(points.points[["x", "y"]])
        return points

    def labels(self) -> PageLabels:
        """Return the boxes with the codes that were read."""
        columns = ["image_id", "box", "pred", "x", "y", "w", "h"]
        return PageLabels(self.pages, self.boxes[columns].rename(columns={"pred": "code"}))


def rows_of_truth(boxes: pd.DataFrame, truth: PageLabels, min_iou: float) -> NDArray[np.int64]:
    """Return the row of `truth.boxes` with the highest IoU with each box of its page, -1 below `min_iou`."""
    result = np.full(len(boxes), -1, np.int64)
    truth_xyxy = xywh_to_xyxy(truth.boxes_xywh)
    boxes_xyxy = xywh_to_xyxy(boxes[["x", "y", "w", "h"]].to_numpy(np.float64))
    rows_of_page = truth.boxes.groupby("image_id", sort=False).indices
    for page, rows in boxes.groupby("image_id", sort=False).indices.items():
        there = rows_of_page.get(page)
        if there is not None:
            matched = match_boxes(boxes_xyxy[rows], truth_xyxy[there], min_iou)
            result[rows] = np.where(matched >= 0, there[matched], -1)
    return result


def held_out_outcomes(collected: Collected, root: DataRoot, train: PageLabels) -> list[Outcome]:
    """Return what each kind of classifier read on the training pages it had not seen, and then the second level."""
    outcomes = []
    for kind in collected.kinds:
        # Fifty classes a box are only looked at here: of the competition's size they are kept of one fold at a time.
        tables = [(table.top(1), best_probability(table.logits)) for table in held_out_tables(collected, kind)]
        if tables:
            detailed = concat_detailed([table for table, _ in tables], [kind] * len(tables))
            probability = np.concatenate([values for _, values in tables])
            outcomes.append(_held_out(kind, detailed, probability, collected, root, train))
    second_level = read_second_level(collected)
    if second_level is not None:
        probability = probability_of_log(second_level.logits[:, 0])
        outcomes.append(_held_out(SECOND_LEVEL, second_level, probability, collected, root, train))
    return outcomes


def held_out_tables(collected: Collected, kind: str) -> Iterator[Detailed]:
    """Yield the tables of held-out pages of a kind's folds, those that are there; none of detectors."""
    for run in collected.of_kind(kind):
        if run.kind != SEGMENT and (run.folder / DETAILED).exists():
            yield read_detailed(run.folder / DETAILED)


def read_second_level(collected: Collected) -> Detailed | None:
    """Return what the second level read out of fold, with logarithms of probabilities; None where it is not there."""
    path = collected.folder / LEVEL2 / LEVEL2_OOF
    return read_detailed(path) if path.exists() else None


def probability_of_log(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities whose logarithms the second level writes in place of logits."""
    return np.exp(np.minimum(logits.astype(np.float64), 0))


def final_outcome(collected: Collected, root: DataRoot, truth: PageLabels | None) -> Outcome | None:
    """Return what the chain read on the test pages in the end; None where it has not come so far."""
    path = None if collected.final is None else characters_path(collected.final)
    if path is None or not path.exists():
        return None
    characters = read_characters(path)
    rows = characters.rows.rename(columns={"code": "pred"})
    if collected.fused is not None:
        rows = _with_dropped(rows, read_page_labels(collected.fused).boxes)
    known = None if truth is None else truth.of_pages(characters.pages)
    iou = match_iou(collected)
    matched = np.full(len(rows), -1) if known is None else rows_of_truth(rows, known, iou)
    if known is None:
        true: Sequence[str] | NDArray[np.object_] = [""] * len(rows)
    else:
        true = np.where(matched >= 0, np.append(known.boxes["code"].to_numpy(object), SEG_FP)[matched], SEG_FP)
    boxes = rows.assign(true=true)
    return Outcome(TEST_PAGES, characters.pages, boxes, known, root.test_image, iou, is_submission=True)


def match_iou(collected: Collected) -> float:
    """Return the IoU from which a box stands for a character, as the detectors of the run have it."""
    values = [run.params.get("match_iou") for run in collected.of_kind(SEGMENT)]
    return next((float(value) for value in values if value is not None), _DEFAULT_MATCH_IOU)


def _held_out(
    name: str,
    detailed: Detailed,
    probability: NDArray[np.floating],
    collected: Collected,
    root: DataRoot,
    train: PageLabels,
) -> Outcome:
    boxes = detailed.boxes.assign(pred=detailed.pred, probability=probability)
    truth = train.of_pages(detailed.pages)
    return Outcome(f"{name}, held out", detailed.pages, boxes, truth, root.train_image, match_iou(collected))


def _with_dropped(rows: pd.DataFrame, boxes: pd.DataFrame) -> pd.DataFrame:
    """Return the characters, and below them those boxes of the detectors that are none of them, as `SEG_FP`."""
    keys = ["image_id", "box"]
    known = pd.MultiIndex.from_frame(rows[keys])
    dropped = boxes[~pd.MultiIndex.from_frame(boxes[keys]).isin(known)]
    extra = dropped.drop(columns="code").assign(pred=SEG_FP, probability=np.float32(np.nan))
    return pd.concat([rows, extra[list(rows.columns)]], ignore_index=True) if len(extra) else rows
