import numpy as np
import pytest

from kuzushiji.data.strokes import strokes_of
from kuzushiji.demo.variants import PARENTS, PLAIN, Shape, choose_shape, draw_preferences


def only(kana: str, number: int) -> dict[str, tuple[float, ...]]:
    """Preferences of a book that always writes shape `number` of `kana`."""
    return {kana: tuple(float(at == number) for at in range(1 + len(PARENTS[kana])))}


@pytest.mark.parametrize(
    ("character", "preferences", "shape"),
    [
        ("か", only("か", 0), Shape("か", parent=False, marks="")),
        ("か", only("か", 1), Shape("可", parent=True, marks="")),
        ("か", only("か", 2), Shape("加", parent=True, marks="")),
        ("が", only("か", 1), Shape("可", parent=True, marks="が")),  # the parent's cursive with voicing marks
        ("が", only("か", 0), Shape("か", parent=False, marks="が")),
        ("御", {}, Shape("御", parent=False, marks="")),  # a kanji is written as itself
        ("〱", {}, Shape("〱", parent=False, marks="")),
    ],
)
def test_the_shape_follows_the_books_preferences(
    character: str, preferences: dict[str, tuple[float, ...]], shape: Shape
) -> None:
    assert choose_shape(character, preferences, np.random.default_rng(0)) == shape


def test_every_shape_can_be_drawn() -> None:
    for kana, parents in PARENTS.items():
        for character in kana + parents:
            assert strokes_of(character)
    for voiced in PLAIN:
        assert strokes_of(voiced)


def test_the_table_has_the_parents_that_every_reader_knows() -> None:
    expected = {"か": "可", "に": "尓", "な": "奈那", "は": "者", "き": "支起", "し": "志", "す": "春寿", "を": "越遠"}
    for kana, parents in expected.items():
        assert set(parents) <= set(PARENTS[kana]), kana


def test_proportions_differ_from_book_to_book() -> None:
    first, second = (draw_preferences(np.random.default_rng(seed)) for seed in (1, 2))
    assert first != second
    for preferences in (first, second):
        assert all(sum(shares) == pytest.approx(1) for shares in preferences.values())
