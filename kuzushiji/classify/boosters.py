"""LightGBM and XGBoost on the candidates of boxes: the same objectives, the same early stop, their own file formats."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.segments import log_loss, softmax
from kuzushiji.errors import InputError

LIGHTGBM, XGBOOST = "lightgbm", "xgboost"
SOFTMAX, BINARY = "softmax", "binary"
OBJECTIVES = (SOFTMAX, BINARY)

_SMALLEST_HESSIAN = 1e-6

_WORTH_WAITING = 2e-5
"""On a fold of 136,000 boxes this is one box of which the truth becomes e³ times as probable: nobody would notice.
Where losses are small, boosting would otherwise go on for hundreds of rounds."""

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

    @property
    def row_weight(self) -> NDArray[np.float32]:
        """(m,) weight of each row."""
        return np.repeat(self.weight, np.diff(self.offsets))


@dataclass(frozen=True)
class Recipe:
    """How to boost.

    Attributes:
        objective: `softmax`: the candidates of a box compete; `binary`: each row for itself, as in the reference.
        rounds: At most.
        patience: Rounds after which training stops unless they have made the loss on the watched rows better by
            `_WORTH_WAITING`; 0 trains all rounds.
        learning_rate: Shrinkage of each tree.
        threads: Of the library; 0 for its default, all cores.
        positive_weight: Of the target's row, for `binary`.
        extra: Further parameters of the library.
    """

    objective: str
    rounds: int
    patience: int
    learning_rate: float
    positive_weight: float = 1.0
    threads: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


class Trees(Protocol):
    """A trained model of either library."""

    def predict(self, values: NDArray[np.float32], rounds: int) -> Scores:
        """Return what the first `rounds` trees add to the start (m,)."""

    def save(self, path: Path) -> None:
        """Write the model in the library's own text or JSON format."""

    def gains(self) -> dict[str, float]:
        """Return the total gain of the splits on each column."""


@dataclass(frozen=True)
class Course:
    """What was seen on the watched rows during training.

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


def probabilities(scores: NDArray[np.floating], offsets: NDArray[np.int64], objective: str) -> NDArray[np.floating]:
    """Return the probability (m,) that each row is the right one."""
    if objective == SOFTMAX:
        return softmax(scores, offsets)
    p: NDArray[np.floating] = 1 / (1 + np.exp(-scores))
    return p


def loss_of(scores: NDArray[np.floating], rows: Rows, objective: str) -> float:
    """Return the mean loss over boxes (softmax) or rows (binary)."""
    if objective == SOFTMAX:
        return log_loss(scores, rows.target, rows.offsets)
    signed = np.where(rows.target, -scores, scores)
    return float(np.logaddexp(0, signed).mean()) if len(signed) else 0.0


class _Watch:
    """Follows the loss on the watched rows and says when to stop."""

    def __init__(self, rows: Rows, recipe: Recipe) -> None:
        self._rows, self._recipe = rows, recipe
        self._losses = [loss_of(rows.start, rows, recipe.objective)]
        self._best = self._last = rows.start

    def after_round(self, scores: NDArray[np.floating]) -> bool:
        """Take the scores after one more round; return whether to stop."""
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


def gradients_of(rows: Rows, recipe: Recipe) -> Callable[[NDArray[np.floating]], tuple[Scores, Scores]]:
    """Return the function from scores (m,) to gradient and hessian (m,) of the loss."""
    weight = rows.row_weight
    if recipe.objective == BINARY:
        weight = weight * np.where(rows.target, np.float32(recipe.positive_weight), np.float32(1))

    def gradients(scores: NDArray[np.floating]) -> tuple[Scores, Scores]:
        p = probabilities(scores.astype(np.float32), rows.offsets, recipe.objective).astype(np.float32)
        hessian = np.maximum(p * (1 - p), np.float32(_SMALLEST_HESSIAN))
        return (p - rows.target) * weight, hessian * weight

    return gradients


class LightGBMTrees:
    """A LightGBM model."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def predict(self, values: NDArray[np.float32], rounds: int) -> Scores:
        """Return what the first `rounds` trees add to the start (m,)."""
        if not rounds or not len(values):
            return np.zeros(len(values), np.float32)
        scores: Scores = self._booster.predict(values, num_iteration=rounds, raw_score=True).astype(np.float32)
        return scores

    def save(self, path: Path) -> None:
        """Write LightGBM's text format."""
        self._booster.save_model(path, num_iteration=-1)

    def gains(self) -> dict[str, float]:
        """Return the total gain of the splits on each column."""
        gains = self._booster.feature_importance("gain")
        return dict(zip(self._booster.feature_name(), map(float, gains), strict=True))


class XGBoostTrees:
    """An XGBoost model."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def predict(self, values: NDArray[np.float32], rounds: int) -> Scores:
        """Return what the first `rounds` trees add to the start (m,)."""
        if not rounds or not len(values):
            return np.zeros(len(values), np.float32)
        scores: Scores = self._booster.inplace_predict(
            values, iteration_range=(0, rounds), predict_type="margin", validate_features=False
        )
        return scores

    def save(self, path: Path) -> None:
        """Write XGBoost's JSON format."""
        self._booster.save_model(path)

    def gains(self) -> dict[str, float]:
        """Return the total gain of the splits on each column."""
        gains = self._booster.get_score(importance_type="total_gain")
        return {name: float(gains.get(name, 0.0)) for name in self._booster.feature_names or ()}


def train_lightgbm(rows: Rows, watched: Rows, recipe: Recipe, seed: int) -> tuple[LightGBMTrees, Course]:
    """Train on `rows` and watch the loss on `watched`."""
    import lightgbm as lgb

    gradients, watch = gradients_of(rows, recipe), _Watch(watched, recipe)
    parameters = {
        "num_leaves": 41,
        "learning_rate": recipe.learning_rate,
        "bagging_fraction": 0.8,
        "bagging_freq": 5,
        "feature_fraction": 0.9,
        "min_data_in_leaf": 20,
        "lambda_l2": 1.0,
        "objective": "custom",
        "boost_from_average": False,
        "verbose": -1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": recipe.threads,
        **recipe.extra,
    }
    train = lgb.Dataset(rows.values, init_score=rows.start, feature_name=list(rows.names), params=parameters)
    valid = lgb.Dataset(watched.values, init_score=watched.start, reference=train, params=parameters)
    booster = lgb.Booster(parameters, train)
    booster.add_valid(valid, "watched")
    scores: list[NDArray[np.floating]] = []

    def keep_scores(predicted: NDArray[np.floating], _: Any) -> tuple[str, float, bool]:
        scores[:] = [predicted]
        return "none", 0.0, False

    for _ in range(recipe.rounds):
        finished = booster.update(fobj=lambda predicted, _: gradients(predicted))
        booster.eval_valid(keep_scores)
        if watch.after_round(scores[0]) or finished:
            break
    booster.free_dataset()
    return LightGBMTrees(booster), watch.course()


def train_xgboost(rows: Rows, watched: Rows, recipe: Recipe, seed: int) -> tuple[XGBoostTrees, Course]:
    """Train on `rows` and watch the loss on `watched`."""
    import xgboost as xgb

    gradients, watch = gradients_of(rows, recipe), _Watch(watched, recipe)
    parameters = {
        "tree_method": "hist",
        "eta": recipe.learning_rate,
        "max_depth": 8,
        "gamma": 0.01,
        "base_score": 0.0,
        "disable_default_eval_metric": 1,
        "verbosity": 0,
        "nthread": recipe.threads,
        "seed": seed,
        **recipe.extra,
    }
    names = list(rows.names)
    train = xgb.QuantileDMatrix(rows.values, base_margin=rows.start, feature_names=names)
    valid = xgb.QuantileDMatrix(watched.values, base_margin=watched.start, feature_names=names, ref=train)
    booster = xgb.Booster(parameters, [train, valid])
    for number in range(recipe.rounds):
        booster.update(train, number, lambda predicted, _: gradients(predicted))
        if watch.after_round(booster.predict(valid, output_margin=True)):
            break
    return XGBoostTrees(booster), watch.course()


TRAINERS: dict[str, Callable[[Rows, Rows, Recipe, int], tuple[Trees, Course]]] = {
    LIGHTGBM: train_lightgbm,
    XGBOOST: train_xgboost,
}
SUFFIXES = {LIGHTGBM: "lgb.txt", XGBOOST: "xgb.json"}


def load_trees(kind: str, path: Path) -> Trees:
    """Read a model that `Trees.save` wrote.

    Raises:
        InputError: no such model.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return _lightgbm_from_text(text) if kind == LIGHTGBM else _xgboost_from_text(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a {kind} model, got something else ({type(error).__name__})") from error


def _lightgbm_from_text(text: str) -> LightGBMTrees:
    import lightgbm as lgb

    if not text.startswith("tree\n"):
        raise ValueError("the first line is another")
    try:
        return LightGBMTrees(lgb.Booster(model_str=text))
    except lgb.basic.LightGBMError as error:
        raise ValueError(str(error)) from error


def _xgboost_from_text(text: str) -> XGBoostTrees:
    import xgboost as xgb

    # XGBoost ends the process when it is given something that is not JSON.
    if "learner" not in json.loads(text):
        raise ValueError("there is no learner in it")
    booster = xgb.Booster()
    booster.load_model(bytearray(text.encode()))
    return XGBoostTrees(booster)
