"""Reading order on twelve made layouts: the share of characters whose successor is right."""

import numpy as np
import pytest

from kuzushiji.layout import layout_of_page
from tests.made_layouts import LAYOUTS, successors_right

LEAST = {"captions": 0.93, "dictionary": 0.97}
"""Of captions some stand exactly below others, as if columns went on."""


@pytest.mark.parametrize("name", LAYOUTS)
def test_successors_are_right(name: str) -> None:
    right = total = 0
    for seed in range(100, 108):
        random = np.random.default_rng(seed)
        boxes = LAYOUTS[name](random)
        shuffled = random.permutation(len(boxes))
        layout = layout_of_page(boxes[shuffled], round(float((boxes[:, 0] + boxes[:, 2]).max())) + 100)
        counts = successors_right(shuffled[layout.order])
        right, total = right + counts[0], total + counts[1]
    assert right / total >= LEAST.get(name, 0.985)


def test_successors_of_a_wrong_order() -> None:
    assert successors_right(np.arange(5)) == (4, 4)
    assert successors_right(np.array([3, 4, 0, 1, 2])) == (3, 4)
    assert successors_right(np.arange(5)[::-1]) == (0, 4)
    assert [successors_right(np.arange(n)) for n in (0, 1)] == [(0, 0), (0, 0)]
