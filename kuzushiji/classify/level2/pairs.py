"""Which characters follow each other in running text, and what that says of a page whose boxes are hard to read."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from kuzushiji.artifacts import Detailed
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.reading_order import reading_order

CANDIDATES = 20
"""Best classes of a box that are weighed."""
LEAST_PROBABILITY = 0.25
"""A character less probable than that is left out: about half of F1, see `classify.level2.choice.Decision`."""
SHARPNESS, WEIGHT = 0.7, 0.3
"""Factors of the classifier's log probability, which is too sure, and of the pairs' strength; see docs/reader.rst."""

_PRIOR = 30.0
"""Characters that the frequency of the second of a pair counts as, whatever the first is."""
_LEAST = 2
"""A pair that occurs less often is left out of the file: nobody's sentence can be read from it."""
_PARTS = ("frequency", "keys", "counts")


@dataclass(frozen=True)
class Pairs:
    """How often characters and pairs of neighbours occur in some texts.

    Attributes:
        frequency: (classes,) int32, how often each class occurs.
        keys: (pairs,) int64, sorted: first class * classes + second class.
        counts: (pairs,) int32, how often each pair occurs.
    """

    frequency: NDArray[np.int32]
    keys: NDArray[np.int64]
    counts: NDArray[np.int32]

    def strength(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return (n, k, m): by how much the log probability of `second` (n, m) grows after `first` (n, k)."""
        size, total = len(self.frequency), self.frequency.sum()
        prior = (self.frequency[second] + 0.5) / (total + 0.5 * size)
        keys = first.astype(np.int64)[..., None] * size + second[..., None, :]
        place = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        known = self.keys[place] == keys if len(self.keys) else np.zeros(keys.shape, np.bool_)
        seen = np.where(known, self.counts[place], 0) if len(self.keys) else np.zeros(keys.shape)
        after_first = self.frequency[first][..., None]
        grown: NDArray[np.float64] = np.log(
            (seen + _PRIOR * prior[..., None, :]) / (after_first + _PRIOR) / prior[..., None, :]
        )
        return grown


def count_pairs(texts: Iterable[NDArray[np.integer]], n_classes: int) -> Pairs:
    """Return the counts of texts, each class numbers in reading order."""
    runs = [np.asarray(text, np.int64) for text in texts]
    frequency = np.bincount(np.concatenate([*runs, np.zeros(0, np.int64)]), minlength=n_classes)
    following = [run[:-1] * n_classes + run[1:] for run in runs]
    keys, counts = np.unique(np.concatenate([*following, np.zeros(0, np.int64)]), return_counts=True)
    often = counts >= _LEAST
    return Pairs(frequency.astype(np.int32), keys[often], counts[often].astype(np.int32))


def read_together(
    classes: NDArray[np.integer], logits: NDArray[np.floating], pairs: Pairs, no_character: int
) -> NDArray[np.float64]:
    """Return the log probability (n, k) of each candidate when the n boxes of a page are read as one text.

    The sum over all readings of the page, by the forward-backward algorithm: each box adds what the classifier says,
    each pair of neighbours its strength.

    Args:
        classes: (n, k) candidates of the boxes in reading order.
        logits: (n, k) of the classifier.
        pairs: What text is like.
        no_character: The class of boxes without a character, which says nothing of its neighbours.
    """
    n, k = classes.shape
    own = SHARPNESS * _normalised(logits.astype(np.float64))
    strength = WEIGHT * pairs.strength(classes[:-1], classes[1:])
    blank = classes == no_character
    strength[blank[:-1, :, None] | blank[1:, None, :]] = 0
    before, after = own.copy(), np.zeros((n, k))
    for box in range(1, n):
        before[box] += _log_sum(before[box - 1][:, None] + strength[box - 1], axis=0)
    for box in range(n - 2, -1, -1):
        after[box] = _log_sum(strength[box] + own[box + 1] + after[box + 1], axis=1)
    return _normalised(before + after)


def read_page(table: Detailed, pairs: Pairs) -> Detailed:
    """Return the best classes of the boxes of one page when they are read as one text, and their log probabilities."""
    best = table.top(CANDIDATES)
    order = reading_order(table.boxes[["x", "y", "w", "h"]].to_numpy(np.float64)).order
    found = np.empty(best.logits.shape)
    found[order] = read_together(best.classes[order], best.logits[order], pairs, table.vocabulary.seg_fp)
    rank = np.argsort(-found, axis=1, kind="stable")
    classes, values = np.take_along_axis(best.classes, rank, axis=1), np.take_along_axis(found, rank, axis=1)
    return replace(table, classes=classes, logits=values.astype(np.float32))


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write the counts as safetensors.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        save_file({name: getattr(pairs, name) for name in _PARTS}, temporary)


def read_language(path: Path, n_classes: int) -> Pairs:
    """Read counts of so many classes.

    Raises:
        InputError: as `read_pairs`; they are of other classes.
    """
    pairs = read_pairs(path)
    if len(pairs.frequency) != n_classes:
        raise InputError(
            f"{path}: expected counts of the classifiers' {n_classes} classes, got {len(pairs.frequency)}; --level2 0 "
            "reads without them"
        )
    return pairs


def read_pairs(path: Path) -> Pairs:
    """Read what `write_pairs` has written.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        parts = load_file(path)
        pairs = Pairs(*(parts[name] for name in _PARTS))
        if len(pairs.keys) != len(pairs.counts) or pairs.keys.max(initial=0) >= len(pairs.frequency) ** 2:
            raise ValueError("its parts do not fit each other")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: expected counts of pairs of characters, got a damaged file ({reason})") from error
    return pairs


def _normalised(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores - _log_sum(scores, axis=-1)[..., None]


def _log_sum(scores: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    most = scores.max(axis=axis, keepdims=True)
    total: NDArray[np.float64] = (most + np.log(np.exp(scores - most).sum(axis=axis, keepdims=True))).squeeze(axis)
    return total
