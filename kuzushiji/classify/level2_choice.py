"""From the probabilities of candidates to what is read in each box."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.boosting import Scores, probabilities
from kuzushiji.classify.segments import best_of_group, group_sum

_ADJUSTMENTS = tuple(round(0.1 * step, 1) for step in range(-20, 21))


@dataclass(frozen=True)
class Choice:
    """What is read in each of n boxes.

    Attributes:
        classes: (n,) int32 the most probable candidate.
        probability: (n,) float32, that it is right.
    """

    classes: NDArray[np.int32]
    probability: NDArray[np.float32]


def mean_probability(scores: Sequence[Scores], offsets: NDArray[np.int64], objective: str) -> NDArray[np.float32]:
    """Return the mean over models of the probability (m,) of each candidate."""
    total = sum(probabilities(score, offsets, objective) for score in scores)
    mean: NDArray[np.float32] = (np.asarray(total) / len(scores)).astype(np.float32)
    return mean


def choose(
    candidates: NDArray[np.int32],
    offsets: NDArray[np.int64],
    probability: NDArray[np.float32],
    seg_fp_adjust: float = 0.0,
) -> Choice:
    """Return the best candidate of each box.

    Args:
        candidates: (m,) class numbers, each box's in ascending order, `seg_fp` the last.
        offsets: (n + 1,) where each box's candidates begin.
        probability: (m,) of each candidate.
        seg_fp_adjust: Added to the log-odds of `seg_fp` before the best is taken.
    """
    adjusted = probability.astype(np.float64)
    if seg_fp_adjust:
        last = offsets[1:] - 1
        odds = np.exp(seg_fp_adjust) * adjusted[last] / np.maximum(1 - adjusted[last], 1e-9)
        adjusted[last] = odds / (1 + odds)
    best = best_of_group(adjusted, offsets)
    share = adjusted[best] / np.maximum(group_sum(adjusted, offsets), 1e-9)
    return Choice(candidates[best], share.astype(np.float32))


def tune_seg_fp(
    features: Sequence[Features], probability: Sequence[NDArray[np.float32]], true_classes: Sequence[NDArray[np.int32]]
) -> float:
    """Return the value of `choose`'s `seg_fp_adjust` with the best F1 on some folds' boxes.

    What the boxes missed is missed whatever the value, so boxes are all that need counting.
    """
    best, best_value = -1.0, 0.0
    for value in sorted(_ADJUSTMENTS, key=abs):
        right = wrong = missed = 0
        for part, p, truth in zip(features, probability, true_classes, strict=True):
            seg_fp = part.vocabulary.seg_fp
            chosen = choose(part.candidates, part.offsets, p, value).classes
            hit = int(((chosen == truth) & (truth != seg_fp)).sum())
            right += hit
            wrong += int((chosen != seg_fp).sum()) - hit
            missed += int((truth != seg_fp).sum()) - hit
        f1 = 2 * right / max(2 * right + wrong + missed, 1)
        if f1 > best:
            best, best_value = f1, value
    return best_value
