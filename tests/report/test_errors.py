import pandas as pd
import pytest

from kuzushiji.data.labels import SEG_FP
from kuzushiji.report.errors import (
    FREQUENCIES,
    ErrorCounts,
    confused_pairs,
    count_errors,
    f1_by_frequency,
    frequency_names,
)
from tests.report.outcomes import A, B, outcome

Row = tuple[str, int, str, float]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # nothing found: five characters missed
        ([], {"missed_box": 5}),
        # found and read rightly
        ([("p", 0, A, 1)], {"right": 1, "missed_box": 4}),
        # found and read as another
        ([("p", 0, B, 1)], {"wrong_character": 1, "missed_box": 4}),
        # found and dropped
        ([("p", 0, SEG_FP, 1)], {"wrongly_dropped": 1, "missed_box": 4}),
        # a box where nothing is, kept
        ([("r", 0, A, 1)], {"false_box": 1, "wrongly_kept": 1, "missed_box": 5}),
        # a box where nothing is, rightly dropped
        ([("p", 300, SEG_FP, 1)], {"false_box": 1, "missed_box": 5}),
        # two boxes on one character: the character is found once
        ([("p", 0, A, 1), ("p", 2, A, 1)], {"right": 2, "missed_box": 4}),
    ],
)
def test_kinds_of_error(rows: list[Row], expected: dict[str, int]) -> None:
    none = dict.fromkeys(ErrorCounts.__dataclass_fields__, 0)
    assert count_errors(outcome(*rows)) == ErrorCounts(**none | {"characters": 5} | expected)


def test_f1_of_frequent_and_of_rare_characters() -> None:
    examples = pd.Series({A: 500, B: 2})
    # Of three A two are right, and a B was read as A; one B is right.
    table = f1_by_frequency(outcome(("p", 0, A, 1), ("p", 50, A, 1), ("p", 100, A, 1), ("q", 0, B, 1)), examples)
    assert table.to_dict("list") == {"least": [1, 300], "characters": [2, 3], "f1": [2 / 3, 2 / 3]}


def test_two_boxes_on_one_character_are_one_right_and_one_wrong() -> None:
    table = f1_by_frequency(outcome(("p", 0, A, 1), ("p", 2, A, 1)), pd.Series({A: 5, B: 5}))
    assert table["f1"].tolist() == [2 * 1 / (5 + 2)]


def test_characters_without_training_examples_are_a_class_of_their_own() -> None:
    table = f1_by_frequency(outcome(), pd.Series(dtype=int))
    assert table.to_dict("list") == {"least": [0], "characters": [5], "f1": [0]}


def test_names_of_frequencies() -> None:
    assert frequency_names([0, 1, 3, 3000]) == ["none", "1-2", "3-9", "3000 and more"]
    assert len(set(frequency_names(FREQUENCIES))) == len(FREQUENCIES)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        # right, dropped and false boxes are no confusion
        ([("p", 0, A, 1), ("p", 50, SEG_FP, 1), ("r", 0, A, 1)], []),
        ([("p", 0, B, 1)], [(A, B, 1, 0)]),
        # the one that is misread more often comes first
        ([("p", 100, A, 1)], [(B, A, 1, 0)]),
        ([("p", 0, B, 1), ("p", 50, B, 1), ("p", 100, A, 1)], [(A, B, 2, 1)]),
        # the pair that comes most often comes first
        ([("p", 0, "U+304A", 1), ("p", 50, B, 1), ("q", 50, B, 1)], [(A, B, 2, 0), (A, "U+304A", 1, 0)]),
    ],
)
def test_pairs_of_confused_characters(rows: list[Row], expected: list[tuple[str, str, int, int]]) -> None:
    assert list(confused_pairs(outcome(*rows), 5).itertuples(index=False, name=None)) == expected
    assert len(confused_pairs(outcome(*rows), 1)) == min(1, len(expected))
