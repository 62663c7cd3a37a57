"""Boosting on candidates: both libraries, their files, and the loss that is watched."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from kuzushiji.classify.level2.boosting import Recipe, Rows, gradients_of, loss_of, probabilities
from kuzushiji.classify.level2.config import BINARY, LIGHTGBM, OBJECTIVES, RANKING, SOFTMAX, XGBOOST
from kuzushiji.classify.level2.libraries import SUFFIXES, TRAINERS, load_trees
from kuzushiji.errors import InputError
from kuzushiji.ragged import best_of_group, offsets_of

KINDS = [LIGHTGBM, XGBOOST]


def make_rows(n=300, seed=0, start=0.0):
    """Boxes of 2 to 4 candidates; the one with the largest product of two columns is right."""
    rng = np.random.default_rng(seed)
    offsets = offsets_of(rng.integers(2, 5, n))
    values = rng.normal(0, 1, (offsets[-1], 3)).astype(np.float32)
    target = np.zeros(len(values), bool)
    target[best_of_group(values[:, 0] * values[:, 1] + 0.01 * values[:, 2], offsets)] = True
    values[0, 2] = np.nan
    return Rows(
        values, ("a", "b", "c"), offsets, target, np.full(len(values), start, np.float32), np.ones(n, np.float32)
    )


def recipe(objective=SOFTMAX, rounds=15, patience=0):
    return Recipe(objective, rounds, patience, 0.3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_learns(kind, objective):
    watched = make_rows(seed=1)
    boosting = TRAINERS[kind](make_rows(), watched, recipe(objective), 0)
    trees, course = boosting.trees, boosting.course
    assert course.losses[-1] < 0.8 * course.losses[0]
    assert len(course.losses) == 16
    # What training watched is what the model says afterwards.
    np.testing.assert_allclose(watched.start + trees.predict(watched.values, 15), course.last, atol=1e-4)
    best = trees.predict(watched.values, course.best_rounds)
    np.testing.assert_allclose(watched.start + best, course.best, atol=1e-4)
    assert loss_of(course.last, watched, objective) == pytest.approx(course.losses[-1], rel=1e-4)
    assert set(trees.gains()) == {"a", "b", "c"}
    assert trees.gains()["a"] > trees.gains()["c"]


def named_rows(seed):
    """Boxes of two candidates of 200 classes (NaN for one of them), whose ranks are scattered: the higher wins."""
    rng = np.random.default_rng(seed)
    classes = np.stack([rng.permutation(200)[:2] for _ in range(4000)]).reshape(-1)
    rank = np.random.default_rng(7).permutation(200)[classes]
    target = (rank.reshape(-1, 2) == rank.reshape(-1, 2).max(axis=1, keepdims=True)).reshape(-1)
    values = np.where(classes == 5, np.nan, classes)[:, None].astype(np.float32)
    offsets = np.arange(0, 8001, 2)
    return Rows(values, ("class",), offsets, target, np.zeros(8000, np.float32), np.ones(4000, np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_names(kind):
    """Numbers that are names are split by sets: one round then tells more, and the saved model says the same."""
    rows, watched = named_rows(0), named_rows(1)
    losses = {}
    for categorical in ((), ("class",)):
        trained = TRAINERS[kind](rows, watched, replace(recipe(rounds=1), categorical=categorical), 0)
        losses[categorical] = trained.course.losses[-1]
        np.testing.assert_allclose(trained.trees.predict(watched.values, 1), trained.course.last, atol=1e-5)
    assert losses["class",] < losses[()] - 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_from_the_start(kind):
    """A start that is right leaves nothing to learn; with one that is wrong, boosting has more to do."""
    rows = make_rows()
    start = np.where(rows.target, 9, 0).astype(np.float32)
    right = Rows(rows.values, rows.names, rows.offsets, rows.target, start, rows.weight)
    boosting = TRAINERS[kind](right, right, recipe(rounds=3), 0)
    assert boosting.course.losses[0] < 0.01
    assert np.abs(boosting.trees.predict(rows.values, 3)).max() < 1


@pytest.mark.parametrize("kind", KINDS)
def test_stops_when_nothing_gets_better(kind):
    rows = make_rows()
    watched = make_rows(seed=1)
    shuffled = Rows(
        watched.values * -1 + 3, watched.names, watched.offsets, watched.target, watched.start, watched.weight
    )
    course = TRAINERS[kind](rows, shuffled, recipe(rounds=60, patience=4), 0).course
    assert len(course.losses) - 1 == course.best_rounds + 4


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gradient_is_the_slope_of_the_loss(objective):
    rows = make_rows(20)
    scores = np.random.default_rng(5).normal(0, 1, len(rows.target))
    gradient, hessian = gradients_of(rows, recipe(objective))(scores)
    n = len(scores) if objective == BINARY else 20
    for row in (0, 7, 31):
        step = np.zeros_like(scores)
        step[row] = 1e-4
        slope = (loss_of(scores + step, rows, objective) - loss_of(scores - step, rows, objective)) * n / 2e-4
        assert gradient[row] == pytest.approx(slope, abs=1e-3)
    assert (hessian > 0).all()


def test_rows_without_values_do_not_keep_them():
    rows = make_rows(20).without_values()
    assert rows.values.shape == (0, 3)
    assert rows.values.base is None


def test_ranking_by_hand():
    """One box: the right row is 1 below the second and 2 above the third."""
    rows = Rows(
        np.zeros((3, 1), np.float32), ("a",), np.array([0, 3]), np.array([True, False, False]),
        np.zeros(3, np.float32), np.ones(1, np.float32),
    )  # fmt: skip
    scores = np.array([0.0, 1.0, -2.0])
    assert loss_of(scores, rows, RANKING) == pytest.approx(np.log1p(np.e) + np.log1p(np.exp(-2)))
    gradient, hessian = gradients_of(rows, recipe(RANKING))(scores)
    second, third = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(2))
    np.testing.assert_allclose(gradient, [-second - third, second, third], rtol=1e-6)
    np.testing.assert_allclose(hessian[0], second * (1 - second) + third * (1 - third), rtol=1e-6)


def test_weights_count_boxes():
    """A box of weight 2 pulls like two boxes."""
    once = make_rows(20)
    heavy = Rows(once.values, once.names, once.offsets, once.target, once.start, np.full(20, 2, np.float32))
    for light, double in zip(*(gradients_of(rows, recipe())(rows.start) for rows in (once, heavy)), strict=True):
        np.testing.assert_allclose(double, 2 * light, rtol=1e-6)


def test_positive_weight_counts_the_targets_row():
    rows = make_rows(20)
    plain, raised = (gradients_of(rows, Recipe(BINARY, 1, 0, 0.3, weight))(rows.start)[0] for weight in (1.0, 1.2))
    np.testing.assert_allclose(raised / plain, np.where(rows.target, 1.2, 1), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_more_rounds_are_the_same_trees_and_more(kind):
    rows, watched = make_rows(), make_rows(seed=1)
    few, many = (TRAINERS[kind](rows, watched, recipe(rounds=rounds), 0) for rounds in (4, 9))
    np.testing.assert_array_equal(few.trees.predict(rows.values, 4), many.trees.predict(rows.values, 4))
    assert few.course.losses == many.course.losses[:5]


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_model(kind):
    scores = [TRAINERS[kind](make_rows(), make_rows(seed=1), recipe(), 3).course.last for _ in range(2)]
    assert np.array_equal(*scores)


@pytest.mark.parametrize("kind", KINDS)
def test_prints_nothing_where_results_go(kind, tmp_path, capfd):
    TRAINERS[kind](make_rows(), make_rows(seed=1), recipe(), 0).trees.save(tmp_path / f"model{SUFFIXES[kind]}")
    load_trees(kind, tmp_path / f"model{SUFFIXES[kind]}")
    assert capfd.readouterr().out == ""  # LightGBM 4.3 tells of objectives that it does not know


@pytest.mark.parametrize("kind", KINDS)
def test_own_file_format(kind, tmp_path):
    rows = make_rows()
    trees = TRAINERS[kind](rows, rows, recipe(), 0).trees
    path = tmp_path / f"model.{SUFFIXES[kind]}"
    trees.save(path)
    loaded = load_trees(kind, path)
    for rounds in (0, 4, 15):
        np.testing.assert_array_equal(loaded.predict(rows.values, rounds), trees.predict(rows.values, rounds))
    assert loaded.predict(rows.values[:0], 5).tolist() == []
    assert path.read_text(encoding="utf-8").startswith("tree" if kind == LIGHTGBM else "{")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\xff\xfe"])
def test_files_that_are_no_models(kind, content, tmp_path):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(InputError, match=f"expected a {kind} model, got something else"):
        load_trees(kind, tmp_path / f"model{SUFFIXES[kind]}")


def test_probabilities():
    offsets = np.array([0, 2])
    np.testing.assert_allclose(probabilities(np.array([0.0, 0.0]), offsets, SOFTMAX), [0.5, 0.5])
    np.testing.assert_allclose(probabilities(np.array([0.0, np.log(3)]), offsets, BINARY), [0.5, 0.75])


# What the reference gave its boosters (section 5 of the specification; `Recipe` has the learning rates).
PARAMETERS = [
    (
        LIGHTGBM,
        {"num_leaves": 41, "bagging_fraction": 0.8, "bagging_freq": 5, "feature_fraction": 0.9, "lambda_l2": 1.0}
        | {"min_data_in_leaf": 20, "learning_rate": 0.3},
    ),
    (XGBOOST, {"max_depth": 8, "gamma": 0.01, "eta": 0.3}),
]


@pytest.mark.parametrize(("kind", "expected"), PARAMETERS, ids=KINDS)
def test_parameters_are_the_references(kind, expected, monkeypatch):
    """They are caught on their way to the library: XGBoost does not keep them in its file."""
    library = importlib.import_module(kind)
    given = {}

    class Caught(library.Booster):
        def __init__(self, params=None, *words, **named):
            given.update(params or {})
            super().__init__(params, *words, **named)

    monkeypatch.setattr(library, "Booster", Caught)
    TRAINERS[kind](make_rows(20), make_rows(20), recipe(rounds=1), 0)
    assert {name: given.get(name) for name in expected} == expected
