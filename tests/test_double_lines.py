"""Two lines of half width within a column: read right, left, then on below; ordinary columns are none."""

import numpy as np
import pytest

from kuzushiji.double_lines import double_lines
from kuzushiji.layout import layout_of_page

Box = tuple[float, float, float, float]


def line(x: float, top: float, n: int, size: float) -> list[Box]:
    """Return a column whose left edge is at x, from the top."""
    return [(x, top + 1.1 * size * i, size, size) for i in range(n)]


HEAD, TAIL = line(500, 100, 3, 60), line(500, 600, 3, 60)
RIGHT, LEFT = line(532, 310, 8, 28), line(500, 310, 6, 28)
NEXT = line(400, 100, 12, 60)

PAGES = {
    "between large characters": ([*HEAD, *RIGHT, *LEFT, *TAIL, *NEXT], [[*range(3, 17)]]),
    "at the end of a column": ([*HEAD, *RIGHT, *LEFT, *NEXT], [[*range(3, 17)]]),
    "at its beginning": ([*RIGHT[:6], *LEFT, *TAIL, *NEXT], [[*range(12)]]),
    "the left one longer": ([*HEAD, *RIGHT[:5], *LEFT, *TAIL, *NEXT], [[*range(3, 14)]]),
    "a column of half lines alone": ([*line(532, 100, 12, 28), *line(500, 100, 12, 28), *NEXT], []),
    "ordinary columns": ([*line(600, 100, 9, 60), *line(500, 100, 9, 60), *NEXT], []),
    "one small character beside another": ([*HEAD, RIGHT[0], LEFT[0], *line(500, 360, 4, 60), *NEXT], []),
    "a small column between large ones": ([*line(600, 100, 9, 60), *line(565, 100, 9, 28), *HEAD, *NEXT], []),
    "no characters": ([], []),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_half_lines(page: str, seed: int) -> None:
    boxes, pairs = PAGES[page]
    shuffled = np.random.default_rng(seed).permutation(len(boxes))
    found = double_lines(np.array(boxes, float).reshape(-1, 4)[shuffled])
    assert sorted(shuffled[np.concatenate(pair)].tolist() for pair in found) == pairs


@pytest.mark.parametrize("page", ["between large characters", "at its beginning", "the left one longer"])
def test_half_lines_are_read_within_their_column(page: str) -> None:
    boxes, _ = PAGES[page]
    layout = layout_of_page(np.array(boxes, float), 800)
    assert layout.order.tolist() == list(range(len(boxes)))
    assert layout.n_columns == 2


def test_any_boxes_are_in_one_pair_at_most() -> None:
    random = np.random.default_rng(0)
    for n in (1, 2, 5, 60, 300):
        boxes = np.concatenate([random.uniform(0, 500, (n, 2)), random.uniform(0, 60, (n, 2))], axis=1)
        found = double_lines(boxes)
        used = [i for pair in found for half in pair for i in half.tolist()]
        assert len(used) == len(set(used))
        assert not double_lines(np.tile(boxes[:1], (n, 1)))  # the same box many times
