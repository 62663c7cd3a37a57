"""The linear start: finds the weights that made the data, and is never worse than the blend it can express."""

import numpy as np
import pytest

from kuzushiji.classify.level2.columns import Table
from kuzushiji.classify.level2.linear_start import fit_linear_start, linear_columns
from kuzushiji.ragged import log_loss, offsets_of, softmax

NAMES = ("group0_logit", "group1_logit", "votes", "is_seg_fp", "box_overlap", "on_page")


def make(n=4000, weights=(1.0, 0.5), seed=0):
    """Boxes of 3 candidates, the last seg_fp; what is right is drawn from a linear model of two logits."""
    rng = np.random.default_rng(seed)
    offsets = offsets_of(np.full(n, 3))
    values = np.zeros((3 * n, len(NAMES)), np.float32)
    values[:, :2] = rng.normal(0, 2, (3 * n, 2))
    values[2::3, 3] = 1
    values[:, 5] = 0.99
    table = Table(NAMES, values, offsets)
    p = softmax(values[:, :2] @ np.array(weights) - 1.0 * values[:, 3], offsets).reshape(n, 3)
    right = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, 2)
    target = np.zeros((n, 3), bool)
    target[np.arange(n), right] = True
    return table, target.reshape(-1)


def test_finds_the_weights():
    table, target = make()
    start = fit_linear_start(table, target, np.ones(4000))
    found = dict(zip(start.names, start.weights, strict=True))
    assert found["group0_logit"] == pytest.approx(1.0, abs=0.1)
    assert found["group1_logit"] == pytest.approx(0.5, abs=0.1)
    assert found["is_seg_fp"] == pytest.approx(-1.0, abs=0.2)


def test_beats_the_blend_on_few_boxes():
    table, target = make(200)
    start = fit_linear_start(table, target, np.ones(200))
    blend = table.values[:, :2].mean(axis=1)
    assert log_loss(start.scores(table), target, table.offsets) < log_loss(blend, target, table.offsets)


def test_what_is_not_known_counts_nothing():
    table, target = make(50)
    table.values[0, 0] = np.nan
    start = fit_linear_start(table, target, np.ones(50))
    assert np.isfinite(start.scores(table)).all()


def test_a_box_of_weight_2_is_two_boxes():
    table, target = make(50)
    double = Table(NAMES, np.concatenate([table.values] * 2), offsets_of(np.full(100, 3)))
    once = fit_linear_start(table, target, np.full(50, 2.0))
    twice = fit_linear_start(double, np.concatenate([target] * 2), np.ones(100))
    np.testing.assert_allclose(once.weights, twice.weights, atol=1e-4)


def test_columns_must_be_those_it_was_fitted_to():
    table, target = make(50)
    start = fit_linear_start(table, target, np.ones(50))
    fewer = Table(NAMES[1:], table.values[:, 1:], table.offsets)
    assert linear_columns(fewer)[0] != start.names
    with pytest.raises(ValueError, match="expected the columns"):
        start.scores(fewer)
