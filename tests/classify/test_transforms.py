"""Crops: which boxes stay, and that boxes follow their pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuzushiji.classify.transforms import CropRecipe, boxes_in, clip_to, draw_crop, jitter_boxes, visible_share
from kuzushiji.imaging.window import Window, cut, resize

WINDOW = Window(10, 20, 110, 220)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((20, 30, 40, 50), 1.0),
        ((10, 20, 110, 220), 1.0),  # the window itself
        ((0, 30, 20, 50), 0.5),  # half over the left edge
        ((0, 10, 20, 30), 0.25),  # over a corner
        ((0, 0, 10, 10), 0.0),
        ((200, 300, 210, 310), 0.0),
        ((9.9, 30, 19.9, 40), 0.99),  # just kept at 99 %
    ],
)
def test_visible_share(box: tuple[float, float, float, float], share: float) -> None:
    assert visible_share(boxes(box), WINDOW).tolist() == [pytest.approx(share, abs=1e-6)]


def test_no_boxes() -> None:
    assert visible_share(boxes(), WINDOW).shape == (0,)
    assert clip_to(boxes(), WINDOW).shape == (0, 4)
    assert boxes_in(boxes(), WINDOW, 50, 100).shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 110, 220), (0, 0, 50, 100)),  # the window becomes the crop
        ((20, 40, 30, 60), (5, 10, 10, 20)),
        ((0, 0, 10, 20), (-5, -10, 0, 0)),
    ],
)
def test_boxes_in_the_window(box: tuple[float, float, float, float], expected: tuple[float, ...]) -> None:
    assert boxes_in(boxes(box), WINDOW, 50, 100).tolist() == [list(expected)]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    page=st.tuples(st.integers(40, 400), st.integers(40, 600)),
    crop=st.tuples(st.integers(16, 128), st.integers(16, 128)),
    places=st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=5),
)
def test_every_crop_has_a_box(
    seed: int, page: tuple[int, int], crop: tuple[int, int], places: list[tuple[float, ...]]
) -> None:
    """Whatever the page and the box: boxes larger than the crop, at the page's edge, pages smaller than the crop."""
    width, height = page
    table = boxes()
    for x, y, w, h in places:
        x0, y0 = x * (width - 1), y * (height - 1)
        table = np.concatenate([table, boxes((x0, y0, x0 + 1 + w * (width - 1 - x0), y0 + 1 + h * (height - 1 - y0)))])
    recipe = CropRecipe(width=crop[0], height=crop[1], page_height=200)
    window, kept = draw_crop(np.random.default_rng(seed), table, width, height, recipe)
    assert len(kept)
    assert (visible_share(table[kept], window) >= recipe.min_visible).all()


def test_a_lone_box_is_found_on_a_large_page() -> None:
    """Nearly every window of this page is empty: one is laid around the box, at the nominal scale's range."""
    recipe = CropRecipe(width=64, height=64, page_height=4000, scale_aug=0.3)
    lone = boxes((3000, 3900, 3030, 3930))
    for seed in range(20):
        window, kept = draw_crop(np.random.default_rng(seed), lone, 4000, 4000, recipe)
        assert kept.tolist() == [0]
        assert 64 / 1.3 - 1 <= window.x1 - window.x0 <= 64 / 0.7 + 1


def test_scale_varies_as_told() -> None:
    recipe = CropRecipe(width=100, height=100, page_height=1000, scale_aug=0.3)
    everywhere = boxes(*[(x, y, x + 5, y + 5) for x in range(0, 2000, 20) for y in range(0, 2000, 20)])
    rng = np.random.default_rng(0)
    sizes = [
        window.y1 - window.y0 for window, _ in (draw_crop(rng, everywhere, 2000, 2000, recipe) for _ in range(200))
    ]
    # The page is shrunk by 2 on average: windows measure 200 pixels of it at scale 1, 200 / 1.3 to 200 / 0.7 in all.
    assert 153 <= min(sizes) < 160 and 275 < max(sizes) <= 286


@pytest.mark.parametrize(
    "window",
    [
        Window(20, 30, 84, 126),  # inside, as large as the crop
        Window(0, 0, 128, 192),  # shrunk by 2
        Window(40, 50, 72, 98),  # enlarged by 2
        Window(-20, -30, 108, 162),  # beyond the page's corner
    ],
)
def test_boxes_follow_their_pixels(window: Window) -> None:
    page = np.full((200, 150, 3), 200, np.uint8)
    page[60:90, 48:68] = 0
    box = boxes((48, 60, 68, 90))
    crop = resize(cut(page, window), 64, 96)
    assert crop.shape == (96, 64, 3)
    x0, y0, x1, y1 = boxes_in(box, window, 64, 96)[0]
    dark = np.zeros((96, 64), bool)
    dark[round(y0) : round(y1), round(x0) : round(x1)] = True
    beyond = resize(cut(np.ones_like(page), window), 64, 96)[..., 0] == 0
    assert crop[dark].mean() < 20
    assert crop[~dark & ~beyond].mean() > 190
    assert (crop[beyond] == 0).all()


def test_jitter_moves_edges_a_little() -> None:
    box = boxes((100, 100, 140, 180))
    moved = np.concatenate([jitter_boxes(np.random.default_rng(seed), box, 0.05) for seed in range(300)])
    shifts = (moved - box) / np.array([40, 80, 40, 80])
    assert np.abs(shifts.mean(axis=0)).max() < 0.01
    assert shifts.std(axis=0) == pytest.approx([0.05] * 4, rel=0.2)
    assert np.abs(shifts).max() <= 0.25
    assert jitter_boxes(np.random.default_rng(0), box, 0) is box  # off: nothing is drawn, boxes stay frozen
