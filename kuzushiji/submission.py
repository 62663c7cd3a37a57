"""Predictions -> a table with every page of the sample."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.label_text import read_label_rows, shown
from kuzushiji.data.labels import SEG_FP, PageLabels, PagePoints, page_numbers, write_page_points
from kuzushiji.errors import InputError
from kuzushiji.scoring import points_of

logger = logging.getLogger(__name__)

MAX_POINTS = 1200
"""The competition allows no more predictions a page."""


def read_sample(path: Path) -> tuple[str, ...]:
    """Return the pages that a submission must hold, in the sample's order; its labels are placeholders.

    Raises:
        InputError: the file is missing, no such table, or names a page twice.
    """
    return read_label_rows(path)[0]


def build_submission(
    predictions: PageLabels | PagePoints,
    sample_ids: Sequence[str],
    scores: NDArray[np.floating] | None = None,
    sample: str = "the sample",
) -> PagePoints:
    """Return a submission: each page of the sample once, in its order, empty where nothing is predicted.

    Boxes become their centres in whole pixels, rounded down: inside every box of whole pixels that is at least two wide
    and high. Boxes of the class `seg_fp` are left out. Of more than `MAX_POINTS` on a page the
    best stay, or the first where there are no scores; a warning says so. So does one where nobody looked at a page.

    Args:
        predictions: Boxes or points with codes.
        sample_ids: The pages of the sample.
        scores: (n,) how sure each box or point is, in the order of `predictions`.
        sample: The file of the sample, for messages.

    Raises:
        InputError: a predicted page is not in the sample.
    """
    unknown = set(predictions.image_ids).difference(sample_ids)
    if unknown:
        other = shown(min(unknown))
        raise InputError(f"expected predictions for the {len(sample_ids)} pages of {sample}, got page {other}")
    looked_at = set(predictions.image_ids)
    missing = [image_id for image_id in sample_ids if image_id not in looked_at]
    if missing:
        logger.warning(
            "nobody has looked at %d of the %d pages of %s, which are empty in the submission; the first is %s",
            len(missing), len(sample_ids), sample, shown(missing[0]),
        )  # fmt: skip
    real = (predictions.rows["code"] != SEG_FP).to_numpy()
    points = (
        points_of(predictions)
        if isinstance(predictions, PageLabels)
        else PagePoints(predictions.image_ids, predictions.points[real])
    )
    page = page_numbers(points.points["image_id"], sample_ids)
    preference = np.zeros(len(page)) if scores is None else -np.asarray(scores, dtype=np.float64)[real]
    keep = _first_of_each_page(page, preference)
    if not keep.all():
        lost = [sample_ids[number] for number in np.unique(page[~keep])]
        logger.warning(
            "%d pages have more than %d predictions, the rest is left out: %s", len(lost), MAX_POINTS, ", ".join(lost)
        )
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(page[chosen], kind="stable")]
    rows = points.points.iloc[chosen].reset_index(drop=True)
    return PagePoints(tuple(sample_ids), rows.assign(x=np.floor(rows["x"]), y=np.floor(rows["y"])))


def _first_of_each_page(page: NDArray[np.int64], preference: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which entries are among the `MAX_POINTS` of lowest preference on their page; the first where equal."""
    order = np.lexsort((preference, page))
    place = np.arange(len(page)) - np.searchsorted(page[order], page[order])
    keep = np.empty(len(page), dtype=bool)
    keep[order] = place < MAX_POINTS
    return keep


def write_submission(
    path: Path,
    predictions: PageLabels | PagePoints,
    sample_ids: Sequence[str],
    scores: NDArray[np.floating] | None = None,
    sample: str = "the sample",
) -> PagePoints:
    """Write the submission that `build_submission` makes, and return it; whole or not at all.

    Raises:
        InputError: as `build_submission`, or the file cannot be written.
    """
    submission = build_submission(predictions, sample_ids, scores, sample)
    write_page_points(path, submission)
    return submission
