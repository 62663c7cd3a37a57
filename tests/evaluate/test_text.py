"""The character error rate: hand-worked lines, and the same as jiwer's."""

from collections import Counter

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuzushiji.errors import InputError
from kuzushiji.evaluate.measures import MAX_TEXT, score_text

CASES = {
    # truth, read, edits of each true line, confusions
    "the same": (["あい", "う"], ["あい", "う"], [0, 0], {}),
    "other lines, same text": (["あい", "う"], ["あ", "いう"], [0, 0], {}),
    "substituted": (["あい", "う"], ["あえ", "う"], [1, 0], {("い", "え"): 1}),
    "missed at the end of a line": (["あい", "う"], ["あ", "う"], [1, 0], {("い", None): 1}),
    "a line missed": (["あい", "う"], ["あい"], [0, 1], {("う", None): 1}),
    "invented between lines": (["あい", "う"], ["あい", "んう"], [1, 0], {(None, "ん"): 1}),
    "invented before all": (["あい"], ["んあい"], [1], {(None, "ん"): 1}),
    "nothing read": (["あい"], [], [2], {("あ", None): 1, ("い", None): 1}),
    "nothing there": ([], ["あ"], [], {(None, "あ"): 1}),
    "nothing at all": ([], [], [], {}),
    "lines exchanged": (["あい", "うえ"], ["うえ", "あい"], None, None),
}


@pytest.mark.parametrize(("truth", "read", "edits", "confusions"), CASES.values(), ids=CASES)
def test_case(
    truth: list[str], read: list[str], edits: list[int] | None, confusions: dict[tuple[str, str], int] | None
) -> None:
    score = score_text(truth, read, "p")
    assert score.characters == len("".join(truth))
    if edits is None:
        assert score.edits == 4
        return
    assert [line.edits for line in score.lines] == edits
    assert score.confusions == Counter(confusions)
    assert score.edits == sum((confusions or {}).values())


lines = st.lists(st.text(st.sampled_from("あいうえ"), min_size=1, max_size=8), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(lines, lines), min_size=1, max_size=4))
def test_same_as_jiwer(pages: list[tuple[list[str], list[str]]]) -> None:
    scores = [score_text(truth, read, "p") for truth, read in pages]
    edits, characters = sum(score.edits for score in scores), sum(score.characters for score in scores)
    expected = jiwer.cer(["".join(truth) for truth, _ in pages], ["".join(read) for _, read in pages])
    assert edits / characters == pytest.approx(expected)
    for score, (truth, _) in zip(scores, pages, strict=True):
        assert sum(line.edits for line in score.lines) == score.edits == sum(score.confusions.values())
        assert [line.truth for line in score.lines] == truth


def test_what_was_read_is_divided_among_the_lines() -> None:
    random = np.random.default_rng(0)
    truth = ["".join(random.choice(list("あいうえおかき"), 9)) for _ in range(6)]
    read = "".join(char for char in "".join(truth) if random.random() > 0.1)
    assert "".join(line.read for line in score_text(truth, [read], "p").lines) == read


def test_a_text_that_is_too_long() -> None:
    with pytest.raises(InputError, match="page p: expected at most 50,000 characters, got 50,001"):
        score_text(["あ" * (MAX_TEXT + 1)], [], "p")
