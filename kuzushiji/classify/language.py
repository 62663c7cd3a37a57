"""What a language model says of each candidate between the neighbours of its box."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts import Characters
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.context import context_of
from kuzushiji.classify.ngrams import FEATURES, NGrams
from kuzushiji.errors import InputError
from kuzushiji.ragged import best_of_others, members


def columns_of(
    features: Features, best: NDArray[np.int32], language: NGrams, fold_of_page: Mapping[str, int]
) -> dict[str, NDArray[np.float32]]:
    """Return what the language says of each candidate (m,); the truth of a training page's own fold is not used.

    Args:
        features: Boxes of whole pages.
        best: (n,) class as which each is read where it is a neighbour.
        language: Counts of the training truth.
        fold_of_page: Of training pages; for pages that are not in it all folds count.

    Returns:
        `before` and `after`: log probability given the characters before and after it; `lead`: by how much both
        together are above those of the best other candidate. NaN for `seg_fp`.
    """
    context = context_of(features).read_as(features, best)
    folds = features.boxes["image_id"].map(fold_of_page).fillna(-1).to_numpy(np.int64)
    values = np.zeros((len(features.candidates), len(FEATURES)), np.float32)
    for fold in np.unique(folds).tolist():
        rows = np.flatnonzero(folds == fold)
        chosen = members(features.offsets, rows)
        box = np.repeat(np.arange(len(rows)), np.diff(features.offsets)[rows])
        around = context.before[rows], context.after[rows]
        values[chosen] = language.log_probabilities(features.candidates[chosen], box, *around, {fold} - {-1})
    seg_fp = features.candidates == features.vocabulary.seg_fp
    frequency = values[:, 0]
    # What comes after three characters is told by those before it, and the other way round.
    before, after = values[:, FEATURES.index("log_after_three")], values[:, FEATURES.index("log_before_three")]
    both = np.where(seg_fp, -np.inf, frequency + before + after)
    others = best_of_others(both, features.offsets)
    lead = np.where(np.isfinite(others) & ~seg_fp, both - np.where(np.isfinite(others), others, 0), np.nan)
    columns = {"before": frequency + before, "after": frequency + after}
    columns = {name: np.where(seg_fp, np.nan, column) for name, column in columns.items()}
    return {name: column.astype(np.float32) for name, column in {**columns, "lead": lead}.items()}


def classes_of(characters: Characters, features: Features, name: str) -> NDArray[np.int32]:
    """Return the class (n,) as which each box of the features was read; boxes that are no character are `seg_fp`.

    Args:
        characters: What was read, such as what goes with a submission.
        features: n boxes, of some of these pages.
        name: What messages call the characters.

    Raises:
        InputError: a page was not read, or a character is not of the features' boxes.
    """
    keys = ["image_id", "box", "x", "y"]
    unread = sorted({*features.boxes["image_id"]} - {*characters.pages})
    if unread:
        raise InputError(f"{name}: expected the pages of the features, got no page {unread[0]}")
    rows = characters.rows[characters.rows["image_id"].isin({*features.boxes["image_id"]})]
    places = pd.MultiIndex.from_frame(features.boxes[keys]).get_indexer(pd.MultiIndex.from_frame(rows[keys]))
    if (places < 0).any():
        row = rows.iloc[int(np.argmax(places < 0))]
        where = f"{name}, page {row['image_id']}, box {row['box']}"
        raise InputError(f"{where}: expected a box as in the features, got none or another place")
    classes = np.full(len(features), features.vocabulary.seg_fp, np.int32)
    classes[places] = features.vocabulary.encode(rows["code"], name)
    return classes
