"""Crops of pages: where they lie, what becomes of the boxes, that image and boxes stay together."""

import numpy as np
import pytest

from kuzushiji.imaging.window import Window, cut, resize
from kuzushiji.segment.transforms import CropSpec, cut_boxes, inference_size, random_window

REFERENCE = CropSpec(long_side=2048, min_height=400, max_height=533, out_width=512, out_height=384)


def windows(page_width: int, page_height: int, spec: CropSpec, n: int = 300) -> list[Window]:
    rng = np.random.default_rng(0)
    return [random_window(rng, page_width, page_height, spec) for _ in range(n)]


def test_window_of_the_reference() -> None:
    """On a page of long side 4096 a scaled pixel is 2 pixels: heights 800 to 1066, width to height 4:3."""
    found = windows(2400, 4096, REFERENCE)
    heights = {window.height for window in found}
    assert (min(heights), max(heights)) == (800, 1066)
    assert all(abs(window.width - window.height * 4 / 3) <= 1.5 for window in found)  # both sides are even


def test_windows_lie_within_the_page_and_reach_all_its_edges() -> None:
    found = windows(2400, 4096, REFERENCE, 3000)
    assert all(window.x0 >= 0 and window.x1 <= 2400 for window in found)
    assert all(window.y0 >= 0 and window.y1 <= 4096 for window in found)
    assert min(window.x0 for window in found) < 20
    assert max(window.y1 for window in found) > 4076


@pytest.mark.parametrize(
    ("page_width", "page_height"),
    [
        (100, 2000),  # a strip: its window is wider than the page
        (1, 1),  # a page of one pixel
    ],
)
def test_a_window_larger_than_the_page_contains_it(page_width: int, page_height: int) -> None:
    for window in windows(page_width, page_height, REFERENCE):
        assert window.x0 <= 0
        assert window.x1 >= page_width


SPEC = CropSpec(long_side=1000, min_height=80, max_height=80, out_width=200, out_height=160, min_visible=0.5)
WINDOW = Window(100, 200, 200, 280)  # doubled in the result


@pytest.mark.parametrize(
    ("box_xyxy", "expected"),
    [
        ([110, 210, 130, 220], [20, 20, 60, 40]),  # inside
        ([100, 200, 200, 280], [0, 0, 200, 160]),  # the window itself
        ([90, 210, 110, 220], [0, 20, 20, 40]),  # just half of it is visible: stays, cut
        ([89, 210, 110, 220], None),  # less than half
        ([90, 190, 110, 210], None),  # a quarter, in the corner
        ([0, 0, 50, 50], None),  # elsewhere
        ([110, 210, 110, 220], None),  # no width
        ([50, 100, 250, 380], None),  # larger than the window, 14 % visible
    ],
)
def test_cut_boxes(box_xyxy: list[float], expected: list[float] | None) -> None:
    found = cut_boxes(np.array([box_xyxy], dtype=np.float64), WINDOW, SPEC)
    np.testing.assert_allclose(found, np.array([expected] if expected else np.zeros((0, 4))))


def test_cut_no_boxes() -> None:
    assert cut_boxes(np.zeros((0, 4)), WINDOW, SPEC).shape == (0, 4)


def test_image_and_box_stay_together() -> None:
    """A white box on black is found in the crop where its coordinates say."""
    page = np.zeros((400, 300, 3), dtype=np.uint8)
    page[220:250, 120:170] = 255
    crop = resize(cut(page, WINDOW), SPEC.out_width, SPEC.out_height)
    assert crop.shape == (160, 200, 3)
    ((left, top, right, bottom),) = cut_boxes(np.array([[120.0, 220, 170, 250]]), WINDOW, SPEC)
    rows, columns = np.nonzero(crop[:, :, 0] > 127)
    np.testing.assert_allclose(
        [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], [left, top, right, bottom], atol=1
    )


@pytest.mark.parametrize(
    ("page_width", "page_height", "size"),
    [
        (2400, 4096, (987, 1685)),  # upright
        (4096, 2400, (1685, 987)),  # lying
        (100, 100, (1685, 1685)),  # small pages grow
        (1, 5000, (1, 1685)),  # never less than a pixel
    ],
)
def test_inference_size(page_width: int, page_height: int, size: tuple[int, int]) -> None:
    assert inference_size(page_width, page_height, 1685) == size
