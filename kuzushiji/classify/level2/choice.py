"""From the probabilities of candidates to the predicted class of each box."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.boosting import Scores, probabilities
from kuzushiji.metric import Counts
from kuzushiji.ragged import best_of_group, group_sum, spread

EVERY_FOLD = -1
"""Used in place of a fold's number for test pages, which the models of all folds predict."""

_ADJUSTMENTS = tuple(round(0.1 * step, 1) for step in range(-20, 21))
_LEAST = tuple(round(0.05 * step, 2) for step in range(15))


@dataclass(frozen=True)
class Decision:
    """When a box is no character.

    Attributes:
        seg_fp_adjust: Added to the log-odds of `seg_fp` before the best candidate is taken.
        min_probability: A best candidate less probable than that is left out. The expected F1 is the largest where
            characters are kept from half of it on: a character of probability p adds p to the hits, and 1 to the
            predictions.
    """

    seg_fp_adjust: float = 0.0
    min_probability: float = 0.0


_AS_IT_IS = Decision()


@dataclass(frozen=True)
class Choice:
    """The predictions of n boxes.

    Attributes:
        classes: (n,) int32 the most probable candidate, `seg_fp` where that is not probable enough.
        probability: (n,) float32, that it is right.
        likely: (n,) int32 the most probable candidate in any case.
        likely_probability: (n,) float32, of that.
    """

    classes: NDArray[np.int32]
    probability: NDArray[np.float32]
    likely: NDArray[np.int32]
    likely_probability: NDArray[np.float32]


def mean_probability(scores: Sequence[Scores], offsets: NDArray[np.int64], objective: str) -> NDArray[np.float32]:
    """Return the mean over models of the probability (m,) of each candidate."""
    total = sum(probabilities(score, offsets, objective) for score in scores)
    return (np.asarray(total) / len(scores)).astype(np.float32)


def choose(
    candidates: NDArray[np.int32],
    offsets: NDArray[np.int64],
    probability: NDArray[np.float32],
    decision: Decision = _AS_IT_IS,
) -> Choice:
    """Return the best candidate of each box.

    Args:
        candidates: (m,) class numbers, each box's in ascending order, `seg_fp` the last.
        offsets: (n + 1,) where each box's candidates begin.
        probability: (m,) of each candidate.
        decision: When a box is no character.
    """
    adjusted, last = probability.astype(np.float64), offsets[1:] - 1
    if decision.seg_fp_adjust:
        odds = np.exp(decision.seg_fp_adjust) * adjusted[last] / np.maximum(1 - adjusted[last], 1e-9)
        adjusted[last] = odds / (1 + odds)
    share = adjusted / np.maximum(spread(group_sum(adjusted, offsets), offsets), 1e-9)
    best = best_of_group(adjusted, offsets)
    chosen = np.where(share[best] < decision.min_probability, last, best)
    return Choice(
        candidates[chosen], share[chosen].astype(np.float32), candidates[best], share[best].astype(np.float32)
    )


def tuned(
    decision: Decision,
    name: str,
    features: Sequence[Features],
    probability: Sequence[NDArray[np.float32]],
    true_classes: Sequence[NDArray[np.int32]],
) -> Decision:
    """Return the decision with the value of one of its fields that has the best F1 on some folds' boxes.

    Characters without a box are missed with any value, so counting boxes is enough. Of equally good values the one that
    changes least is taken.

    Args:
        decision: With the other fields as they are to be.
        name: The field.
        features: Of each fold.
        probability: (m,) of each candidate of each fold.
        true_classes: (n,) of each fold.
    """
    values = {"seg_fp_adjust": sorted(_ADJUSTMENTS, key=abs), "min_probability": _LEAST}[name]
    tries = [replace(decision, **{name: value}) for value in values]
    return max(tries, key=lambda tried: _f1(tried, features, probability, true_classes))


def _f1(
    decision: Decision,
    features: Sequence[Features],
    probability: Sequence[NDArray[np.float32]],
    true_classes: Sequence[NDArray[np.int32]],
) -> float:
    total = Counts()
    for part, p, truth in zip(features, probability, true_classes, strict=True):
        seg_fp = part.vocabulary.seg_fp
        chosen = choose(part.candidates, part.offsets, p, decision).classes
        hit = int(((chosen == truth) & (truth != seg_fp)).sum())
        total += Counts(hit, int((chosen != seg_fp).sum()) - hit, int((truth != seg_fp).sum()) - hit)
    return total.f1
