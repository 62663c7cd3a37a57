import numpy as np
import pytest

from kuzushiji.demo.strokes import known_characters
from kuzushiji.demo.text import paragraphs_from, spell, text_characters, texts


@pytest.mark.parametrize(
    ("text", "voiced", "expected"),
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
def test_spelling(text: str, voiced: float, expected: set[str]) -> None:
    found = {spell(text, np.random.default_rng(seed), voiced=voiced) for seed in range(20)}
    assert found == expected


def test_texts_are_several_thousand_characters_that_can_all_be_drawn() -> None:
    written = "".join(paragraph.text for text in texts() for paragraph in text)
    assert len(written) > 5000
    assert set(written) <= set(known_characters())
    assert {paragraph.kind for text in texts() for paragraph in text} == {"prose", "poem"}


def test_characters_of_the_texts_come_by_frequency() -> None:
    characters = text_characters()
    assert len(characters) == len(set(characters)) > 500
    assert "の" in characters[:5]
    assert {"ゝ", "々", "〱", "か", "が"} <= set(characters)


def test_paragraphs_never_end_and_depend_on_the_seed() -> None:
    def some(seed: int) -> list[str]:
        source = paragraphs_from(np.random.default_rng(seed))
        return [next(source).text for _ in range(200)]

    assert some(1) == some(1)
    assert some(1) != some(2)
