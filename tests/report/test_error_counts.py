import numpy as np
import pytest

from kuzushiji.data.labels import SEG_FP
from kuzushiji.metric import Counts, score_points
from kuzushiji.report.error_counts import ErrorCounts, confused_pairs, count_errors
from kuzushiji.scoring import points_of
from tests.report.outcomes import A, B, labels, outcome

Row = tuple[str, int, str, float]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # nothing found
        ([], {"no_box": 5}),
        # found and read rightly
        ([("p", 0, A, 1)], {"right": 1, "no_box": 4}),
        # found and read as another
        ([("p", 0, B, 1)], {"wrong_character": 1, "no_box": 4}),
        # found and dropped
        ([("p", 0, SEG_FP, 1)], {"dropped": 1, "no_box": 4}),
        # a box where nothing is, kept
        ([("r", 0, A, 1)], {"false_box": 1, "no_box": 5}),
        # a box where nothing is, rightly dropped
        ([("p", 300, SEG_FP, 1)], {"no_box": 5}),
        # two boxes on one character: one of them is right, the other one too many
        ([("p", 0, A, 1), ("p", 2, A, 1)], {"right": 1, "second_box": 1, "no_box": 4}),
        # a second box that was dropped is no error
        ([("p", 0, A, 1), ("p", 2, SEG_FP, 1)], {"right": 1, "no_box": 4}),
        # misread once and dropped once: it was misread
        ([("p", 0, SEG_FP, 1), ("p", 2, B, 1)], {"wrong_character": 1, "no_box": 4}),
    ],
)
def test_kinds_of_error(rows: list[Row], expected: dict[str, int]) -> None:
    none = dict.fromkeys(ErrorCounts.__dataclass_fields__, 0)
    assert count_errors(outcome(*rows)) == ErrorCounts(**none | {"characters": 5} | expected)


@pytest.mark.parametrize("seed", range(20))
def test_on_random_pages_the_kinds_add_up_and_agree_with_the_metric(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = labels([(str(random.choice(list("pqr"))), str(random.choice([A, B])), 4 * x) for x in range(40)])
    rows = [
        (str(random.choice(list("pqr"))), int(random.integers(0, 170)), str(random.choice([A, B, SEG_FP])), 0.5)
        for _ in range(random.integers(0, 120))
    ]
    found = outcome(*rows, truth=truth)
    counts = count_errors(found)
    expected = score_points(truth, points_of(found.labels()))
    assert counts.right + counts.wrong_character + counts.dropped + counts.no_box == counts.characters == 40
    assert Counts(counts.right, counts.extra, counts.missed) == expected
    assert counts.read == sum(code != SEG_FP for _, _, code, _ in rows)


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
