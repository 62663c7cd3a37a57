"""Boosting on the candidates of boxes: rows, objectives, and when to stop. LightGBM and XGBoost are in `libraries`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.level2.config import BINARY, RANKING, SOFTMAX
from kuzushiji.ragged import group_sum, log_loss, softmax

REFERENCE_POSITIVE_WEIGHT = 1.2
"""Of the target's row, for `binary`: the reference's `scale_pos_weight` of LightGBM. Its XGBoost has none."""

_SMALLEST_HESSIAN = 1e-6

_WORTH_WAITING = 2e-5
"""On a fold of 136,000 boxes this is one box whose true class becomes e³ times as probable, which is negligible.
Without this limit boosting would continue for hundreds of rounds when losses are small."""

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to watch: n boxes, m candidates.

    Attributes:
        values: (m, columns) float32, NaN where not known.
        names: Of the columns.
        offsets: (n + 1,) where each box's rows begin.
        target: (m,) bool, the right row of each box.
        start: (m,) float32, the score from which boosting starts.
        weight: (n,) float32, how many boxes each box stands for.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    offsets: NDArray[np.int64]
    target: NDArray[np.bool_]
    start: Scores
    weight: NDArray[np.float32]

    def without_values(self) -> "Rows":
        """Return the rows without their columns: the libraries keep their own copy, a byte a value."""
        # Not a view of them, which would keep them all.
        return replace(self, values=np.empty((0, self.values.shape[1]), np.float32))

    @property
    def row_weight(self) -> NDArray[np.float32]:
        """(m,) weight of each row."""
        return np.repeat(self.weight, np.diff(self.offsets))


@dataclass(frozen=True)
class Recipe:
    """How to boost.

    Attributes:
        objective: `softmax`: the candidates of a box compete; `ranking`: the right one beats each of the others
            (pairwise logistic loss, Burges et al. 2005, "Learning to rank using gradient descent"); `binary`: each row
            for itself, as in the reference.
        rounds: At most.
        patience: Rounds after which training stops unless they have made the loss on the watched rows better by
            `_WORTH_WAITING`; 0 trains all rounds.
        learning_rate: Shrinkage of each tree.
        threads: Of the library; 0 for its default, all cores.
        positive_weight: Of the target's row, for `binary`.
        categorical: Names of columns whose numbers are names, such as classes: whole numbers from 0 on, or NaN. The
            library splits them by sets of values.
    """

    objective: str
    rounds: int
    patience: int
    learning_rate: float
    positive_weight: float = 1.0
    threads: int = 0
    categorical: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """Losses and scores on the watched rows during training.

    Attributes:
        losses: Loss after each round; the first is that of the start.
        best: (m,) scores at the lowest loss.
        last: (m,) scores after the last round.
    """

    losses: tuple[float, ...]
    best: Scores
    last: Scores

    @property
    def best_rounds(self) -> int:
        """Rounds of the lowest loss; 0 where the start was best."""
        return int(np.argmin(self.losses))


class Trees(Protocol):
    """A model of either library."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns that it was trained on."""

    @property
    def most_rounds(self) -> int | None:
        """How many rounds can be asked for at most; None for any number."""

    def predict(self, values: NDArray[np.float32], rounds: int) -> Scores:
        """Return what the first `rounds` trees add to the start (m,)."""

    def save(self, path: Path) -> None:
        """Write the model in the library's own text or JSON format."""

    def gains(self) -> dict[str, float]:
        """Return the total gain of the splits on each column."""


@dataclass(frozen=True)
class Boosted:
    """The result of a training.

    Attributes:
        trees: The model with all rounds. It keeps no reference to its training rows, which take most of the
            memory: half a gigabyte per library at the competition's size.
        course: Losses and scores on the watched rows.
    """

    trees: Trees
    course: Course


def probabilities(scores: NDArray[np.floating], offsets: NDArray[np.int64], objective: str) -> NDArray[np.floating]:
    """Return the probability (m,) that each row is the right one."""
    if objective == BINARY:
        p: NDArray[np.floating] = 1 / (1 + np.exp(-scores))
        return p
    return softmax(scores, offsets)


def loss_of(scores: NDArray[np.floating], rows: Rows, objective: str) -> float:
    """Return the mean loss over boxes (softmax, ranking) or rows (binary)."""
    if not len(scores):
        return 0.0
    if objective == SOFTMAX:
        return log_loss(scores, rows.target, rows.offsets)
    if objective == RANKING:
        pairs = np.logaddexp(0, _behind(scores, rows))
        return float(pairs[~rows.target].sum() / len(rows.weight))
    signed = np.where(rows.target, -scores, scores)
    return float(np.logaddexp(0, signed).mean())


def gradients_of(rows: Rows, recipe: Recipe) -> Callable[[NDArray[np.floating]], tuple[Scores, Scores]]:
    """Return the function from scores (m,) to gradient and hessian (m,) of the loss."""
    weight = rows.row_weight
    if recipe.objective == BINARY:
        weight = weight * np.where(rows.target, np.float32(recipe.positive_weight), np.float32(1))

    def gradients(scores: NDArray[np.floating]) -> tuple[Scores, Scores]:
        scores = scores.astype(np.float32)
        if recipe.objective == RANKING:
            gradient, hessian = _pairwise(scores, rows)
        else:
            p = probabilities(scores, rows.offsets, recipe.objective).astype(np.float32)
            gradient, hessian = p - rows.target, p * (1 - p)
        return gradient * weight, np.maximum(hessian, np.float32(_SMALLEST_HESSIAN)) * weight

    return gradients


def _behind(scores: NDArray[np.floating], rows: Rows) -> NDArray[np.floating]:
    """Return by how much each row's score is above that of its box's right row (m,)."""
    return scores - np.repeat(scores[rows.target], np.diff(rows.offsets))


def _pairwise(scores: Scores, rows: Rows) -> tuple[Scores, Scores]:
    """Return gradient and hessian (m,) of the pairwise logistic loss: the right row is in all pairs of its box."""
    p: Scores = (1 / (1 + np.exp(-_behind(scores, rows)))).astype(np.float32)
    gradient, hessian = np.where(rows.target, 0, p), np.where(rows.target, 0, p * (1 - p))
    gradient[rows.target] = -group_sum(gradient, rows.offsets)
    hessian[rows.target] = group_sum(hessian, rows.offsets)
    return gradient.astype(np.float32), hessian.astype(np.float32)


def watch(watched: Rows, recipe: Recipe, one_round: Callable[[], tuple[NDArray[np.floating], bool]]) -> Course:
    """Boost until the loss on the watched rows stops improving, nothing can be split, or the rounds are used up."""
    followed = _Watch(watched, recipe)
    for _ in range(recipe.rounds):
        scores, finished = one_round()
        if followed.after_round(scores) or finished:
            break
    return followed.course()


class _Watch:
    """Early stopping by the loss on the watched rows."""

    def __init__(self, rows: Rows, recipe: Recipe) -> None:
        self._rows, self._recipe = rows.without_values(), recipe
        self._losses = [loss_of(rows.start, rows, recipe.objective)]
        self._best = self._last = rows.start

    def after_round(self, scores: NDArray[np.floating]) -> bool:
        """Record the scores after one more round; return whether to stop."""
        self._last = scores.astype(np.float32)
        self._losses.append(loss_of(self._last, self._rows, self._recipe.objective))
        if self._losses[-1] <= min(self._losses):
            self._best = self._last
        patience = self._recipe.patience
        if not patience or len(self._losses) <= patience:
            return False
        return min(self._losses[-patience:]) > min(self._losses[:-patience]) - _WORTH_WAITING

    def course(self) -> Course:
        return Course(tuple(self._losses), self._best, self._last)
