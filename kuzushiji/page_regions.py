"""Regions of a page: groups of columns that are read one after the other, such as registers, pages and captions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.reading_order import reading_order

_BLANK = 0.5
"""Height of a blank that may divide a column, at least, by the median height of a character."""

_USUAL = 2.0
"""The same by the usual blank of the column."""

_GUTTER = 2.0
"""Width of the blank between two regions side by side, at least, by the median of the longer sides of characters."""

_HEADING = 1.15
"""Size of a heading's characters, at least, by that of all characters."""

_ALIGNED = 0.25
"""How far the middle of a column is from that of the column that it goes on from, at most, by their distance."""

_GOES_ON = 0.75
"""Share of the columns of a region that go on from columns of another, from which both are one region."""

_COLUMNS = 3
_LENGTH = 3.0
"""Columns of a register, at least, and the median of their characters: fewer go on from the columns above them."""

Boxes = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """The smallest box around some characters, pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, boxes: Boxes) -> "Frame":
        """Return the one of boxes (n, 4), n at least 1."""
        (left, top), (right, bottom) = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
        return cls(float(left), float(top), float(right), float(bottom))

    def common(self, other: "Frame") -> tuple[float, float]:
        """Return the width and height that both have in common; below 0 the distance between them."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across, down


def regions(boxes_xywh: NDArray[np.floating]) -> list[Positions]:
    """Return the positions of the boxes of each region, in the order in which the regions are read.

    Pieces of columns between blanks that stand side by side make a region. Regions one above the other are one if the
    columns of one go on from those of the other, unless both are registers: several columns of some length. A region
    is read after what is above it and after what is beside it on the right; of several that may follow, the rightmost
    comes first.

    Args:
        boxes_xywh: (n, 4) corner and size, pixels.

    Returns:
        Arrays that have each position once; none for a page without boxes.
    """
    boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    if not len(boxes):
        return []
    found = _side_by_side(_pieces(boxes), boxes)
    return _in_order(_joined(found, boxes), boxes)


def _pieces(boxes: Boxes) -> list[Positions]:
    """Return the columns, divided where they have blanks."""
    reading = reading_order(boxes)
    least = _BLANK * float(np.median(boxes[:, 3]))
    pieces = []
    for column in range(int(reading.column.max()) + 1):
        members = reading.order[reading.column[reading.order] == column]
        top, bottom = boxes[members, 1], np.maximum.accumulate(boxes[members, 1] + boxes[members, 3])
        blank = np.maximum(top[1:] - bottom[:-1], 0)
        usual = float(np.median(blank)) if len(blank) else 0.0
        pieces += np.split(members, np.flatnonzero(blank >= max(least, _USUAL * usual)) + 1)
    return pieces


def _side_by_side(pieces: list[Positions], boxes: Boxes) -> list[Positions]:
    """Return the pieces in groups: those that have a part of their height in common and no gutter between them.

    A piece of larger characters beside two registers, one above the other, is a heading of both and a group of its own.
    """
    sizes = boxes[:, 2:].max(axis=1)
    usual = float(np.median(sizes))
    groups: list[list[Positions]] = []
    for piece in sorted(pieces, key=lambda piece: np.ptp(boxes[piece, 1])):
        frame, own = Frame.of(boxes[piece]), float(np.median(sizes[piece]))
        beside = []
        for group in groups:
            for other in group:
                across, down = frame.common(Frame.of(boxes[other]))
                gutter = _GUTTER * max(usual, min(own, float(np.median(sizes[other]))))
                if down > 0 and across > -gutter:
                    beside.append(group)
                    break
        if own >= _HEADING * usual and _has_registers([np.concatenate(group) for group in beside], boxes):
            groups.append([piece])
            continue
        groups = [group for group in groups if not any(group is other for other in beside)]
        groups.append([piece, *(other for group in beside for other in group)])
    return [np.concatenate(group) for group in groups]


def _has_registers(groups: list[Positions], boxes: Boxes) -> bool:
    """Return whether two of some groups are registers one above the other."""
    registers = [Frame.of(boxes[group]) for group in groups if len(groups) > 1 and _is_register(boxes[group])]
    pairs = (a.common(b) for i, a in enumerate(registers) for b in registers[:i])
    return any(across > 0 > down for across, down in pairs)


def _joined(found: list[Positions], boxes: Boxes) -> list[Positions]:
    """Return the regions with those joined of which one goes on from the other."""
    while True:
        frames = [Frame.of(boxes[region]) for region in found]
        pairs = ((i, j) for i in range(len(found)) for j in range(i) if _is_next(frames, i, j))
        pair = next(((i, j) for i, j in pairs if _is_one(boxes[found[i]], boxes[found[j]])), None)
        if pair is None:
            return found
        found[pair[1]] = np.concatenate([found[pair[1]], found.pop(pair[0])])


def _is_next(frames: list[Frame], i: int, j: int) -> bool:
    """Return whether two regions stand one above the other, and nothing between them."""
    upper, lower = sorted((frames[i], frames[j]), key=lambda frame: frame.top)
    across, down = upper.common(lower)
    if across <= 0:
        return False
    blank = Frame(max(upper.left, lower.left), upper.bottom, min(upper.right, lower.right), lower.top)
    others = (frame for number, frame in enumerate(frames) if number not in (i, j))
    return down > 0 or not any(min(frame.common(blank)) > 0 for frame in others)


def _is_one(boxes: Boxes, others: Boxes) -> bool:
    """Return whether the columns of a region go on from those of another above or below it."""
    if _is_register(boxes) and _is_register(others):
        return False
    few, many = sorted((_middles(boxes), _middles(others)), key=len)
    distance = float(np.median(np.diff(np.sort(many)))) if len(many) > 1 else float(np.median(boxes[:, 2]))
    near = np.abs(few[:, None] - many).min(axis=1) <= _ALIGNED * distance
    return bool(near.mean() >= _GOES_ON)


def _middles(boxes: Boxes) -> NDArray[np.float64]:
    column = reading_order(boxes).column
    return np.bincount(column, boxes[:, 0] + boxes[:, 2] / 2) / np.bincount(column)


def _is_register(boxes: Boxes) -> bool:
    """Return whether boxes stand in several columns of some length."""
    lengths = np.bincount(reading_order(boxes).column)
    return len(lengths) >= _COLUMNS and float(np.median(lengths)) >= _LENGTH


def _in_order(found: list[Positions], boxes: Boxes) -> list[Positions]:
    """Return the regions in the order in which they are read."""
    frames = [Frame.of(boxes[region]) for region in found]
    waiting = sorted(range(len(found)), key=lambda i: (-frames[i].right, frames[i].top))
    order: list[Positions] = []
    while waiting:
        free = [i for i in waiting if not any(_is_before(frames[j], frames[i]) for j in waiting if j != i)]
        following = (free or waiting)[0]
        waiting.remove(following)
        order.append(found[following])
    return order


def _is_before(frame: Frame, other: Frame) -> bool:
    """Return whether a region is read before another: it stands above it, or beside it on the right."""
    across, down = frame.common(other)
    if across <= 0 and down <= 0:
        return False
    if across > down:
        return frame.top + frame.bottom < other.top + other.bottom
    return frame.left + frame.right > other.left + other.right
