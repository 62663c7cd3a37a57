"""Windows of pages, and pictures in other sizes."""

import cv2
import numpy as np
import pytest

from kuzushiji.imaging.window import Window, cut, even, resize

PAGE = np.random.default_rng(0).integers(1, 256, (30, 20, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("window", "inner"),
    [
        (Window(2, 3, 12, 23), Window(2, 3, 12, 23)),  # inside: nothing is black
        (Window(-4, -5, 10, 10), Window(0, 0, 10, 10)),  # over a corner
        (Window(10, 20, 40, 50), Window(10, 20, 20, 30)),  # over the opposite one
        (Window(-10, -10, 50, 50), Window(0, 0, 20, 30)),  # all around the page
        (Window(25, 0, 35, 10), Window(20, 0, 20, 10)),  # beside the page: all black
    ],
)
def test_what_is_beyond_the_page_is_black(window: Window, inner: Window) -> None:
    picture = cut(PAGE, window)
    assert picture.shape == (window.height, window.width, 3)
    assert window.within(20, 30) == inner
    seen = picture[inner.y0 - window.y0 : inner.y1 - window.y0, inner.x0 - window.x0 : inner.x1 - window.x0]
    np.testing.assert_array_equal(seen, PAGE[inner.y0 : inner.y1, inner.x0 : inner.x1])
    assert np.count_nonzero(picture) == 3 * inner.width * inner.height


@pytest.mark.parametrize(("length", "expected"), [(0.2, 2), (2, 2), (2.9, 2), (3.1, 4), (99.7, 100), (101.2, 102)])
def test_even(length: float, expected: int) -> None:
    assert even(length) == expected


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (96, 64),  # the same
        (32, 16),  # halved, then a part of that
        (12, 8),  # halved thrice
        (31, 15),  # halved as far as it goes
        (80, 50),  # less than halved
        (192, 128),  # grows
        (96, 32),  # one side only
        (1, 1),
    ],
)
def test_resize_keeps_the_mean(width: int, height: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    found = resize(image, width, height)
    assert found.shape == (height, width, 3)
    assert found.dtype == np.uint8
    assert abs(found.mean() - image.mean()) < 3


@pytest.mark.parametrize("shape", [(400, 300), (401, 299)])  # even sides, odd sides
@pytest.mark.parametrize("factor", [0.3, 0.45, 0.6, 0.9])
def test_every_pixel_counts(shape: tuple[int, int], factor: float) -> None:
    """Close to the average over areas; a filter that skips pixels would see other strokes."""
    rng = np.random.default_rng(0)
    page = np.full((*shape, 3), 230, np.uint8)
    for _ in range(60):
        start, end = rng.integers(0, 300, 2), rng.integers(0, 300, 2)
        cv2.line(page, start.tolist(), end.tolist(), (30, 30, 30), 2)
    width, height = round(shape[1] * factor), round(shape[0] * factor)
    found = resize(page, width, height)
    area = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - area).mean() < 6


def test_a_shift_of_the_page_is_a_shift_of_the_picture() -> None:
    """What is drawn stays where its coordinates, multiplied by the factors, say."""
    page = np.zeros((200, 100, 3), np.uint8)
    page[80:120, 30:60] = 255
    for width, height in ((50, 100), (40, 80), (25, 50), (77, 154), (150, 300)):
        rows, columns = np.nonzero(resize(page, width, height)[..., 0] > 127)
        expected = np.array([30, 80, 60, 120]) * width / 100
        np.testing.assert_allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], expected, atol=0.6)
