"""What goes wrong: errors by kind, by character frequency, and which characters are taken for which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.labels import SEG_FP
from kuzushiji.report.outcome import Outcome

FREQUENCIES = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)
"""Least number of training examples of each class of frequency."""


@dataclass(frozen=True)
class ErrorCounts:
    """How boxes and characters of an outcome fared.

    Attributes:
        characters: True characters.
        right: Boxes read rightly.
        wrong_character: Boxes that stand for a character and were read as another.
        missed_box: Characters that no box stands for: the detector's misses.
        false_box: Boxes that stand for no character: the detector's false alarms.
        wrongly_kept: Those of them that were read as a character.
        wrongly_dropped: Boxes that stand for a character and were taken for none.
    """

    characters: int
    right: int
    wrong_character: int
    missed_box: int
    false_box: int
    wrongly_kept: int
    wrongly_dropped: int


def count_errors(outcome: Outcome) -> ErrorCounts:
    """Return the counts of an outcome, none of whose truth is unknown.

    What a box stands for is decided by IoU; so `right` and the metric's `tp` differ where two boxes stand for one
    character, or a box's centre lies beside the character.
    """
    assert outcome.truth is not None
    true, pred = (outcome.boxes[name].to_numpy(object) for name in ("true", "pred"))
    is_true, is_read = true != SEG_FP, pred != SEG_FP
    found = np.zeros(len(outcome.truth.boxes), bool)
    found[outcome.truth_row[outcome.truth_row >= 0]] = True
    return ErrorCounts(
        characters=len(found),
        right=int((is_true & (true == pred)).sum()),
        wrong_character=int((is_true & is_read & (true != pred)).sum()),
        missed_box=int((~found).sum()),
        false_box=int((~is_true).sum()),
        wrongly_kept=int((~is_true & is_read).sum()),
        wrongly_dropped=int((is_true & ~is_read).sum()),
    )


def f1_by_frequency(outcome: Outcome, examples: "pd.Series[int]") -> pd.DataFrame:
    """Return F1 of the characters that come about equally often in training.

    Args:
        outcome: With truth.
        examples: Number of training examples of each code; a code that is not there has none.

    Returns:
        Columns least (int, fewest examples of the class), characters (int, true ones), f1 (0 to 1); one row for each
        of `FREQUENCIES` that has true characters.
    """
    assert outcome.truth is not None
    boxes, truth = outcome.boxes, outcome.truth.boxes["code"]
    right = (boxes["true"] == boxes["pred"]) & (boxes["true"] != SEG_FP)
    # Two boxes on one character: one of them is right, the other one too many.
    first = ~pd.Series(outcome.truth_row, index=boxes.index).where(right).duplicated()
    right &= first
    read = boxes["pred"] != SEG_FP
    counts = [
        np.bincount(_class_of(codes, examples), minlength=len(FREQUENCIES))
        for codes in (truth, boxes.loc[right, "pred"], boxes.loc[read, "pred"])
    ]
    characters, tp, predicted = counts
    table = pd.DataFrame({"least": FREQUENCIES, "characters": characters})
    f1 = 2 * tp / np.maximum(characters + predicted, 1)
    with_characters: pd.DataFrame = table.assign(f1=f1)[characters > 0].reset_index(drop=True)
    return with_characters


def frequency_names(least: Sequence[int]) -> list[str]:
    """Return `none`, `1-2`, …, `3000 and more` for rows of `f1_by_frequency`."""
    names = []
    for low in least:
        place = FREQUENCIES.index(low)
        high = FREQUENCIES[place + 1] - 1 if place + 1 < len(FREQUENCIES) else None
        names.append(
            "none" if low == 0 else f"{low} and more" if high is None else str(low) if low == high else f"{low}-{high}"
        )
    return names


def confused_pairs(outcome: Outcome, count: int) -> pd.DataFrame:
    """Return which two characters are taken for each other most often.

    Returns:
        Columns a, b (codes), a_as_b, b_as_a (int, how often), at most `count` rows, most often first; a is the one
        that is misread more often.
    """
    boxes = outcome.boxes
    wrong = boxes[(boxes["true"] != boxes["pred"]) & (boxes["true"] != SEG_FP) & (boxes["pred"] != SEG_FP)]
    true, pred = (wrong[name].to_numpy(object) for name in ("true", "pred"))
    first, second = np.where(true < pred, [true, pred], [pred, true])
    pairs = pd.DataFrame({"a": first, "b": second, "a_as_b": true == first, "b_as_a": true != first})
    table = pairs.groupby(["a", "b"])[["a_as_b", "b_as_a"]].sum().reset_index()
    a, b, a_as_b, b_as_a = (table[name].to_numpy() for name in ("a", "b", "a_as_b", "b_as_a"))
    less = a_as_b < b_as_a
    ordered = pd.DataFrame(
        {
            "a": np.where(less, b, a),
            "b": np.where(less, a, b),
            "a_as_b": np.maximum(a_as_b, b_as_a).astype(np.int64),
            "b_as_a": np.minimum(a_as_b, b_as_a).astype(np.int64),
        }
    )
    by_count = np.lexsort((ordered["b"], ordered["a"], -(ordered["a_as_b"] + ordered["b_as_a"])))
    most: pd.DataFrame = ordered.iloc[by_count[:count]].reset_index(drop=True)
    return most


def _class_of(codes: "pd.Series[str]", examples: "pd.Series[int]") -> NDArray[np.int64]:
    n = codes.map(examples).fillna(0).to_numpy(np.int64)
    place: NDArray[np.int64] = np.searchsorted(FREQUENCIES, n, side="right") - 1
    return place
