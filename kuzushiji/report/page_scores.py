"""How well each page is read: F1, the character error rate of its text, and its errors by kind."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kuzushiji.reading_order import reading_order
from kuzushiji.report.fates import DROPPED, FALSE_BOX, NO_BOX, SECOND_BOX, WRONG_CHARACTER
from kuzushiji.report.outcome import Outcome

LONGEST = 50_000
"""Characters of a page whose texts are compared."""
_OF_CHARACTERS = (WRONG_CHARACTER, DROPPED, NO_BOX)
_OF_BOXES = (SECOND_BOX, FALSE_BOX)


def score_of_pages(outcome: Outcome) -> pd.DataFrame:
    """Return the scores of pages.

    The character error rate is edits / characters. Edits are the insertions, deletions and substitutions between the
    true text and what was read, both in `reading_order`; lines do not count.

    Args:
        outcome: With truth.

    Returns:
        Columns image_id, characters, edits, tp, fp, fn and a column a kind of error (int), a row a page.
    """
    assert outcome.truth is not None and outcome.scores is not None
    truth, boxes, fates = outcome.truth.boxes, outcome.boxes, outcome.fates
    read = boxes[outcome.is_read]
    true_rows, read_rows = (table.groupby("image_id", sort=False).indices for table in (truth, read))
    none = np.zeros(0, np.int64)
    true_codes, read_codes = truth["code"].to_numpy(object), read["pred"].to_numpy(object)
    true_xywh, read_xywh = (table[["x", "y", "w", "h"]].to_numpy(np.float64) for table in (truth, read))
    edits = []
    for page in outcome.scores["image_id"]:
        there, found = true_rows.get(page, none), read_rows.get(page, none)
        there = there[reading_order(true_xywh[there]).order]
        found = found[reading_order(read_xywh[found]).order]
        edits.append(edits_between(true_codes[there].tolist(), read_codes[found].tolist()))
    counts = {kind: truth["image_id"][fates.characters == kind].value_counts() for kind in _OF_CHARACTERS}
    counts |= {kind: boxes["image_id"][fates.boxes == kind].value_counts() for kind in _OF_BOXES}
    scores = outcome.scores
    columns = {kind: scores["image_id"].map(count).fillna(0).astype(int) for kind, count in counts.items()}
    table: pd.DataFrame = scores.assign(characters=scores["tp"] + scores["fn"], edits=edits, **columns)
    return table


def edits_between(truth: Sequence[str], read: Sequence[str]) -> int:
    """Return the least number of insertions, deletions and substitutions between two texts, given as codes."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(truth[:LONGEST], read[:LONGEST]))
