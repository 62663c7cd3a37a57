"""The language of the new models: that of the models to start from, with the text of the corrected pages."""

from pathlib import Path

import numpy as np

from kuzushiji.classify.level2.pairs import Pairs, count_pairs, read_language
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.reading_order import reading_order

OWN_COUNT = 3
"""How often the text of a corrected page counts, as of the real pages that the reader's own language has: it is of the
book that is read on, and the rest is of others."""


def language_with(path: Path, old: Vocabulary, new: Vocabulary, labels: PageLabels) -> Pairs:
    """Return counts of pairs of the new classes: those of a file, and those on pages.

    Args:
        path: Counts of the old classes.
        old: The old classes; what they have beyond the new ones is left out.
        new: The new classes.
        labels: The pages, with codes of the new classes; their boxes are read in `reading_order`.

    Raises:
        InputError: the file is missing, damaged, or of other classes.
    """
    pairs = read_language(path, len(old))
    place = {code: number for number, code in enumerate(new.codes)}
    number = np.array([place.get(code, -1) for code in old.codes], np.int64)
    frequency = np.zeros(len(new), np.int64)
    np.add.at(frequency, number[number >= 0], pairs.frequency[number >= 0])
    first, second = number[pairs.keys // len(old)], number[pairs.keys % len(old)]
    kept = (first >= 0) & (second >= 0)
    texts = []
    for _, boxes in labels.by_page():
        order = reading_order(boxes[["x", "y", "w", "h"]].to_numpy(np.float64)).order
        texts.append(new.encode(boxes["code"].to_numpy(object)[order]))
    own = count_pairs(texts * OWN_COUNT, len(new))
    keys, where = np.unique(np.concatenate([(first * len(new) + second)[kept], own.keys]), return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, where, np.concatenate([pairs.counts[kept], own.counts]))
    return Pairs((frequency + own.frequency).astype(np.int32), keys, counts.astype(np.int32))
