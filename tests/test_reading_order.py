"""Reading order: pages drawn as a few boxes, with the order in which a reader takes them."""

import numpy as np
import pytest

from kuzushiji.reading_order import reading_order

PAGES = [
    # One box.
    ([(50, 10, 20, 20)], [0], [0]),
    # Two columns: the right one first, each from the top; boxes given in another order.
    ([(10, 50, 20, 20), (60, 50, 20, 20), (10, 10, 20, 20), (60, 10, 20, 20)], [3, 1, 2, 0], [1, 0, 1, 0]),
    # A leaning column: each box a little to the left of the one above, the last far left of the first.
    ([(100 - 8 * i, 30 * i, 20, 20) for i in range(6)], [0, 1, 2, 3, 4, 5], [0] * 6),
    # A narrow and a wide character in one column.
    ([(50, 10, 40, 30), (63, 50, 12, 10), (48, 70, 44, 30)], [0, 1, 2], [0, 0, 0]),
    # A blank of several characters does not end the column.
    ([(50, 10, 20, 20), (52, 300, 20, 20), (10, 100, 20, 20)], [0, 1, 2], [0, 0, 1]),
    # Columns that begin at different heights.
    ([(60, 100, 20, 20), (10, 10, 20, 20), (10, 40, 20, 20)], [0, 1, 2], [0, 1, 1]),
    # The same box twice: both are read, neither hangs.
    ([(50, 10, 20, 20), (50, 10, 20, 20)], [0, 1], [0, 1]),
    # Boxes of no area.
    ([(50, 10, 0, 0), (50, 30, 0, 0)], [0, 1], [0, 0]),
]


@pytest.mark.parametrize(("boxes", "order", "column"), PAGES)
def test_pages(boxes, order, column):
    found = reading_order(np.array(boxes, float))
    assert found.order.tolist() == order
    assert found.column.tolist() == column


def test_page_without_boxes():
    found = reading_order(np.zeros((0, 4)))
    assert [len(part) for part in (found.order, found.column, found.place, found.above, found.below)] == [0] * 5


def test_neighbours_and_places():
    found = reading_order(np.array([(60, 10, 20, 20), (60, 40, 20, 20), (60, 70, 20, 20), (10, 10, 20, 20)], float))
    assert found.place.tolist() == [0, 1, 2, 0]
    assert found.above.tolist() == [-1, 0, 1, -1]
    assert found.below.tolist() == [1, 2, -1, -1]


def test_order_does_not_depend_on_the_order_of_the_boxes():
    rng = np.random.default_rng(0)
    boxes = np.array([(1000 - 80 * c + rng.normal(0, 4), 90 * r + rng.normal(0, 5), 60, 70)
                      for c in range(8) for r in range(12)])  # fmt: skip
    shuffled = rng.permutation(len(boxes))
    found = reading_order(boxes[shuffled])
    assert shuffled[found.order].tolist() == list(range(len(boxes)))
    assert found.column.max() == 7


def test_every_box_is_read_once():
    rng = np.random.default_rng(1)
    for n in (2, 3, 17, 200):
        boxes = np.concatenate([rng.uniform(0, 500, (n, 2)), rng.uniform(0, 60, (n, 2))], axis=1)
        found = reading_order(boxes)
        assert sorted(found.order.tolist()) == list(range(n))
        assert found.column.min() == 0
        assert np.array_equal(np.unique(found.column), np.arange(found.column.max() + 1))
