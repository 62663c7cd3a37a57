"""How often characters follow each other in the training truth, fold by fold: a small model of the language."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.reading_order import reading_order

ORDER = 4
"""Characters of the longest n-grams. On the demo's pages four told more than three, and five no more than four."""

N_NEIGHBOURS = ORDER - 1
_LENGTHS = ("one", "two", "three")
FEATURES = ("log_frequency", *(f"log_after_{n}" for n in _LENGTHS), *(f"log_before_{n}" for n in _LENGTHS))

_PRIOR = 4.0
"""Characters that the next shorter context counts as: one seen once or twice hardly changes the estimate."""

Keys = NDArray[np.int64]


@dataclass(frozen=True)
class NGrams:
    """Counts of n-grams of 1 to `ORDER` characters in reading order, of each fold.

    Attributes:
        edge: The number that stands for the end of a page: the number of classes.
        keys: For each n the sorted distinct n-grams that begin or end with a character, one whole number each, digits
            to the base `edge + 1`.
        counts: For each n int32 (len(keys), folds).
    """

    edge: int
    keys: tuple[Keys, ...]
    counts: tuple[NDArray[np.int32], ...]

    @property
    def n_folds(self) -> int:
        """Folds whose characters are counted."""
        return int(self.counts[0].shape[1])

    def log_probabilities(
        self,
        candidates: NDArray[np.int32],
        box: NDArray[np.int64],
        before: NDArray[np.signedinteger],
        after: NDArray[np.signedinteger],
        leave_out: Collection[int],
    ) -> NDArray[np.float32]:
        """Return what the language says of each candidate, (m, len(FEATURES)).

        The log of the candidate's frequency, and by how much its log probability grows when the one, two or three
        characters before it are known, and the same for those after it. Longer contexts are drawn towards the shorter.

        Args:
            candidates: (m,) class numbers.
            box: (m,) the box of each candidate.
            before: (n, N_NEIGHBOURS) the characters read before each box, the nearest first.
            after: (n, N_NEIGHBOURS) the characters read after it.
            leave_out: Folds whose truth is not used.
        """
        totals = self.totals(leave_out)
        base, of = self.edge + 1, candidates.astype(np.int64)
        before, after = before.astype(np.int64), after.astype(np.int64)
        single = (self._count(totals, 1, of) + 0.5) / (totals[0].sum() + 0.5 * self.edge)
        columns = np.empty((len(of), len(FEATURES)), np.float32, order="F")
        columns[:, 0] = np.log(single)
        left, right = np.zeros((2, len(before)), np.int64)
        after_them, before_them = single, single
        for n in range(1, ORDER):
            # How often a context stands beside a character is looked up for each box, not for each of its candidates.
            left = before[:, n - 1] * base ** (n - 1) + left
            right = right * base + after[:, n - 1]
            stands_before = _sums(self.keys[n], totals[n], left * base, self.edge)
            after_them = self._given(totals, n + 1, left[box] * base + of, stands_before[box], after_them)
            turned, order = self._first_sign_last[n]
            stands_after = _sums(turned, totals[n][order], right * base, self.edge)
            before_them = self._given(totals, n + 1, of * base**n + right[box], stands_after[box], before_them)
            columns[:, n] = np.log(after_them / single)
            columns[:, N_NEIGHBOURS + n] = np.log(before_them / single)
        return columns

    def totals(self, leave_out: Collection[int]) -> list[Keys]:
        """Return for each n how often the n-grams occur in the folds that are not left out."""
        kept = [fold for fold in range(self.n_folds) if fold not in leave_out]
        return [counts[:, kept].sum(axis=1, dtype=np.int64) for counts in self.counts]

    def _given(
        self, totals: list[Keys], n: int, whole: Keys, context: NDArray[np.float64], shorter: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the probability of a candidate after so many contexts, drawn towards that in the shorter context."""
        return (self._count(totals, n, whole) + _PRIOR * shorter) / (context + _PRIOR)

    @cached_property
    def _first_sign_last(self) -> tuple[tuple[Keys, NDArray[np.int64]], ...]:
        """For each n the n-grams with their first sign moved to the end, sorted, and where each was before."""
        moved = []
        for n, keys in enumerate(self.keys):
            first, rest = np.divmod(keys, (self.edge + 1) ** n)
            turned = rest * (self.edge + 1) + first
            order = np.argsort(turned)
            moved.append((turned[order], order))
        return tuple(moved)

    def _count(self, totals: list[Keys], n: int, of: Keys) -> NDArray[np.float64]:
        keys = self.keys[n - 1]
        if not len(keys):
            return np.zeros(len(of))
        if n == 1:
            by_class = np.zeros(self.edge + 1)
            by_class[keys] = totals[0]
            return by_class[of]
        place = np.minimum(np.searchsorted(keys, of), len(keys) - 1)
        return np.where(keys[place] == of, totals[n - 1][place], 0).astype(np.float64)


def _sums(keys: Keys, counts: Keys, first: Keys, width: int) -> NDArray[np.float64]:
    """Return the sum of the counts whose keys, sorted, are `first` (n,) or one of the `width - 1` numbers after it."""
    below = np.concatenate([[0], np.cumsum(counts)])
    sums: NDArray[np.int64] = below[np.searchsorted(keys, first + width)] - below[np.searchsorted(keys, first)]
    return sums.astype(np.float64)


def count_ngrams(
    truth: PageLabels, folds: NDArray[np.int32], n_folds: int, vocabulary: Vocabulary, where: str = "train.csv"
) -> NGrams:
    """Return the counts in the truth of some pages.

    Args:
        truth: Boxes with their true codes.
        folds: (pages,) fold of each page of `truth`.
        n_folds: Number of folds.
        vocabulary: Numbers of the codes.
        where: The file of the truth, for messages.

    Raises:
        InputError: a code that the vocabulary lacks.
    """
    return count_all(texts_of_folds(truth, folds, n_folds, vocabulary, where), len(vocabulary))


def count_all(texts: Sequence[Keys], edge: int) -> NGrams:
    """Return the counts in the texts of all folds, as of `texts_of_folds`; `edge` is the number of classes."""
    keys, counts = zip(*(_count(texts, n, edge + 1) for n in range(1, ORDER + 1)), strict=True)
    return NGrams(edge, keys, counts)


def texts_of_folds(
    truth: PageLabels, folds: NDArray[np.int32], n_folds: int, vocabulary: Vocabulary, where: str = "train.csv"
) -> list[Keys]:
    """Return each fold's characters in reading order, as class numbers, `N_NEIGHBOURS` times `edge` around each page.

    Arguments and errors are those of `count_ngrams`.
    """
    classes = vocabulary.encode(truth.boxes["code"], where).astype(np.int64)
    return [_stream(truth, classes, folds == fold, len(vocabulary)) for fold in range(n_folds)]


def perplexities(ngrams: NGrams, text: Keys, leave_out: Collection[int]) -> tuple[float, ...]:
    """Return the perplexity of a text for n-grams of 1 to `ORDER` characters; NaN for a text without characters.

    Args:
        ngrams: The counts.
        text: As of `texts_of_folds`; ends of pages are no characters, but they can stand before one.
        leave_out: Folds whose truth is not used: that of the text.
    """
    at = np.flatnonzero(text != ngrams.edge)
    if not len(at):
        return (float("nan"),) * ORDER
    steps = np.arange(1, ORDER)
    before, after = text[at[:, None] - steps], text[at[:, None] + steps]
    values = ngrams.log_probabilities(text[at].astype(np.int32), np.arange(len(at)), before, after, leave_out)
    gains = np.concatenate([np.zeros((len(at), 1)), values[:, 1:ORDER]], axis=1)
    mean = (values[:, :1] + gains).mean(axis=0, dtype=np.float64)
    return tuple(np.exp(-mean).tolist())


def _stream(truth: PageLabels, classes: Keys, chosen: NDArray[np.bool_], edge: int) -> Keys:
    """Return the characters of the chosen pages in reading order, `N_NEIGHBOURS` times `edge` between pages."""
    boxes_xywh = truth.boxes_xywh
    ends = np.full(N_NEIGHBOURS, edge, np.int64)
    parts = [ends]
    for rows, is_chosen in zip(truth.rows_by_page(), chosen.tolist(), strict=True):
        if is_chosen and len(rows):
            parts += [classes[rows][reading_order(boxes_xywh[rows]).order], ends]
    return np.concatenate(parts)


def _count(streams: Sequence[Keys], n: int, base: int) -> tuple[Keys, NDArray[np.int32]]:
    """Return the distinct n-grams of all streams that begin or end with a character, and how often each has each."""
    grams = [_grams(stream, n, base) for stream in streams]
    found = [np.unique(gram, return_counts=True) for gram in grams]
    keys = np.unique(np.concatenate([key for key, _ in found]))
    counts = np.zeros((len(keys), len(streams)), np.int32)
    for fold, (key, count) in enumerate(found):
        counts[np.searchsorted(keys, key), fold] = count
    return keys, counts


def _grams(stream: Keys, n: int, base: int) -> Keys:
    size = max(len(stream) - n + 1, 0)
    gram = np.zeros(size, np.int64)
    for k in range(n):
        gram = gram * base + stream[k : k + size]
    edge = base - 1
    kept: Keys = gram[(stream[:size] != edge) | (stream[n - 1 : n - 1 + size] != edge)]
    return kept
