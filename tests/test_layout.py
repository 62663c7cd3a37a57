"""Layout: pages drawn as a few boxes; what is text, what is furigana, what stands at the page's edge."""

import numpy as np
import pytest

from kuzushiji.layout import EDGE, FURIGANA, NO_COLUMN, TEXT, layout_of_page

WIDTH = 1000


def column(x: float, n: int = 8, *, size: float = 60, top: float = 100, pitch: float = 70) -> list[tuple[float, ...]]:
    """Return the boxes of a column whose left edge is at x."""
    return [(x, top + pitch * i, size, size) for i in range(n)]


def roles(boxes: list[tuple[float, ...]], width: int = WIDTH) -> list[str]:
    return layout_of_page(np.array(boxes, float), width).role.tolist()


TEXT_COLUMNS = [*column(800), *column(650), *column(500)]


def test_page_without_characters() -> None:
    layout = layout_of_page(np.zeros((0, 4)), WIDTH)
    assert [len(part) for part in (layout.role, layout.column, layout.order)] == [0, 0, 0]
    assert layout.n_columns == 0


def test_columns_from_right_to_left() -> None:
    layout = layout_of_page(np.array(TEXT_COLUMNS[::-1], float), WIDTH)
    assert set(layout.role) == {TEXT}
    assert layout.order.tolist() == list(range(23, -1, -1))
    assert layout.n_columns == 3
    assert layout.members(0).tolist() == list(range(23, 15, -1))


@pytest.mark.parametrize("side_gap", [0, 6, 15])
def test_small_characters_beside_a_column_are_furigana(side_gap: float) -> None:
    readings = [(650 + 60 + side_gap, 170 + 24 * i, 22, 22) for i in range(3)]
    layout = layout_of_page(np.array([*TEXT_COLUMNS, *readings], float), WIDTH)
    assert layout.role.tolist() == [TEXT] * 24 + [FURIGANA] * 3
    assert layout.members(1).tolist() == list(range(8, 16))
    assert layout.members(1, FURIGANA).tolist() == [24, 25, 26]
    assert layout.order.tolist() == list(range(27))


def test_furigana_do_not_part_or_join_columns() -> None:
    readings = [(x + 62, y, 20, 20) for x in (800, 650, 500) for y in (110, 132, 320, 342)]
    layout = layout_of_page(np.array([*TEXT_COLUMNS, *readings], float), WIDTH)
    assert layout.n_columns == 3
    assert [len(layout.members(c)) for c in range(3)] == [8, 8, 8]
    assert [len(layout.members(c, FURIGANA)) for c in range(3)] == [4, 4, 4]


def test_small_character_in_a_line_is_text() -> None:
    """A small kana between large ones, and a small one at the end of its column."""
    boxes = [*column(800), (665, 100, 60, 60), (680, 168, 25, 25), (665, 200, 60, 60), (665, 270, 60, 60),
             (683, 338, 24, 24), *column(500)]  # fmt: skip
    assert set(roles(boxes)) == {TEXT}


def test_small_character_of_a_dense_page_is_text() -> None:
    """Columns so near that a small kana of one stands right beside the large characters of the next."""
    boxes = [*column(635), *column(570), (710, 100, 58, 60), (716, 165, 34, 36), (708, 205, 60, 60), *column(500)]
    assert set(roles(boxes)) == {TEXT}


def test_note_in_small_characters_below_a_heading_is_text() -> None:
    """Small characters in a column of their own beside nothing."""
    note = [(700, 400 + 30 * i, 26, 26) for i in range(12)]
    boxes = [*column(800), (700, 100, 60, 60), (700, 170, 60, 60), *note, *column(560)]
    assert set(roles(boxes)) == {TEXT}


def test_page_of_headings_with_notes_is_text() -> None:
    """Most of the page is small: the few large characters make no furigana of what stands beside them."""
    notes = [(x, 100 + 32 * i, 28, 28) for x in (660, 620, 580) for i in range(20)]
    assert set(roles([(700, 100, 80, 80), (700, 190, 80, 80), *notes])) == {TEXT}


EDGES = [
    # A strip of the neighbour page, cut off by the picture's edge.
    [(0, 100 + 70 * i, 30, 60) for i in range(8)],
    [(WIDTH - 28, 100 + 70 * i, 28, 60) for i in range(8)],
    # Whole characters of the neighbour page near the edge, far from the text.
    [(5, 100 + 70 * i, 45, 60) for i in range(8)],
    # The title on the fold, in small characters.
    [(30, 200 + 30 * i, 22, 24) for i in range(5)],
    # A single stray character.
    [(2, 500, 20, 40)],
]


@pytest.mark.parametrize("strip", EDGES)
def test_strip_at_the_edge_is_not_text(strip: list[tuple[float, ...]]) -> None:
    text = [box for x in range(800, 200, -100) for box in column(x)]
    layout = layout_of_page(np.array([*text, *strip], float), WIDTH)
    assert layout.role.tolist() == [TEXT] * len(text) + [EDGE] * len(strip)
    assert layout.column[len(text) :].tolist() == [NO_COLUMN] * len(strip)
    assert layout.n_columns == 6
    assert layout.order.tolist()[-len(strip) :] == list(range(len(text), len(text) + len(strip)))


def test_whole_column_beside_a_cut_one_is_of_the_neighbour_page() -> None:
    """The photograph shows a column of the neighbour page and a half; its columns are as far apart as the text's."""
    text = [box for x in range(800, 90, -70) for box in column(x)]
    strip = [*[(0, 100 + 70 * i, 20, 60) for i in range(3)], *[(30, 100 + 70 * i, 50, 60) for i in range(8)]]
    assert roles([*text, *strip]) == [TEXT] * len(text) + [EDGE] * len(strip)
    assert set(roles([*text, *strip[3:]])) == {TEXT}


def test_text_that_begins_near_the_edge_is_text() -> None:
    """Columns at their usual distance up to the edge, whole and of full size."""
    assert set(roles([box for x in range(4, 930, 95) for box in column(x)])) == {TEXT}


def test_single_column_at_the_edge_is_text() -> None:
    assert set(roles(column(10))) == {TEXT}


def test_every_character_stands_once_in_the_order() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 40, 400):
        boxes = np.concatenate([rng.uniform(0, 950, (n, 2)), rng.uniform(2, 60, (n, 2))], axis=1)
        layout = layout_of_page(boxes, WIDTH)
        assert sorted(layout.order.tolist()) == list(range(n))
        of_columns = [layout.members(c, role) for c in range(layout.n_columns) for role in (TEXT, FURIGANA)]
        assert sum(map(len, of_columns)) + int((layout.role == EDGE).sum()) == n


def lines_of(columns: list[list[tuple[float, ...]]], seed: int = 0) -> list[list[tuple[float, ...]]]:
    """Return the columns that the layout makes of these, given in any order."""
    boxes = [box for members in columns for box in members]
    shuffled = [boxes[i] for i in np.random.default_rng(seed).permutation(len(boxes))]
    layout = layout_of_page(np.array(shuffled, float), WIDTH)
    return [[shuffled[i] for i in layout.members(number)] for number in range(layout.n_columns)]


UPPER = [column(x, 6) for x in (840, 760, 680, 600)]
LOWER = [column(x, 6, top=700) for x in (840, 760, 680, 600)]
NEXT_UPPER, NEXT_LOWER = ([[(x - 480, *rest) for x, *rest in line] for line in part] for part in (UPPER, LOWER))


@pytest.mark.parametrize(
    "columns",
    [
        [*UPPER],
        [*UPPER, *LOWER],  # two registers
        [*UPPER, *LOWER, *(column(x, 6, top=1300) for x in (800, 700, 600))],  # three
        [*UPPER, *(column(x, 5, top=690, size=50) for x in (820, 745, 670, 595, 520))],  # of different columns
        [*UPPER, *LOWER, *NEXT_UPPER, *NEXT_LOWER],  # two pages, each in two registers
        [*UPPER, *NEXT_UPPER],  # two pages
        [column(800, 12), *(column(x, n, top=170) for x, n in ((700, 9), (600, 11), (500, 3)))],  # of any length
        [[*column(x, 4), *column(x, 4, top=600)] for x in (800, 700)],  # two columns with a blank each: no registers
        [[*column(800, 6), *column(800, 2, top=700)], *UPPER[1:]],  # one column goes on further down
        [[*column(x, 1), *column(x, 8, top=300)] for x in (800, 700, 600, 500)],  # a mark above each column
        [[*column(x, 8), *column(x, 1, top=800)] for x in (800, 700, 600, 500)],  # a number below each
        [column(800, 8), column(650, 4, size=30, pitch=40), column(500, 8)],
    ],
    ids=["one", "two registers", "three", "different columns", "two pages of two", "two pages", "any length", "blanks",
         "one goes on", "marks above", "numbers below", "small column"],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_order_of_registers_and_pages(columns: list[list[tuple[float, ...]]], seed: int) -> None:
    assert lines_of(columns, seed) == columns


def test_columns_of_different_heights_are_one_register() -> None:
    """Columns that end at different heights are no registers, however the page is cut."""
    random = np.random.default_rng(0)
    for _ in range(50):
        columns = [
            column(900 - 90 * i, int(random.integers(5, 12)), top=100 + random.integers(0, 200)) for i in range(9)
        ]
        assert lines_of(columns) == columns
