"""Which pages of a book the measurement of fine-tunings learns from, and which it measures."""

from collections import Counter

import pytest

from benchmarks.finetune_pages import f1, plan


@pytest.mark.parametrize(
    ("exact", "placed", "count", "runs"),
    [
        ("abcd", "PQ", 0, [("", "abcd")]),
        ("abcd", "PQ", 2, [("cd", "ab"), ("ab", "cd")]),
        ("abcd", "PQ", 5, [("bcdPQ", "a"), ("cdaPQ", "b"), ("dabPQ", "c"), ("abcPQ", "d")]),
        ("abc", "PQ", 4, [("bcPQ", "a"), ("caPQ", "b"), ("abPQ", "c")]),
        ("abc", "PQ", 5, []),  # it has no sixth page
        ("a", "PQ", 2, [("PQ", "a")]),
        ("", "PQRS", 1, [("R", "PQ"), ("P", "RS")]),  # no exact page: the text of the others is measured
        ("a", "", 1, []),
    ],
)
def test_each_exact_page_is_measured_once_and_not_learned_from(
    exact: str, placed: str, count: int, runs: list[tuple[str, str]]
) -> None:
    assert [("".join(learned), "".join(measured)) for learned, measured in plan(exact, placed, count)] == runs


def test_counts_of_several_pages_make_one_f1() -> None:
    pages = [Counter({"boxes hits": 2, "boxes all": 4}), Counter({"boxes all": 4})]
    assert f1(sum(pages, Counter()), "boxes") == 0.25 and f1(Counter(), "boxes") is None
