"""What became of each character and of each box, by the metric's rule: counts add up to the metric's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
