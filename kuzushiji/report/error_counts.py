"""What goes wrong: errors by kind, and which characters are taken for which."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.report.outcome import (
    DROPPED,
    FALSE_BOX,
    NO_BOX,
    OF_BOXES,
    OF_CHARACTERS,
    RIGHT,
    SECOND_BOX,
    WRONG_CHARACTER,
    Outcome,
)


@dataclass(frozen=True)
class ErrorCounts:
    """What became of the characters and boxes of an outcome.

    right + wrong_character + dropped + no_box are the characters; right + wrong_character + second_box + false_box are
    what was read. `right` is the metric's tp; `missed` and `extra` are its fn and fp.

    Attributes:
        characters: True characters.
        right: Characters that were found by the rule of the metric.
        wrong_character: Characters whose box was read as another.
        dropped: Characters whose box was taken for no character.
        no_box: Characters without a box.
        second_box: What was read in further boxes on a character.
        false_box: What was read where no character is.
    """

    characters: int
    right: int
    wrong_character: int
    dropped: int
    no_box: int
    second_box: int
    false_box: int

    @property
    def missed(self) -> int:
        """The metric's fn."""
        return self.wrong_character + self.dropped + self.no_box

    @property
    def extra(self) -> int:
        """The metric's fp."""
        return self.wrong_character + self.second_box + self.false_box

    @property
    def read(self) -> int:
        """What was read."""
        return self.right + self.extra


def count_errors(outcome: Outcome) -> ErrorCounts:
    """Return the counts of an outcome whose truth is known."""
    fates = outcome.fates
    of_characters = {kind: int((fates.characters == kind).sum()) for kind in OF_CHARACTERS}
    of_boxes = {kind: int((fates.boxes == kind).sum()) for kind in OF_BOXES}
    return ErrorCounts(
        characters=len(fates.characters),
        right=of_characters[RIGHT],
        wrong_character=of_characters[WRONG_CHARACTER],
        dropped=of_characters[DROPPED],
        no_box=of_characters[NO_BOX],
        second_box=of_boxes[SECOND_BOX],
        false_box=of_boxes[FALSE_BOX],
    )


def misread(outcome: Outcome) -> NDArray[np.bool_]:
    """Return which boxes (n,) stand for a character and were read as another; none without truth."""
    if outcome.truth is None:
        return np.zeros(len(outcome.boxes), np.bool_)
    other = (outcome.boxes["true"] != outcome.boxes["pred"]).to_numpy(np.bool_)
    found: NDArray[np.bool_] = other & (outcome.fates.boxes == WRONG_CHARACTER)
    return found


def confused_pairs(outcome: Outcome, count: int) -> pd.DataFrame:
    """Return which two characters are taken for each other most often.

    Returns:
        Columns a, b (codes), a_as_b, b_as_a (int, how often), at most `count` rows, most often first; a is the one
        that is misread more often.
    """
    wrong = outcome.boxes[misread(outcome)]
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
