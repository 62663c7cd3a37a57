"""The score from which boosting starts: a linear model of the candidates of a box (conditional logit).

The blend is one of the models it can express, so that what boosting starts from is at least as good on the boxes it was
fitted to; with few boxes, boosting then has little to add and stops early, instead of learning the blend anew.
McFadden 1974, "Conditional logit analysis of qualitative choice behavior".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.level2_columns import Table
from kuzushiji.classify.segments import softmax

_RIDGE = 1e-4
_ITERATIONS = 30
_TOLERANCE = 1e-7
_SHORTEST = 1e-3

_LANGUAGE = ("log_frequency", "log_after_one", "log_after_two", "log_before_one", "log_before_two")


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
        scores: NDArray[np.float32] = (values @ self.weights).astype(np.float32)
        return scores


def linear_columns(table: Table) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names and values (m, p) of the columns of the linear model."""
    known = set(table.names)
    columns = {name: table.column(name) for name in table.names if name.startswith("group") and name.endswith("_logit")}
    columns |= {name: table.column(name) for name in ("votes", "is_seg_fp", *_LANGUAGE) if name in known}
    seg_fp = table.column("is_seg_fp")
    columns["seg_fp_overlap"] = seg_fp * table.column("box_overlap")
    columns["log_on_page"] = np.log(table.column("on_page") + np.float32(0.01)) * (1 - seg_fp)
    values = np.stack(list(columns.values()), axis=1).astype(np.float64)
    return tuple(columns), np.nan_to_num(values, copy=False, nan=0.0)


def fit_linear_start(table: Table, target: NDArray[np.bool_], weight: NDArray[np.floating]) -> LinearStart:
    """Return the weights of the largest likelihood, by Newton's method with a small ridge.

    Args:
        table: Rows of n boxes.
        target: (m,) one row of each box.
        weight: (n,) of each box.
    """
    names, values = linear_columns(table)
    scale = np.maximum(values.std(axis=0), 1e-6)
    weights = _newton(values / scale, target, weight, table.offsets)
    return LinearStart(names, weights / scale)


def _newton(
    values: NDArray[np.float64], target: NDArray[np.bool_], weight: NDArray[np.floating], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the weights that minimise the mean loss of the boxes; the loss is convex, so there is one such place."""
    by_row = np.repeat(weight / weight.sum(), np.diff(offsets))
    weights = np.zeros(values.shape[1])
    loss = _loss(values, weights, target, by_row, offsets)
    for _ in range(_ITERATIONS):
        p = softmax(values @ weights, offsets)
        gradient = values.T @ ((p - target) * by_row) + _RIDGE * weights
        means = np.add.reduceat(values * p[:, None], offsets[:-1], axis=0)
        centred = values - np.repeat(means, np.diff(offsets), axis=0)
        hessian = centred.T @ (centred * (p * by_row)[:, None]) + _RIDGE * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        length, tried = 1.0, np.inf
        while length > _SHORTEST and not tried < loss:
            tried = _loss(values, weights - length * step, target, by_row, offsets)
            length /= 2
        if not tried < loss - _TOLERANCE:
            break
        weights, loss = weights - 2 * length * step, tried
    return weights


def _loss(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    target: NDArray[np.bool_],
    by_row: NDArray[np.floating],
    offsets: NDArray[np.int64],
) -> float:
    p = softmax(values @ weights, offsets)
    return float(-np.log(np.maximum(p[target], 1e-300)) @ by_row[target] + _RIDGE / 2 * weights @ weights)
