"""What the training truth says of characters between their neighbours."""

import numpy as np
import pytest

from kuzushiji.classify.ngrams import FEATURES, count_ngrams
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
    # 6 characters and 12 ends of pages (3 at each end of both pages with text), 5 signs.
    total = sum(int(counts[:, :].sum()) for counts in ngrams.counts[:1])
    frequency = (3 + 0.5) / (total + 0.5 * 5)
    assert told["log_frequency"][A] == pytest.approx(np.log(frequency), rel=1e-5)
    b = (2 + 0.5) / (total + 0.5 * 5)
    assert told["log_after_one"][B] == pytest.approx(np.log((2 + 4 * b) / (3 + 4) / b), rel=1e-5)


def test_left_out_folds_say_nothing(ngrams):
    told = say(ngrams, leave_out={0})
    assert told["log_after_one"].argmax() == C
    nothing = say(ngrams, leave_out={0, 1})
    np.testing.assert_allclose(nothing["log_after_one"], 0, atol=1e-6)
    np.testing.assert_allclose(nothing["log_frequency"], np.log(1 / 5), rtol=1e-5)


def test_unknown_code():
    with pytest.raises(InputError, match=r"train\.csv: expected the 4 codes of the vocabulary, got Z"):
        count_ngrams(page_labels("AZ"), np.array([0], np.int32), 1, VOCABULARY)


def test_pages_without_text():
    ngrams = count_ngrams(page_labels("", ""), np.array([0, 1], np.int32), 2, VOCABULARY)
    assert counted(ngrams, 1, [A]) == []
    assert np.isfinite(np.stack(list(say(ngrams).values()))).all()
