import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.data.strokes import known_characters
from kuzushiji.demo import text
from kuzushiji.demo.text import Paragraph, spell, text_characters, texts


def pieces_of(paragraphs: Sequence[Paragraph]) -> set[str]:
    written = "".join(paragraph.text for paragraph in paragraphs)
    return {written[at : at + 8] for at in range(len(written) - 7)}


@pytest.mark.parametrize(
    ("written", "voiced", "expected"),
    [
        ("いづれの御時にか", 0.0, {"いつれの御時にか"}),  # a book that writes no voicing marks
        ("いづれの御時にか", 1.0, {"いづれの御時にか"}),
        ("ここ", 1.0, {"ここ", "こゝ"}),
        ("人人", 1.0, {"人人", "人々"}),
        ("つれつれ", 1.0, {"つれつれ", "つれ〱"}),
        ("すず", 1.0, {"すず", "すゞ"}),
        ("", 1.0, {""}),
    ],
)
def test_spelling(written: str, voiced: float, expected: set[str]) -> None:
    found = {spell(written, np.random.default_rng(seed), voiced=voiced) for seed in range(20)}
    assert found == expected


def test_texts_are_long_enough_that_no_demo_says_a_thing_twice() -> None:
    written = "".join(paragraph.text for text in texts() for paragraph in text)
    assert len(written) >= 60_000
    assert set(written) <= set(known_characters())
    assert {paragraph.kind for text in texts() for paragraph in text} == {"prose", "poem"}
    assert all(paragraph.text for text in texts() for paragraph in text)


def test_each_file_names_its_text_and_says_whether_it_is_a_work_of_before_1900() -> None:
    for path in Path(text.__file__).with_name("texts").glob("*.txt"):
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        title, authors, year, kind = header.removeprefix("# ").split(" | ")
        assert header.startswith("# ") and title and authors and kind in ("work", "manner"), path
        assert max(int(number) for number in re.findall(r"\d+", year)) < 1900, path
        assert not any(line.startswith("#") for line in lines), path


def test_no_two_texts_share_a_passage() -> None:
    """Eight characters in a row are in two texts only as a formula: the bound is three times what there is."""
    seen = [pieces_of(text) for text in texts()]
    shared = sum(len(one & other) for one, other in combinations(seen, 2))
    assert shared < 0.001 * sum(map(len, seen))


def test_characters_of_the_texts_come_by_frequency() -> None:
    characters = text_characters()
    assert len(characters) == len(set(characters)) > 500
    assert "の" in characters[:5]
    assert {"ゝ", "々", "〱", "か", "が"} <= set(characters)
