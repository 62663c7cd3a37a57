"""LightGBM and XGBoost: trained alike, stopped alike, each in its own file format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.boosting import Boosting, Recipe, Rows, Scores, Trees, gradients_of, watch
from kuzushiji.errors import InputError

LIGHTGBM, XGBOOST = "lightgbm", "xgboost"


class LightGBMTrees:
    """A LightGBM model.

    `threads` is that of its training as long as it may go on: LightGBM minds when the number changes meanwhile.
    """

    def __init__(self, booster: Any, threads: int = 0) -> None:
        self._booster, self._threads = booster, threads

    def predict(self, values: NDArray[np.float32], rounds: int) -> Scores:
        """Return what the first `rounds` trees add to the start (m,)."""
        if not rounds or not len(values):
            return np.zeros(len(values), np.float32)
        options = {"num_iteration": rounds, "raw_score": True, "num_threads": self._threads}
        scores: Scores = self._booster.predict(values, **options).astype(np.float32)
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


class LightGBMBoosting:
    """A training of LightGBM on `rows`, which stops by a look at the loss on `watched`."""

    def __init__(self, rows: Rows, watched: Rows, recipe: Recipe, seed: int) -> None:
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
            **recipe.extra,
        }
        train = lgb.Dataset(rows.values, init_score=rows.start, feature_name=list(rows.names), params=parameters)
        valid = lgb.Dataset(watched.values, init_score=watched.start, reference=train, params=parameters)
        self._booster = lgb.Booster(parameters, train)
        self._booster.add_valid(valid, "watched")
        self._gradients = gradients_of(rows.without_values(), recipe)
        self.trees: Trees = LightGBMTrees(self._booster, recipe.threads)
        self.course = watch(watched, recipe, self._round)

    def go_on(self, rounds: int) -> None:
        """Train until the model has at least so many rounds, whatever the watched rows say."""
        while self._booster.current_iteration() < rounds and not self._update():
            pass

    def _round(self) -> tuple[NDArray[np.floating], bool]:
        scores: list[NDArray[np.floating]] = []

        def keep_scores(predicted: NDArray[np.floating], _: Any) -> tuple[str, float, bool]:
            scores.append(predicted)
            return "none", 0.0, False

        finished = self._update()
        self._booster.eval_valid(keep_scores)
        return scores[0], finished

    def _update(self) -> bool:
        """Add a tree; return whether there was nothing to split any more."""
        return bool(self._booster.update(fobj=lambda predicted, _: self._gradients(predicted)))


class XGBoostBoosting:
    """A training of XGBoost on `rows`, which stops by a look at the loss on `watched`."""

    def __init__(self, rows: Rows, watched: Rows, recipe: Recipe, seed: int) -> None:
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
            **recipe.extra,
        }
        names = list(rows.names)
        self._train = xgb.QuantileDMatrix(rows.values, base_margin=rows.start, feature_names=names)
        self._valid = xgb.QuantileDMatrix(
            watched.values, base_margin=watched.start, feature_names=names, ref=self._train
        )
        self._booster = xgb.Booster(parameters, [self._train, self._valid])
        self._gradients = gradients_of(rows.without_values(), recipe)
        self._rounds = 0
        self.trees: Trees = XGBoostTrees(self._booster)
        self.course = watch(watched, recipe, self._round)

    def go_on(self, rounds: int) -> None:
        """Train until the model has at least so many rounds, whatever the watched rows say."""
        while self._rounds < rounds:
            self._update()

    def _round(self) -> tuple[NDArray[np.floating], bool]:
        self._update()
        return self._booster.predict(self._valid, output_margin=True), False

    def _update(self) -> None:
        self._booster.update(self._train, self._rounds, lambda predicted, _: self._gradients(predicted))
        self._rounds += 1


TRAINERS: dict[str, Callable[[Rows, Rows, Recipe, int], Boosting]] = {
    LIGHTGBM: LightGBMBoosting,
    XGBOOST: XGBoostBoosting,
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
