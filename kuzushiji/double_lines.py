"""Two lines of half width within a column (warigaki): the right one is read, then the left one, then what is below."""

import numpy as np
from numpy.typing import NDArray

_BESIDE = 0.4
"""Share of the lower box's height that two characters side by side have in common, at least."""

_APART = 0.2
"""Share of the narrower box's width that two characters side by side have in common, at most."""

_HALF = 0.75
"""Width of a character of a half line, at most, by that of a character of their column."""

_NEAR = 0.9
"""Distance of the middles of two half lines, at most, by the width of a character of their column."""

_FULL = 0.9
"""Share of the characters that are narrower than the width of a full character."""

_BETWEEN = 0.2
"""Share of the distance of two half lines, from either, in which no middle of such a character lies."""

_HEAD = 2.5
"""Blank between a column's character and the half lines, at most, by the width of a full character."""

_BLANK = 1.0
"""Blank within a half line, at most, by the width of a full character."""

_OVER = 0.4
"""How far a character may begin above the end of the one above it, by the width of a full character."""

_INWARDS, _OUTWARDS = 0.4, 0.75
_SEEN = 3
"""How far a character may stand off the middle of the last three of its half line, by the distance of both lines:
towards the other line and away from it. What stands in the middle is of the column."""

_TALL = 1.5
"""Height by width of a character up to which its height counts as the size of its column's characters."""

_LENGTH = 2
"""Characters of each half line, at least."""

Boxes = NDArray[np.float64]
Positions = NDArray[np.int64]
Pair = tuple[Positions, Positions]


def double_lines(boxes_xywh: NDArray[np.number]) -> list[Pair]:
    """Return the positions of the boxes of each pair of half lines: of the right line and of the left, from the top.

    A pair begins where two narrow characters stand side by side below a wide one of their column, or above it, within
    its width. Each line goes on as long as a character follows without a blank that does not reach over both lines.

    Args:
        boxes_xywh: (n, 4) corner and size, pixels.

    Returns:
        Two arrays for each pair; no position is in two.
    """
    boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    found: list[Pair] = []
    used = np.zeros(len(boxes), np.bool_)
    if len(boxes) < 2 * _LENGTH + 1:
        return found
    flipped = boxes * [1, -1, 1, 1] - [0, 1, 0, 0] * boxes[:, 3:]
    for upright, view in ((True, boxes), (False, flipped)):
        page = _Page(view, used)
        for head in np.argsort(-boxes[:, 2], kind="stable").tolist():
            lines = page.lines_below(head)
            if min(map(len, lines)) >= _LENGTH:
                right, left = (np.array(line if upright else line[::-1], np.int64) for line in lines)
                found.append((right, left))
                used[np.concatenate([right, left])] = True
    return found


class _Page:
    """The characters of a page.

    Args:
        boxes: (n, 4) corner and size, pixels.
        used: (n,) which of them are in a pair of half lines; the caller keeps it up to date.
    """

    def __init__(self, boxes: Boxes, used: NDArray[np.bool_]) -> None:
        self._x, self._y, self._w, self._h = boxes.T
        self._middle, self._right, self._bottom = self._x + self._w / 2, self._x + self._w, self._y + self._h
        self._em = float(np.quantile(self._w, _FULL))
        self._used = used

    def lines_below(self, head: int) -> tuple[list[int], list[int]]:
        """Return the positions of the right and the left half line below a character, from the top; empty for none."""
        if self._used[head] or (pair := self._first(head)) is None:
            return [], []
        lines = ([pair[0]], [pair[1]])
        growing = [True, True]
        while any(growing):
            # The line that ends higher goes on first, so that each is compared with what stands beside it.
            side = min((0, 1), key=lambda s: (not growing[s], self._bottom[lines[s][-1]]))
            following = self._next(lines[side], lines[1 - side])
            growing[side] = following is not None
            if following is not None:
                lines[side].append(following)
        return lines

    def _first(self, head: int) -> tuple[int, int] | None:
        """Return the right and the left of the two characters below the head, None where there are no two."""
        size = max(self._w[head], min(self._h[head], _TALL * self._w[head]), self._em)
        blank = self._y - self._bottom[head]
        within = (np.abs(self._middle - self._middle[head]) <= _NEAR * size) & (self._y > self._y[head])
        below = np.flatnonzero(within & ~self._used & (blank > -_OVER * self._em) & (blank <= _HEAD * self._em))
        if len(below) < 2:
            return None
        first = int(below[self._y[below].argmin()])
        beside = below[self._beside(first, below)]
        if not len(beside):
            return None
        other = int(beside[self._y[beside].argmin()])
        left, right = sorted((first, other), key=lambda i: float(self._middle[i]))
        distance = self._middle[right] - self._middle[left]
        place = self._middle[head] - self._middle[left]
        narrow = max(self._w[left], self._w[right]) <= _HALF * size and distance <= _NEAR * size
        between = _BETWEEN * distance <= place <= (1 - _BETWEEN) * distance
        return (right, left) if narrow and between else None

    def _beside(self, i: int, others: Positions) -> NDArray[np.bool_]:
        """Return which of some characters stand beside one."""
        down = np.minimum(self._bottom[i], self._bottom[others]) - np.maximum(self._y[i], self._y[others])
        across = np.minimum(self._right[i], self._right[others]) - np.maximum(self._x[i], self._x[others])
        low = down >= _BESIDE * np.minimum(self._h[i], self._h[others])
        found: NDArray[np.bool_] = low & (across <= _APART * np.minimum(self._w[i], self._w[others]))
        return found

    def _next(self, line: list[int], other: list[int]) -> int | None:
        """Return the character that goes on a half line, beside the other one; None where the line ends."""
        last = line[-1]
        own, beside = (float(self._middle[part[-_SEEN:]].mean()) for part in (line, other))
        if own == beside:
            return None
        off = (self._middle - own) / (beside - own)
        near = (off >= -_OUTWARDS) & (off <= _INWARDS) & (self._y > self._y[last])
        blank = self._y - self._bottom[last]
        found = np.flatnonzero(near & ~self._used & (blank > -_OVER * self._em) & (blank <= _BLANK * self._em))
        found = found[~np.isin(found, other)]
        if not len(found):
            return None
        following = int(found[self._y[found].argmin()])
        reaches_over = self._x[following] <= beside <= self._right[following]
        return None if reaches_over else following
