"""Calibration: probabilities that mean what they say have no error."""

import numpy as np
import pytest

from kuzushiji.classify.calibration import best_probability, calibration, softmax

# Probabilities, which are right, expected calibration error.
TABLE = [
    ([1.0, 1.0], [True, True], 0.0),
    ([1.0, 1.0], [False, False], 1.0),
    ([0.5, 0.5], [True, False], 0.0),
    # Two bins: |1 - 0.9| and |0 - 0.3|, one prediction each.
    ([0.9, 0.3], [True, False], 0.2),
    # Probability 0 and 1 fall into the first and the last bin.
    ([0.0, 1.0], [False, True], 0.0),
    ([], [], 0.0),
]


@pytest.mark.parametrize(("probability", "right", "error"), TABLE)
def test_expected_calibration_error(probability, right, error):
    fit = calibration(np.array(probability, float), np.array(right, bool))
    assert fit.error == pytest.approx(error)
    assert fit.count.sum() == len(right)


def test_as_json_values():
    assert calibration(np.array([0.5]), np.array([True])).as_dict() == {
        "expected_calibration_error": 0.5,
        "bins": [{"count": 1, "probability": 0.5, "right": 1.0}],
    }


def test_best_probability():
    logits = np.log(np.array([[3.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(best_probability(logits), [0.75, 0.5])
    np.testing.assert_allclose(best_probability(np.array([[900.0, -900.0]])), [1.0])
    assert best_probability(np.zeros((0, 2))).tolist() == []


def test_softmax_over_what_is_kept():
    logits = np.log(np.array([[3.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(softmax(logits), [[0.75, 0.25], [0.5, 0.5]])
    np.testing.assert_allclose(softmax(np.array([[900.0, -900.0]])), [[1.0, 0.0]])
    assert softmax(np.zeros((0, 2))).shape == (0, 2)
