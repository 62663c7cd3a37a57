"""Pairs of characters: their counts, what a page says when it is read as one text, damaged files."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.classify.level2.pairs import (
    SHARPNESS,
    WEIGHT,
    Pairs,
    count_pairs,
    read_language,
    read_together,
    write_pairs,
)
from kuzushiji.errors import InputError

NO_CHARACTER = 4
TEXTS = [np.array([0, 1, 2, 0, 1, 3]), np.array([0, 1, 0, 1]), np.array([], int)]


@pytest.fixture
def pairs() -> Pairs:
    return count_pairs(TEXTS, 5)


def test_counts(pairs: Pairs) -> None:
    assert pairs.frequency.tolist() == [4, 4, 1, 1, 0]
    assert (pairs.keys.tolist(), pairs.counts.tolist()) == ([1], [4])  # 0, 1; what occurs once is left out


def test_a_frequent_pair_is_stronger_than_a_strange_one(pairs: Pairs) -> None:
    ((after_0, after_1),) = pairs.strength(np.array([[0, 1]]), np.array([[1, 3]]))
    assert after_0[0] > 0 > after_1[0]
    assert count_pairs([], 5).strength(np.array([[0]]), np.array([[1]]))[0, 0, 0] == pytest.approx(0)


def test_the_page_is_the_sum_over_all_readings(pairs: Pairs) -> None:
    rng = np.random.default_rng(0)
    classes = np.array([[0, 3, 4], [1, 2, 0], [2, 4, 1], [3, 0, 1]])
    logits = -np.sort(-rng.normal(0, 2, classes.shape), axis=1)
    own = SHARPNESS * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    expected = np.zeros(classes.shape)
    for reading in product(range(3), repeat=4):
        score = sum(own[box, rank] for box, rank in enumerate(reading))
        chosen = [int(classes[box, rank]) for box, rank in enumerate(reading)]
        for first, second in zip(chosen, chosen[1:], strict=False):
            if NO_CHARACTER not in (first, second):
                score += WEIGHT * pairs.strength(np.array([[first]]), np.array([[second]])).item()
        expected[range(4), reading] += np.exp(score)
    found = np.exp(read_together(classes, logits, pairs, NO_CHARACTER))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))


def test_a_box_alone_keeps_its_order(pairs: Pairs) -> None:
    found = read_together(np.array([[2, 1]]), np.array([[3.0, 1.0]]), pairs, NO_CHARACTER)
    assert found[0, 0] > found[0, 1] and np.exp(found).sum() == pytest.approx(1)


def test_files(pairs: Pairs, tmp_path: Path) -> None:
    path = tmp_path / "language.safetensors"
    write_pairs(path, pairs)
    again = read_language(path, 5)
    assert again.frequency.tolist() == pairs.frequency.tolist() and again.keys.tolist() == pairs.keys.tolist()
    with pytest.raises(InputError, match="expected counts of the classifiers' 6 classes, got 5"):
        read_language(path, 6)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="got a damaged file"):
        read_language(path, 5)
    write_pairs(path, Pairs(pairs.frequency, pairs.keys + 99, pairs.counts))
    with pytest.raises(InputError, match="its parts do not fit each other"):
        read_language(path, 5)
