import pandas as pd
import pytest

from kuzushiji.report.groups import (
    FREQUENCIES,
    SIZES,
    f1_by_density,
    f1_by_frequency,
    f1_by_size,
    group_names,
    wilson,
)
from tests.report.outcomes import A, B, outcome


def test_f1_of_frequent_and_of_rare_characters() -> None:
    examples = pd.Series({A: 500, B: 2})
    # Of three A two are right, and a B was read as A; one B is right.
    table = f1_by_frequency(outcome(("p", 0, A, 1), ("p", 50, A, 1), ("p", 100, A, 1), ("q", 0, B, 1)), examples)
    assert table["least"].tolist() == [1, 300] and table["characters"].tolist() == [2, 3]
    assert table["f1"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert (table["low"] < table["f1"]).all() and (table["f1"] < table["high"]).all()


def test_two_boxes_on_one_character_are_one_right_and_one_wrong() -> None:
    table = f1_by_frequency(outcome(("p", 0, A, 1), ("p", 2, A, 1)), pd.Series({A: 5, B: 5}))
    assert table["f1"].tolist() == pytest.approx([2 * 1 / (5 + 2)])


def test_characters_without_training_examples_are_a_group_of_their_own() -> None:
    table = f1_by_frequency(outcome(), pd.Series(dtype=int))
    assert (table["least"].tolist(), table["characters"].tolist(), table["f1"].tolist()) == ([0], [5], [0])


def test_sizes_and_densities() -> None:
    found = outcome(("p", 0, A, 1), ("r", 0, A, 1))  # boxes of 20 x 20 pixels; page r has no characters
    assert f1_by_size(found)[["least", "characters"]].to_numpy().tolist() == [[16, 5]]
    assert f1_by_size(found)["f1"].tolist() == pytest.approx([2 / 7])
    assert f1_by_density(found)[["least", "characters"]].to_numpy().tolist() == [[1, 5]]
    assert f1_by_density(found)["f1"].tolist() == pytest.approx([2 / 6])  # what was read on page r belongs to none


def test_names_of_groups() -> None:
    assert group_names([0, 1, 3, 3000], FREQUENCIES) == ["none", "1-2", "3-9", "3000 and more"]
    assert group_names([0, 12], SIZES) == ["up to 11", "12-15"]


@pytest.mark.parametrize(
    ("share", "n", "expected"),
    [
        (0.5, 10, (0.2366, 0.7634)),  # Wilson's interval of 5 in 10
        (1.0, 1, (0.2065, 1.0)),  # one of one says little
        (0.0, 0, (0.0, 1.0)),  # nothing says nothing
    ],
)
def test_intervals(share: float, n: int, expected: tuple[float, float]) -> None:
    low, high = wilson([share], [n])
    assert (low[0], high[0]) == pytest.approx(expected, abs=1e-3)
