import numpy as np
import pytest

from kuzushiji.demo.frame import Bend
from kuzushiji.demo.hand import draw_hand, make_glyph, write_character
from kuzushiji.demo.ink import Ink, coverage
from kuzushiji.demo.typesetting import Placed
from kuzushiji.demo.variants import Shape

FLAT = Bend(0.0, 0.0, (50, 50), 100.0, 100.0)


def sheet(bend: Bend = FLAT) -> Ink:
    return Ink(np.zeros((100, 100), dtype=np.uint8), np.zeros((100, 100), dtype=np.float32), bend)


def stroke(points: list[tuple[float, float]], width: float = 4.0) -> Placed:
    glyph = make_glyph(np.array(points, dtype=np.float32), np.full(len(points), width, dtype=np.float32))
    return Placed("一", glyph, 0.0, 0.0)


@pytest.mark.parametrize("width", [1.0, 4.0, 30.0])
def test_a_stroke_covers_its_width(width: float) -> None:
    glyph = stroke([(10, 50), (90, 50)], width).glyph
    cover, x, y = coverage(glyph)
    middle = cover[:, 50 - x].astype(float) / 255
    assert middle.sum() == pytest.approx(width, abs=max(0.35, 0.05 * width))  # OpenCV draws wide lines a little wider
    assert (np.arange(len(middle)) * middle).sum() / middle.sum() + y == pytest.approx(49.5, abs=0.5)


@pytest.mark.parametrize("character", ["の", "御", "し", "一"])
def test_the_box_is_tight_around_the_ink(character: str) -> None:
    ink = sheet()
    hand = draw_hand(np.random.default_rng(1), printed=True)
    glyph = write_character(hand, Shape(character, parent=False, marks=""), 60, np.random.default_rng(2))
    box = ink.put(Placed(character, glyph, 50, 50), load=1.0, dry=0.0)
    assert box is not None
    x, y, w, h = box
    rows, columns = np.nonzero(ink.black >= 96)
    assert (x, y) == (columns.min(), rows.min())
    assert (x + w - 1, y + h - 1) == (columns.max(), rows.max())


def test_ink_that_reaches_over_the_edge_has_a_box_inside_the_page() -> None:
    assert sheet().put(stroke([(-20, 50), (20, 50)]), 1.0, 0.0) == (0, 48, 22, 4)


def test_ink_outside_the_page_has_no_box() -> None:
    ink = sheet()
    assert ink.put(stroke([(-20, -50), (-10, -50)]), 1.0, 0.0) is None
    assert not ink.black.any()


def test_a_dry_brush_leaves_the_hollows_bare() -> None:
    wet, dry = sheet(), sheet()
    wet.fibre[:] = dry.fibre[:] = 1.0
    assert wet.put(stroke([(10, 50), (90, 50)]), 1.0, 0.0) == dry.put(stroke([(10, 50), (90, 50)]), 1.0, 0.8)
    assert dry.black.max() < 0.3 * wet.black.max()


def test_a_turned_sheet_turns_the_box() -> None:
    box = sheet(Bend(0.1, 0.0, (50, 50), 100.0, 100.0)).put(stroke([(10, 50), (90, 50)]), 1.0, 0.0)
    assert box is not None
    assert box[3] == pytest.approx(4 + 0.1 * 80, abs=2)


def test_flat_coordinates_undo_the_bend() -> None:
    bend = Bend(0.01, 3.0, (50, 50), 100.0, 100.0)
    x, y = bend.flat(100, 100)
    bent = bend.apply(np.array([[30, 40]], dtype=np.float32))[0]
    at = round(float(bent[1])), round(float(bent[0]))
    assert (x[at], y[at]) == (pytest.approx(30, abs=0.7), pytest.approx(40, abs=0.7))
