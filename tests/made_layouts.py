"""Twelve layouts of old books as boxes in reading order, with sizes and places that differ from page to page.

They are drawn: a character's width and height vary as those of cursive script do, columns lean, and none of the sizes
comes from the code that is tested.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Random = np.random.Generator

EM = 60.0
"""Pixels of an ordinary character."""

PITCH = 95.0
"""Pixels from column to column."""


def line(random: Random, middle: float, top: float, n: int, em: float = EM) -> Boxes:
    """Return a column of n characters around a middle, from the top (n, 4)."""
    heights = em * random.uniform(0.45, 1.35, n)
    widths = em * random.uniform(0.45, 1.05, n)
    tops = top + np.concatenate([[0], np.cumsum(heights + em * random.uniform(0, 0.25, n))[:-1]])
    lean = random.uniform(-0.015, 0.015) * (tops - top) + em * random.uniform(-0.08, 0.08, n)
    return np.stack([middle + lean - widths / 2, tops, widths, heights], axis=1)


def end(boxes: Boxes) -> float:
    """Return where a column ends, pixels."""
    return float((boxes[:, 1] + boxes[:, 3]).max())


def columns(
    random: Random, right: float, top: float, n: int, length: int, em: float = EM, pitch: float = PITCH
) -> Boxes:
    """Return columns side by side of about as many characters each; `right` is the middle of the first."""
    parts = [line(random, right - pitch * i, top, length + int(random.integers(-1, 2)), em) for i in range(n)]
    return np.concatenate(parts)


def row(random: Random, right: float, top: float, n: int, em: float, pitch: float) -> Boxes:
    """Return a row of n characters that is read from right to left."""
    return np.concatenate([line(random, right - pitch * i, top + em * random.uniform(0, 0.1), 1, em) for i in range(n)])


def double(random: Random, middle: float, top: float, n: int) -> Boxes:
    """Return two lines of half width side by side, n characters in the right one and up to two less in the left."""
    em = 0.55 * EM
    right = line(random, middle + 0.28 * EM, top, n, em)
    return np.concatenate([right, line(random, middle - 0.28 * EM, top, n - int(random.integers(0, 3)), em)])


def plain(random: Random) -> Boxes:
    """A page of columns that begin at the same height and end where their sentences do."""
    return np.concatenate([line(random, 900 - PITCH * i, 150, int(random.integers(6, 15))) for i in range(8)])


def uneven(random: Random) -> Boxes:
    """Poems: columns that begin at different heights, with blanks within some."""
    parts = []
    for i in range(7):
        first = line(random, 900 - PITCH * i, 150 + random.uniform(0, 250), int(random.integers(4, 7)))
        parts += [first, line(random, 900 - PITCH * i, end(first) + random.uniform(0.3, 2) * EM, 4)]
    return np.concatenate(parts)


def signed(random: Random) -> Boxes:
    """Verses with the name of their poet below each, after a blank."""
    parts = []
    for i in range(7):
        verse = line(random, 900 - PITCH * i, 150, int(random.integers(8, 11)))
        parts += [verse, line(random, 900 - PITCH * i, 1150, 2, 0.8 * EM)]
    return np.concatenate(parts)


def registers(random: Random) -> Boxes:
    """Two registers whose columns stand below each other."""
    return np.concatenate([columns(random, 900, 150, 8, 7), columns(random, 900, 900, 8, 7)])


def head_notes(random: Random) -> Boxes:
    """Notes in small characters above the text, in columns of their own."""
    notes = columns(random, 905, 100, 11, 6, 0.6 * EM, 0.65 * PITCH)
    return np.concatenate([notes, columns(random, 900, 420, 8, 11)])


def double_lines(random: Random) -> Boxes:
    """Two lines of half width within some columns: read right, left, and on below."""
    parts = []
    for i in range(7):
        middle = 900 - PITCH * i
        parts.append(line(random, middle, 150, int(random.integers(3, 6))))
        if i % 2:
            parts.append(double(random, middle, end(parts[-1]) + 0.15 * EM, int(random.integers(4, 9))))
            parts.append(line(random, middle, end(parts[-1]) + 0.3 * EM, 3))
        else:
            parts.append(line(random, middle, end(parts[-1]) + 0.15 * EM, 6))
    return np.concatenate(parts)


def dictionary(random: Random) -> Boxes:
    """A dictionary: each column has two entries of a head and an explanation in two lines of half width."""
    parts = []
    for i in range(7):
        middle, top = 900 - PITCH * i, 150.0
        for _ in range(2):
            parts.append(line(random, middle, top, 2))
            parts.append(double(random, middle, end(parts[-1]) + 0.15 * EM, int(random.integers(5, 8))))
            top = end(parts[-1]) + 0.6 * EM
    return np.concatenate(parts)


def title_row(random: Random) -> Boxes:
    """A title in a row of large characters above the columns."""
    title = row(random, 760, 100, 4, 1.3 * EM, 1.6 * PITCH)
    return np.concatenate([title, columns(random, 900, 300, 8, 11)])


def two_pages(random: Random) -> Boxes:
    """Two pages in one photograph, of different heights."""
    return np.concatenate([columns(random, 1900, 150, 8, 12), columns(random, 900, 240, 8, 11)])


def two_pages_of_registers(random: Random) -> Boxes:
    """Two pages in one photograph, each in two registers."""
    return np.concatenate(
        [columns(random, x, y, 7, 6) for x, y in ((1900, 150), (1900, 850), (900, 160), (900, 860))]
    )  # fmt: skip


def captions(random: Random) -> Boxes:
    """Captions of a few short columns in a picture, one below another at the right and one at the left."""
    places = ((940, 120), (900, 560), (950, 1050), (560, 300), (520, 900), (260, 150), (270, 700))
    return np.concatenate(
        [columns(random, x, y, int(random.integers(2, 4)), int(random.integers(3, 5)), 0.8 * EM, 0.75 * PITCH)
         for x, y in places]
    )  # fmt: skip


def beside_a_picture(random: Random) -> Boxes:
    """Columns of which some are short because a picture stands below them, with its caption in a row."""
    text = [columns(random, 900, 150, 3, 14), columns(random, 900 - 3 * PITCH, 150, 5, 5)]
    return np.concatenate([*text, row(random, 500, 1000, 5, 0.9 * EM, 1.1 * EM)])


LAYOUTS: dict[str, Callable[[Random], Boxes]] = {
    layout.__name__: layout
    for layout in (
        plain,
        uneven,
        signed,
        registers,
        head_notes,
        double_lines,
        dictionary,
        title_row,
        two_pages,
        two_pages_of_registers,
        captions,
        beside_a_picture,
    )  # fmt: skip
}
"""By their names; each returns the boxes (n, 4) of a page in reading order, pixels."""


def successors_right(order: NDArray[np.int64]) -> tuple[int, int]:
    """Return of how many characters the successor is right, and how many have one.

    Args:
        order: (n,) positions of the characters, which stand in reading order, as something read them.
    """
    following = np.full(len(order), -1)
    following[order[:-1]] = order[1:]
    return int((following[:-1] == np.arange(1, len(order))).sum()), max(len(order) - 1, 0)
