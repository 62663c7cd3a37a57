"""The pairs of characters that a fine-tuned run counts: the old ones in the new numbers, and those of its pages."""

from pathlib import Path

import numpy as np
import pytest

from kuzushiji.classify.level2.pairs import Pairs, write_pairs
from kuzushiji.data.labels import PageLabels
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.finetune.language import OWN_COUNT, language_with

A, E, NEW = "U+3042", "U+3044", "U+3043"  # the new one stands between the old ones
OLD = Vocabulary.from_codes([A, E])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """あい comes 7 times, いあ 2 times."""
    write_pairs(tmp_path / "pairs", Pairs(*(np.array(each, np.int32) for each in ([9, 9, 0], [1, 3], [7, 2]))))
    return tmp_path / "pairs"


def column(*codes: str) -> PageLabels:
    """Return a page with one column, whose boxes stand in the table from bottom to top."""
    boxes = [[0, 10 * number, 8, 8] for number in range(len(codes))]
    return PageLabels.from_arrays(["B_1"], [0] * len(codes), codes[::-1], np.array(boxes[::-1], float))


def counts(pairs: Pairs, vocabulary: Vocabulary) -> dict[tuple[str, str], int]:
    codes = vocabulary.codes
    return {
        (codes[key // len(codes)], codes[key % len(codes)]): int(n)
        for key, n in zip(pairs.keys, pairs.counts, strict=True)
    }


def test_counts_in_the_new_numbers(path: Path) -> None:
    new = Vocabulary.from_codes([A, E, NEW])
    pairs = language_with(path, OLD, new, column(A, E, NEW))
    assert counts(pairs, new) == {(A, E): 7 + OWN_COUNT, (E, A): 2, (E, NEW): OWN_COUNT}
    assert pairs.frequency.tolist() == [9 + OWN_COUNT, OWN_COUNT, 9 + OWN_COUNT, 0]
    assert pairs.keys.tolist() == sorted(pairs.keys)


def test_characters_that_are_no_longer_there(path: Path) -> None:
    new = Vocabulary.from_codes([A, NEW])
    assert counts(language_with(path, OLD, new, column(A)), new) == {}
    with pytest.raises(InputError, match="expected counts of the classifiers' 4 classes, got 3"):
        language_with(path, Vocabulary.from_codes([A, E, NEW]), new, column(A))
