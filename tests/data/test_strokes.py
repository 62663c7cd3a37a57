import numpy as np
import pytest

from kuzushiji.data.strokes import REPEAT_MARK, STEP, known_characters, strokes_of
from kuzushiji.errors import InputError


@pytest.mark.parametrize(
    ("character", "strokes"),
    [
        ("あ", 3),
        ("一", 1),
        ("が", 5),  # the voicing marks are two strokes
        ("響", 20),
        (REPEAT_MARK, 1),  # not in KanjiVG: a く drawn out
    ],
)
def test_strokes_are_those_a_child_learns(character: str, strokes: int) -> None:
    assert len(strokes_of(character)) == strokes


@pytest.mark.parametrize("character", ["の", "龍", "、"])
def test_points_lie_evenly_in_the_unit_square(character: str) -> None:
    for stroke in strokes_of(character):
        assert len(stroke) >= 2
        assert stroke.min() >= -0.02 and stroke.max() <= 1.02
        steps = np.hypot(*np.diff(stroke, axis=0).T)
        assert np.all(steps < 1.5 * STEP)


def test_the_repeat_mark_is_twice_as_tall_as_its_model() -> None:
    assert np.ptp(strokes_of(REPEAT_MARK)[0][:, 1]) == pytest.approx(2 * np.ptp(strokes_of("く")[0][:, 1]), rel=0.05)


def test_known_characters_are_sorted_and_in_the_basic_plane() -> None:
    known = known_characters()
    assert list(known) == sorted(set(known))
    assert len(known) > 6000
    assert max(map(ord, known)) <= 0xFFFF
    assert {"あ", "々", "ゝ", REPEAT_MARK, "龍"} <= set(known)


def test_a_character_without_strokes_is_an_input_error() -> None:
    with pytest.raises(InputError, match="strokes of '☃'"):
        strokes_of("☃")
