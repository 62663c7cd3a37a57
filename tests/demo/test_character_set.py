import numpy as np

from kuzushiji.data.strokes import known_characters
from kuzushiji.demo.text import choose_characters, text_characters


def test_without_a_number_the_characters_are_those_of_the_texts() -> None:
    characters = choose_characters(0, None)
    assert characters.allowed == frozenset(text_characters())
    assert characters.extra == ""


def test_more_classes_than_the_texts_have() -> None:
    own = len(text_characters())
    characters = choose_characters(0, own + 300)
    assert len(characters.allowed) == own + 300
    assert len(characters.extra) == 300
    assert not set(characters.extra) & set(text_characters())
    assert set(characters.extra) <= set(known_characters())
    assert choose_characters(1, own + 300).extra != characters.extra


def test_fewer_classes_keep_the_most_frequent() -> None:
    characters = choose_characters(0, 20)
    assert characters.allowed == frozenset(text_characters()[:20])
    mixed = characters.mix("いづれの御時にか女御更衣", [], np.random.default_rng(0))
    assert set(mixed) <= characters.allowed


def test_mixing_keeps_the_text_and_carries_what_must_be_carried() -> None:
    characters = choose_characters(0, len(text_characters()) + 300)
    queue = list(characters.extra[:4])
    text = "いつれの御時にか女御更衣あまたさふらひたまひけるなかに"
    mixed = characters.mix(text, queue, np.random.default_rng(0))
    assert queue == []
    assert set(characters.extra[:4]) <= set(mixed)
    assert "".join(character for character in mixed if character not in characters.extra) == text
