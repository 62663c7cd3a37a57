import numpy as np
import pytest

from kuzushiji.demo.hand import Hand, draw_hand, make_glyph, write_character
from kuzushiji.demo.variants import Shape

NO = Shape("の", parent=False, marks="")
KA = Shape("可", parent=True, marks="")
VOICED = Shape("可", parent=True, marks="が")


def hand(seed: int = 0) -> Hand:
    return draw_hand(np.random.default_rng(seed), printed=True)


def test_the_same_seed_writes_the_same() -> None:
    first, second = (write_character(hand(), NO, 40, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.widths, second.widths)


def test_hands_and_instances_differ() -> None:
    one, other = hand(1), hand(2)
    glyphs = [
        write_character(writer, NO, 40, np.random.default_rng(seed))
        for writer, seed in ((one, 1), (one, 2), (other, 1))
    ]
    sizes = {glyph.points.tobytes() for glyph in glyphs}
    assert len(sizes) == 3


@pytest.mark.parametrize("shape", [NO, KA, VOICED, Shape("響", parent=False, marks="")])
@pytest.mark.parametrize("size", [12.0, 40.0, 180.0])
def test_bounds_hold_the_ink_and_scale_with_the_size(shape: Shape, size: float) -> None:
    glyph = write_character(hand(), shape, size, np.random.default_rng(3))
    half = glyph.widths[:, None] / 2
    low, high = (glyph.points - half).min(axis=0), (glyph.points + half).max(axis=0)
    np.testing.assert_allclose(glyph.bounds, [*low, *high], rtol=1e-5)
    assert 0.3 * size < glyph.height < 1.7 * size


def test_a_parent_is_written_with_fewer_separate_strokes_than_the_kanji() -> None:
    kanji = write_character(hand(), Shape("遠", parent=False, marks=""), 40, np.random.default_rng(3))
    parent = write_character(hand(), Shape("遠", parent=True, marks=""), 40, np.random.default_rng(3))
    assert len(parent.starts) < len(kanji.starts) or len(parent.points) < len(kanji.points)


def test_the_brush_leaves_a_voiced_kana_from_its_body_and_not_from_its_marks() -> None:
    glyph = write_character(hand(), VOICED, 40, np.random.default_rng(3))
    assert glyph.leave + 1 in glyph.starts
    plain = write_character(hand(), KA, 40, np.random.default_rng(3))
    assert plain.leave == len(plain.points) - 1


def test_drawn_out_downwards() -> None:
    low, tall = (write_character(hand(), NO, 40, np.random.default_rng(3), tall) for tall in (1.0, 2.0))
    assert tall.height > 1.6 * low.height


def test_a_glyph_of_one_point_has_bounds() -> None:
    glyph = make_glyph(np.zeros((1, 2), dtype=np.float32), np.full(1, 4, dtype=np.float32))
    assert glyph.bounds == (-2, -2, 2, 2)
    assert glyph.leave == 0
