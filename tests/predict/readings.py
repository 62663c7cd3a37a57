"""Pages that were read, made up, for the tests of formats."""

from dataclasses import replace

import numpy as np

from kuzushiji.data.labels import SEG_FP
from kuzushiji.predict.transcription import Candidates, Doubts, Transcription, make_transcription

WIDTH, HEIGHT = 600, 900
CODES = np.array([f"U+{ord(char):04X}" for char in "春はあけぼの<&𠮷"], object)


def column(x: int, n: int, *, size: int = 60, top: int = 100) -> list[tuple[int, int, int, int]]:
    return [(x, top + round(1.2 * size) * i, size, size) for i in range(n)]


def reading_of(boxes: list[tuple[int, int, int, int]]) -> Transcription:
    """Return a page on which these characters are read, in the order of `CODES` over and over."""
    n = len(boxes)
    codes = CODES[np.arange(n) % len(CODES)]
    others = np.stack([codes, np.full(n, "U+3042", object), np.full(n, SEG_FP, object)], axis=1)
    shares = np.tile(np.array([0.7, 0.2, 0.1], np.float32), (n, 1))
    return make_transcription(
        "page", "page <1>.jpg", (WIDTH, HEIGHT), np.array(boxes, np.int64).reshape(-1, 4), codes,
        np.linspace(1, 0.5, n, dtype=np.float32), np.full(n, 0.9, np.float32), {"a": Candidates(others, shares)},
    )  # fmt: skip


FULL = reading_of(
    [
        *column(400, 8), *column(300, 7), *column(200, 5), *column(100, 6),
        (462, 110, 20, 20), (462, 134, 20, 20),  # furigana
        (580, 300, 20, 50), (582, 360, 30, 50),  # cut off by the edge, and beyond it
    ]
)  # fmt: skip
EMPTY = reading_of([])
DOUBTFUL = replace(FULL, given_doubts=Doubts(np.arange(len(FULL)) == 1, np.zeros(len(FULL), bool), sign="〓"))
