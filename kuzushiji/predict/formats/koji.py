"""A page in Koji notation, as transcriptions on honkoku.org are written: a line a column, readings and half lines."""

import numpy as np

from kuzushiji.layout import FURIGANA
from kuzushiji.predict.transcription import Transcription

_READING, _HALF_LINES = "《振り仮名：{}｜{}》", "《割書：{}｜{}》"
_MARKS = str.maketrans("《》｜：", "〈〉|:")
"""What the notation uses itself is replaced where it was read on a page."""


def koji(transcription: Transcription) -> bytes:
    """Return the text of the page in Koji notation as UTF-8, without what stands at the edge.

    Furigana stand as a reading of the characters beside them; where there are none, they are left out.
    """
    pair_of = {int(i): pair for pair in transcription.layout.half_lines for half in pair for i in half}
    lines = []
    for column in range(transcription.layout.n_columns):
        members = transcription.layout.members(column).tolist()
        readings = _readings(transcription, column, [i for i in members if i not in pair_of])
        line, done = "", set[int]()
        for i in members:
            if i in done:
                continue
            if i in pair_of:
                halves = [half.tolist() for half in pair_of[i]]
                done |= set(sum(halves, []))
                line += _HALF_LINES.format(*(_text(transcription, half) for half in halves))
            elif i in readings:
                base, reading = readings[i]
                done |= set(base)
                line += _READING.format(_text(transcription, base), reading)
            else:
                line += _text(transcription, [i])
        lines.append(line + "\n")
    return "".join(lines).encode()


def _text(transcription: Transcription, members: list[int]) -> str:
    written = transcription.written
    return "".join(written[i].translate(_MARKS) for i in members)


def _readings(transcription: Transcription, column: int, members: list[int]) -> dict[int, tuple[list[int], str]]:
    """Return by its first character each part of a column that has furigana beside it, with these."""
    found: dict[int, tuple[list[int], str]] = {}
    boxes = transcription.boxes_xywh
    furigana = transcription.layout.members(column, FURIGANA)
    if not len(furigana) or not members:
        return found
    middles = boxes[members, 1] + boxes[members, 3] / 2
    tops, bottoms = boxes[furigana, 1], boxes[furigana, 1] + boxes[furigana, 3]
    beside = np.abs(middles[:, None] - (tops + bottoms) / 2).argmin(axis=0)
    apart = (tops[1:] - bottoms[:-1] > boxes[furigana[:-1], 3]) & (np.diff(beside) > 0)
    for run in np.split(np.arange(len(furigana)), np.flatnonzero(apart) + 1):
        base = members[beside[run].min() : beside[run].max() + 1]
        if not any(i in part for part, _ in found.values() for i in base):
            found[base[0]] = (base, _text(transcription, furigana[run].tolist()))
    return found
