"""Numbers that lie group after group in one flat array: the candidates of one box compete with each other.

`offsets` (n + 1,) says where each group begins; no group is empty.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def offsets_of(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where groups of these sizes (n,) begin, and where the last ends: (n + 1,)."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def members(offsets: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of all members of some groups, group after group in the order given."""
    counts = np.diff(offsets)[groups]
    starts = offsets_of(counts)
    return np.arange(starts[-1]) + np.repeat(offsets[groups] - starts[:-1], counts)


def group_sum(values: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return the sum of each group, shape (n,)."""
    return np.add.reduceat(values, offsets[:-1]) if len(values) else values[:0]


def group_max(values: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return the largest value of each group, shape (n,)."""
    return np.maximum.reduceat(values, offsets[:-1]) if len(values) else values[:0]


def spread(values: NDArray[np.generic], offsets: NDArray[np.int64]) -> NDArray[np.generic]:
    """Return each group's value (n, …) once for each of its members (m, …)."""
    return np.repeat(values, np.diff(offsets), axis=0)


def softmax(scores: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return the probabilities (m,) of the members of each group; they sum to 1."""
    counts = np.diff(offsets)
    powers = np.exp(scores - np.repeat(group_max(scores, offsets), counts))
    return powers / np.repeat(group_sum(powers, offsets), counts)


def best_of_group(scores: Floats, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position (n,) of the first of the largest values of each group."""
    at_best = np.flatnonzero(scores == np.repeat(group_max(scores, offsets), np.diff(offsets)))
    group = np.searchsorted(offsets, at_best, side="right") - 1
    first = np.ones(len(at_best), np.bool_)
    np.not_equal(group[1:], group[:-1], out=first[1:])
    return at_best[first]


def best_of_others(scores: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return for each member (m,) the largest value among the others of its group; -inf where it is alone."""
    best = best_of_group(scores, offsets)
    rest = scores.copy()
    rest[best] = -np.inf
    others = np.repeat(group_max(scores, offsets), np.diff(offsets))
    others[best] = group_max(rest, offsets)
    return others


def log_loss(scores: Floats, target: NDArray[np.bool_], offsets: NDArray[np.int64]) -> float:
    """Return the mean over groups of -log of the softmax probability of the target, one member of each group."""
    if not len(scores):
        return 0.0
    largest = group_max(scores, offsets)
    total = group_sum(np.exp(scores - np.repeat(largest, np.diff(offsets))), offsets)
    return float(np.mean(np.log(total) + largest - scores[target]))
