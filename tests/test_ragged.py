"""Groups of numbers in one flat array: against plain loops."""

import numpy as np
import pytest

from kuzushiji import ragged

OFFSETS = np.array([0, 3, 4, 6])
SCORES = np.array([1.0, 3.0, 3.0, -2.0, 0.5, 0.25])
GROUPS = [SCORES[a:b] for a, b in zip(OFFSETS[:-1], OFFSETS[1:], strict=True)]
NOTHING = np.zeros(0), np.zeros(1, np.int64)


def test_members_of_groups():
    offsets = ragged.offsets_of(np.array([2, 1, 3]))
    assert offsets.tolist() == [0, 2, 3, 6]
    assert ragged.members(offsets, np.array([2, 0])).tolist() == [3, 4, 5, 0, 1]
    assert ragged.members(offsets, np.zeros(0, np.int64)).tolist() == []


def test_sums_and_maxima():
    assert ragged.group_sum(SCORES, OFFSETS).tolist() == [group.sum() for group in GROUPS]
    assert ragged.group_max(SCORES, OFFSETS).tolist() == [3.0, -2.0, 0.5]


def test_softmax():
    expected = np.concatenate([np.exp(group) / np.exp(group).sum() for group in GROUPS])
    np.testing.assert_allclose(ragged.softmax(SCORES, OFFSETS), expected)
    np.testing.assert_allclose(ragged.softmax(SCORES * 1e4, OFFSETS), [0, 0.5, 0.5, 1, 1, 0], atol=1e-12)


def test_best_is_the_first_of_equals():
    assert ragged.best_of_group(SCORES, OFFSETS).tolist() == [1, 3, 4]


def test_best_of_others():
    assert ragged.best_of_others(SCORES, OFFSETS).tolist() == [3.0, 3.0, 3.0, -np.inf, 0.25, 0.5]


def test_spread():
    assert ragged.spread(np.array([7, 8, 9]), OFFSETS).tolist() == [7, 7, 7, 8, 9, 9]


def test_log_loss():
    target = np.array([0, 1, 0, 1, 0, 1], bool)
    p = ragged.softmax(SCORES, OFFSETS)
    assert ragged.log_loss(SCORES, target, OFFSETS) == pytest.approx(-np.log(p[target]).mean())
    assert ragged.log_loss(*NOTHING[:1], np.zeros(0, bool), NOTHING[1]) == 0


def test_no_groups():
    for function in (ragged.group_sum, ragged.group_max, ragged.softmax, ragged.best_of_group):
        assert function(*NOTHING).tolist() == []
