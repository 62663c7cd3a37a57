"""A page's characters as blocks of lines, as XML formats want them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.layout import EDGE, FURIGANA, TEXT
from kuzushiji.predict.transcription import Transcription


@dataclass(frozen=True)
class Block:
    """Lines that belong together.

    Attributes:
        role: One of `kuzushiji.layout.ROLES`.
        lines: Positions of each line's characters; no line is empty.
    """

    role: str
    lines: Sequence[NDArray[np.int64]]


def blocks_of(transcription: Transcription) -> list[Block]:
    """Return the text's columns as one block, all furigana as another, the edge's strips as a third; none is empty."""
    edge = transcription.layout.order[(transcription.layout.role == EDGE)[transcription.layout.order]]
    found = [
        Block(TEXT, transcription.columns()),
        Block(FURIGANA, transcription.columns(FURIGANA)),
        Block(EDGE, [edge] if len(edge) else []),
    ]
    return [block for block in found if block.lines]


def frame_of(transcription: Transcription, members: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Return x y w h of the smallest box around some characters, within the page, in pixels; w and h are at least 1."""
    boxes = transcription.boxes_xywh[members]
    x0, y0 = (int(value) for value in boxes[:, :2].min(axis=0))
    x1, y1 = (int(value) for value in (boxes[:, :2] + boxes[:, 2:]).max(axis=0))
    x0, y0 = min(max(x0, 0), transcription.width - 1), min(max(y0, 0), transcription.height - 1)
    return x0, y0, max(min(x1, transcription.width) - x0, 1), max(min(y1, transcription.height) - y0, 1)


def baseline_of(transcription: Transcription, members: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the line through the middles of a column's characters, from the top of the first to the end of the last.

    Points are x y within the page, in pixels, at least two, falling all the way.
    """
    boxes = transcription.boxes_xywh[members]
    middles = boxes[:, :2] + boxes[:, 2:] // 2
    ends = [(middles[0, 0], boxes[0, 1]), *middles.tolist(), (middles[-1, 0], boxes[-1, 1] + boxes[-1, 3])]
    points: list[tuple[int, int]] = []
    for x, y in ends:
        point = min(max(int(x), 0), transcription.width - 1), min(max(int(y), 0), transcription.height - 1)
        if not points or point[1] > points[-1][1]:
            points.append(point)
    if len(points) < 2:
        x, y = points[0]
        points = [(x, max(y - 1, 0)), (x, max(y, 1))]
    return points


def mean_probability(transcription: Transcription, members: NDArray[np.int64]) -> float:
    """Return the mean probability of some characters."""
    return float(transcription.probability[members].mean())


def best_of_models(transcription: Transcription, i: int) -> list[tuple[str, float]]:
    """Return other codes for a character with their mean probability over the kinds of models, the best first."""
    total: dict[str, float] = {}
    for found in transcription.candidates.values():
        for code, probability in zip(found.codes[i], found.probability[i], strict=True):
            total[code] = total.get(code, 0.0) + float(probability) / len(transcription.candidates)
    others = [
        (code, value) for code, value in total.items() if code != transcription.codes[i] and code.startswith("U+")
    ]
    return sorted(others, key=lambda item: -item[1])
