"""The score from which boosting starts: a linear model of the candidates of a box (conditional logit).

It can express the blend, so on the boxes it was fitted to, boosting starts from scores that are at least as good. With
few boxes, boosting then adds little and stops early, instead of learning the blend again.
McFadden 1974, "Conditional logit analysis of qualitative choice behavior".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.level2.columns import Table
from kuzushiji.classify.level2.ngrams import FEATURES as LANGUAGE
from kuzushiji.ragged import members, offsets_of, softmax

_PRIOR_BOXES = 3.0
"""Weight of the prior (the blend) in boxes, for each column of standard deviation 1."""

ENOUGH_BOXES = 10_000
"""Most boxes to fit on: more add little to a dozen weights. Of more boxes, every n-th is used."""

_RARE = np.float32(0.01)
"""Added to a share before its logarithm: one character of a page of a hundred."""

_ITERATIONS = 30
_HALVINGS = 10
_TOLERANCE = 1e-8
_STEADY = 1e-9
"""Keeps the Hessian of columns that never differ within a box invertible."""


@dataclass(frozen=True)
class LinearStart:
    """Weights of columns; what is not known counts 0.

    Attributes:
        names: The columns, as `linear_columns` makes them.
        weights: One each.
    """

    names: tuple[str, ...]
    weights: NDArray[np.float64]

    def scores(self, table: Table) -> NDArray[np.float32]:
        """Return the score of each row (m,); the softmax over a box's rows is their probability."""
        names, values = linear_columns(table)
        if names != self.names:
            raise ValueError(f"expected the columns {self.names}, got {names}")
        return (values @ self.weights).astype(np.float32)


def linear_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the linear model's columns, given those of a table."""
    logits = [name for name in names if _is_logit(name)]
    as_they_are = [name for name in ("votes", "is_seg_fp", *LANGUAGE) if name in set(names)]
    return (*logits, *as_they_are, "seg_fp_overlap", *(["log_on_page"] if "on_page" in names else []))


def linear_columns(table: Table) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names and values (m, p) of the columns of the linear model."""
    seg_fp = table.column("is_seg_fp")
    made = {"seg_fp_overlap": seg_fp * table.column("box_overlap")}
    if "on_page" in table.names:
        made["log_on_page"] = np.log(table.column("on_page") + _RARE) * (1 - seg_fp)
    names = linear_names(table.names)
    values = np.stack([made[name] if name in made else table.column(name) for name in names], axis=1)
    return names, np.nan_to_num(values.astype(np.float64), copy=False, nan=0.0)


def fit_linear_start(
    table: Table, target: NDArray[np.bool_], weight: NDArray[np.floating] | None = None
) -> LinearStart:
    """Return the weights of the largest likelihood, regularised towards the blend: more strongly with fewer boxes.

    Args:
        table: Rows of n boxes.
        target: (m,) one row of each box.
        weight: (n,) of each box; all the same by default.
    """
    weight = np.ones(len(table.offsets) - 1) if weight is None else weight
    chosen = np.arange(0, len(weight), -(-len(weight) // ENOUGH_BOXES))
    rows = members(table.offsets, chosen)
    table = Table(table.names, table.values[rows], offsets_of(np.diff(table.offsets)[chosen]))
    target, weight = target[rows], weight[chosen]
    names, values = linear_columns(table)
    scale = np.maximum(values.std(axis=0), 1e-6)
    problem = _Problem(values / scale, target, weight, table.offsets)
    blend = np.array([_is_logit(name) for name in names]) * scale
    # First how sure the blend may be, then in what the weights differ from it.
    along = _Problem((problem.values @ blend)[:, None], target, weight, table.offsets)
    sure = _newton(along, np.zeros(1), 0.0)
    weights = _newton(problem, blend * sure, _PRIOR_BOXES / float(weight.sum()))
    return LinearStart(names, weights / scale)


@dataclass(frozen=True)
class _Problem:
    """Columns (m, p), the right rows (m,), weights of boxes (n,), and where boxes begin (n + 1,)."""

    values: NDArray[np.float64]
    target: NDArray[np.bool_]
    weight: NDArray[np.floating]
    offsets: NDArray[np.int64]

    @property
    def by_row(self) -> NDArray[np.float64]:
        share: NDArray[np.float64] = self.weight / self.weight.sum()
        return np.repeat(share, np.diff(self.offsets))

    def loss(self, weights: NDArray[np.float64]) -> float:
        """Return the mean over boxes of -log of the probability of the right row."""
        p = softmax(self.values @ weights, self.offsets)[self.target]
        return float(-np.log(np.maximum(p, 1e-300)) @ self.by_row[self.target])


def _newton(problem: _Problem, prior: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """Return the weights that minimise loss + ridge / 2 * |weights - prior|²: a convex function."""
    values, offsets, by_row = problem.values, problem.offsets, problem.by_row

    def objective(weights: NDArray[np.float64]) -> float:
        return problem.loss(weights) + ridge / 2 * float((weights - prior) @ (weights - prior))

    weights, best = prior, objective(prior)
    for _ in range(_ITERATIONS):
        p = softmax(values @ weights, offsets)
        gradient = values.T @ ((p - problem.target) * by_row) + ridge * (weights - prior)
        means = np.add.reduceat(values * p[:, None], offsets[:-1], axis=0)
        centred = values - np.repeat(means, np.diff(offsets), axis=0)
        hessian = centred.T @ (centred * (p * by_row)[:, None]) + (ridge + _STEADY) * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        tries = (weights - step / 2**halved for halved in range(_HALVINGS))
        tried = next((weights for weights in tries if objective(weights) < best - _TOLERANCE), None)
        if tried is None:
            break
        weights, best = tried, objective(tried)
    return weights


def _is_logit(name: str) -> bool:
    return name.startswith("group") and name.endswith("_logit")
