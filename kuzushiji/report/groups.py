"""F1 of groups of characters, by frequency, size of the box and characters on the page; the interval of a share."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kuzushiji.report.outcome import Outcome

Z = 1.96
"""Of the normal distribution, for 95 %."""


def wilson(share: ArrayLike, n: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper ends of Wilson's 95 % interval (Wilson 1927, "Probable inference").

    For F1 it is an approximation: F1 is taken as a share of the mean of true and read characters.

    Args:
        share: (k,) shares, 0 to 1.
        n: (k,) observations of each; 0 gives the interval from 0 to 1.
    """
    p, count = np.asarray(share, np.float64), np.maximum(np.asarray(n, np.float64), 1e-9)
    middle = p + Z**2 / (2 * count)
    half = Z * np.sqrt(p * (1 - p) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return np.clip((middle - half) / scale, 0, 1), np.clip((middle + half) / scale, 0, 1)


FREQUENCIES = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)
"""Least number of training examples of each group."""
SIZES = (0, 12, 16, 24, 32, 48, 64, 96, 128)
"""Least size of the box of each group: the root of its area, pixels."""
DENSITIES = (0, 1, 50, 100, 150, 200, 300, 400)
"""Least number of characters on the page of each group."""

COLUMNS = ("least", "characters", "f1", "low", "high")


def f1_by_frequency(outcome: Outcome, examples: "pd.Series[int]") -> pd.DataFrame:
    """Return F1 of the characters that come about equally often in training.

    Args:
        outcome: With truth.
        examples: Number of training examples of each code; a code that is not there has none.

    Returns:
        As `f1_of_groups`, by `FREQUENCIES`.
    """
    assert outcome.truth is not None
    counts = [codes.map(examples).fillna(0) for codes in (outcome.truth.boxes["code"], outcome.boxes["pred"])]
    return f1_of_groups(outcome, counts[0], counts[1], FREQUENCIES)


def f1_by_size(outcome: Outcome) -> pd.DataFrame:
    """Return F1 of boxes of about equal size, as `f1_of_groups`, by `SIZES`."""
    assert outcome.truth is not None
    sizes = [np.sqrt(boxes["w"] * boxes["h"]) for boxes in (outcome.truth.boxes, outcome.boxes)]
    return f1_of_groups(outcome, sizes[0], sizes[1], SIZES)


def f1_by_density(outcome: Outcome) -> pd.DataFrame:
    """Return F1 of pages with about equally many characters, as `f1_of_groups`, by `DENSITIES`."""
    assert outcome.truth is not None
    characters = outcome.truth.boxes["image_id"].value_counts()
    counts = [boxes["image_id"].map(characters).fillna(0) for boxes in (outcome.truth.boxes, outcome.boxes)]
    return f1_of_groups(outcome, counts[0], counts[1], DENSITIES)


def f1_of_groups(
    outcome: Outcome, of_characters: ArrayLike, of_boxes: ArrayLike, least: Sequence[float]
) -> pd.DataFrame:
    """Return F1 of groups by the metric's matches.

    Recall counts true characters by their own group, precision boxes by theirs: a box and its character may lie on
    two sides of a bound.

    Args:
        outcome: With truth.
        of_characters: (m,) value of each true character.
        of_boxes: (n,) value of each box.
        least: Lower bounds of the groups, ascending.

    Returns:
        Columns least, characters (int, true ones), f1 (0 to 1), low and high (its 95 % interval); one row for each
        group that has true characters.
    """
    right, found = outcome.matched
    characters, read = _group(of_characters, least), _group(of_boxes, least)
    n = len(least)
    n_true, n_found = (np.bincount(groups, minlength=n) for groups in (characters, characters[found]))
    n_read, n_right = (np.bincount(groups, minlength=n) for groups in (read[outcome.is_read], read[right]))
    recall, precision = n_found / np.maximum(n_true, 1), n_right / np.maximum(n_read, 1)
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
    low, high = wilson(f1, (n_true + n_read) / 2)
    table = pd.DataFrame(dict(zip(COLUMNS, (least, n_true, f1, low, high), strict=True)))
    kept: pd.DataFrame = table[n_true > 0].reset_index(drop=True)
    return kept


def group_names(chosen: Sequence[float], least: Sequence[float]) -> list[str]:
    """Return `none`, `1-2`, …, `3000 and more` for lower bounds `chosen` of `least`; `up to 11` for a first size."""
    names = []
    for low in chosen:
        place = list(least).index(low)
        high = least[place + 1] - 1 if place + 1 < len(least) else None
        if high is None:
            names.append(f"{low:g} and more")
        elif low == 0:
            names.append("none" if high == 0 else f"up to {high:g}")
        else:
            names.append(f"{low:g}" if low == high else f"{low:g}-{high:g}")
    return names


def _group(values: ArrayLike, least: Sequence[float]) -> NDArray[np.int64]:
    place: NDArray[np.int64] = np.searchsorted(least, np.asarray(values, np.float64), side="right") - 1
    return np.maximum(place, 0)
