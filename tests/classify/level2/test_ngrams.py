"""What the training truth says of characters between their neighbours."""

import numpy as np
import pytest

from kuzushiji.classify.level2.ngrams import FEATURES, count_ngrams
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError

VOCABULARY = Vocabulary.from_codes("ABC")
A, B, C, SEG_FP, EDGE = range(5)


def page_labels(*texts):
    """Pages of one column each, a character a letter."""
    page = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    y = np.concatenate([np.arange(len(text)) * 20.0 for text in texts])
    boxes = np.stack([np.zeros_like(y), y, np.full_like(y, 10), np.full_like(y, 10)], axis=1)
    names = [f"p_{i}" for i in range(len(texts))]
    return PageLabels.from_arrays(names, page, np.array(list("".join(texts)), object), boxes)


def counted(ngrams, n, gram):
    key = 0
    for c in gram:
        key = key * 5 + c
    at = np.flatnonzero(ngrams.keys[n - 1] == key)
    return ngrams.counts[n - 1][at].tolist()


@pytest.fixture
def ngrams():
    return count_ngrams(page_labels("ABAB", "AC", ""), np.array([0, 1, 1], np.int32), 2, VOCABULARY)


def test_counts_by_fold(ngrams):
    assert counted(ngrams, 1, [A]) == [[2, 1]]
    assert counted(ngrams, 2, [A, B]) == [[2, 0]]
    assert counted(ngrams, 2, [A, C]) == [[0, 1]]
    assert counted(ngrams, 3, [A, B, A]) == [[1, 0]]
    assert counted(ngrams, 3, [EDGE, EDGE, A]) == [[1, 1]]
    assert counted(ngrams, 2, [B, EDGE]) == [[1, 0]]
    assert counted(ngrams, 2, [C, A]) == []
    assert counted(ngrams, 4, [A, B, A, B]) == [[1, 0]]
    assert counted(ngrams, 4, [EDGE, EDGE, EDGE, A]) == [[1, 1]]
    assert [counted(ngrams, n, [EDGE] * n) for n in (1, 2, 3, 4)] == [[], [], [], []]


def say(ngrams, leave_out=(), before=(A, EDGE, EDGE), after=(EDGE, EDGE, EDGE)):
    candidates = np.array([A, B, C], np.int32)
    values = ngrams.log_probabilities(candidates, np.zeros(3, int), np.array([before]), np.array([after]), leave_out)
    return dict(zip(FEATURES, values.T, strict=True))


def test_after_a_comes_b(ngrams):
    told = say(ngrams)
    assert told["log_after_one"].argmax() == B
    assert told["log_before_one"].argmax() != A
    assert told["log_frequency"].argmax() == A


def test_probabilities_by_hand(ngrams):
    told = say(ngrams)
    # 6 characters, 4 of which could have been one: ends of pages are none.
    a, b = (3 + 0.5) / (6 + 0.5 * 4), (2 + 0.5) / (6 + 0.5 * 4)
    assert told["log_frequency"][A] == pytest.approx(np.log(a), rel=1e-5)
    # A stands three times before a character: twice before B, once before C.
    assert told["log_after_one"][B] == pytest.approx(np.log((2 + 4 * b) / (3 + 4) / b), rel=1e-5)
    # Before the end of a page stand B and C.
    assert told["log_before_one"][B] == pytest.approx(np.log((1 + 4 * b) / (2 + 4) / b), rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_page_begins_once_however_many_signs_of_its_end_are_before(ngrams, n):
    """Two pages with text, both of which begin with A: the longer the context of ends, the surer it is."""
    told = say(ngrams, before=(EDGE, EDGE, EDGE))
    expected = (3 + 0.5) / (6 + 0.5 * 4)
    single = expected
    for _ in range(n):
        expected = (2 + 4 * expected) / (2 + 4)
    assert told[f"log_after_{('one', 'two', 'three')[n - 1]}"][A] == pytest.approx(np.log(expected / single), rel=1e-5)


def test_a_context_counts_where_a_character_comes_after_it(ngrams):
    """B is twice in the text, once before A and once at the end of a page."""
    told = say(ngrams, before=(B, EDGE, EDGE))
    a = (3 + 0.5) / (6 + 0.5 * 4)
    assert told["log_after_one"][A] == pytest.approx(np.log((1 + 4 * a) / (1 + 4) / a), rel=1e-5)
    # The other way round: A is before no character that A stands before, and once the first of a page in each fold.
    told = say(ngrams, after=(A, EDGE, EDGE))
    b = (2 + 0.5) / (6 + 0.5 * 4)
    assert told["log_before_one"][B] == pytest.approx(np.log((1 + 4 * b) / (1 + 4) / b), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_of_the_characters_sum_to_one(seed):
    """In any context, seen or not, with the ends of pages in it or not."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("ABC"), rng.integers(1, 7))) for _ in range(12)]
    ngrams = count_ngrams(page_labels(*texts), np.zeros(12, np.int32), 1, VOCABULARY)
    around = rng.choice([A, B, C, EDGE], (20, 3))
    around = np.where(np.maximum.accumulate(around == EDGE, axis=1), EDGE, around)  # past the end there is only the end
    every = np.tile(np.arange(EDGE, dtype=np.int32), 20)
    values = ngrams.log_probabilities(every, np.repeat(np.arange(20), EDGE), around, around[::-1], ())
    for k in range(1, values.shape[1]):
        np.testing.assert_allclose(np.exp(values[:, 0] + values[:, k]).reshape(20, EDGE).sum(axis=1), 1, rtol=1e-5)


def test_left_out_folds_say_nothing(ngrams):
    told = say(ngrams, leave_out={0})
    assert told["log_after_one"].argmax() == C
    nothing = say(ngrams, leave_out={0, 1})
    np.testing.assert_allclose(nothing["log_after_one"], 0, atol=1e-6)
    np.testing.assert_allclose(nothing["log_frequency"], np.log(1 / 4), rtol=1e-5)


def test_unknown_code():
    with pytest.raises(InputError, match=r"train\.csv: expected the 4 codes of the vocabulary, got Z"):
        count_ngrams(page_labels("AZ"), np.array([0], np.int32), 1, VOCABULARY)


def test_pages_without_text():
    ngrams = count_ngrams(page_labels("", ""), np.array([0, 1], np.int32), 2, VOCABULARY)
    assert counted(ngrams, 1, [A]) == []
    assert np.isfinite(np.stack(list(say(ngrams).values()))).all()
