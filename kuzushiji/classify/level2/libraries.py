"""LightGBM and XGBoost with the same training and early stopping, each in its own file format."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.level2.boosting import Boosted, Recipe, Rows, Scores, Trees, gradients_of, watch
from kuzushiji.classify.level2.config import LIGHTGBM, XGBOOST
from kuzushiji.errors import InputError


class LightGBMTrees:
    """A LightGBM model."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self._booster.feature_name())

    @property
    def most_rounds(self) -> None:
        """None: LightGBM stops when there is nothing to split, and has no trees for the rounds after that."""
        return

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

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self._booster.feature_names or ())

    @property
    def most_rounds(self) -> int:
        """How many rounds there are."""
        return int(self._booster.num_boosted_rounds())

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


def train_lightgbm(rows: Rows, watched: Rows, recipe: Recipe, seed: int) -> Boosted:
    """Train LightGBM on `rows`, with early stopping by the loss on `watched`."""
    import lightgbm as lgb

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
    }
    train = lgb.Dataset(
        rows.values, init_score=rows.start, feature_name=list(rows.names), params=parameters,
        categorical_feature=[rows.names.index(name) for name in recipe.categorical],
    )  # fmt: skip
    valid = lgb.Dataset(watched.values, init_score=watched.start, reference=train, params=parameters)
    booster = lgb.Booster(parameters, train)
    booster.add_valid(valid, "watched")
    gradients = gradients_of(rows.without_values(), recipe)

    def one_round() -> tuple[NDArray[np.floating], bool]:
        scores: list[NDArray[np.floating]] = []

        def keep_scores(predicted: NDArray[np.floating], _: Any) -> tuple[str, float, bool]:
            scores.append(predicted)
            return "none", 0.0, False

        finished = bool(booster.update(fobj=lambda predicted, _: gradients(predicted)))
        booster.eval_valid(keep_scores)
        return scores[0], finished

    course = watch(watched, recipe, one_round)
    return Boosted(_lightgbm_from_text(booster.model_to_string(num_iteration=-1)), course)


def train_xgboost(rows: Rows, watched: Rows, recipe: Recipe, seed: int) -> Boosted:
    """Train XGBoost on `rows`, with early stopping by the loss on `watched`."""
    import xgboost as xgb

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
    }
    columns: dict[str, Any] = {"feature_names": list(rows.names)}
    if recipe.categorical:
        types = ["c" if name in recipe.categorical else "float" for name in rows.names]
        columns |= {"feature_types": types, "enable_categorical": True}
    train = xgb.QuantileDMatrix(rows.values, base_margin=rows.start, **columns)
    valid = xgb.QuantileDMatrix(watched.values, base_margin=watched.start, **columns, ref=train)
    booster = xgb.Booster(parameters, [train, valid])
    gradients = gradients_of(rows.without_values(), recipe)
    done = itertools.count()

    def one_round() -> tuple[NDArray[np.floating], bool]:
        booster.update(train, next(done), lambda predicted, _: gradients(predicted))
        return booster.predict(valid, output_margin=True), False

    course = watch(watched, recipe, one_round)
    return Boosted(_xgboost_from_text(booster.save_raw("json").decode()), course)


TRAINERS: dict[str, Callable[[Rows, Rows, Recipe, int], Boosted]] = {
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
