"""A page as JSON: all that is known of it."""

import json
import math
from typing import Any

from kuzushiji import __version__
from kuzushiji.data.characters import code_to_char
from kuzushiji.data.labels import SEG_FP
from kuzushiji.layout import FURIGANA
from kuzushiji.predict.transcription import Candidates, Doubts, Transcription

FORMAT = "kuzushiji-page-2"


def transcription_json(transcription: Transcription) -> bytes:
    """Return the page as UTF-8 JSON.

    `characters` stand in reading order (furigana and what stands at the edge after the text) and are numbered from 0;
    `columns` name them by these numbers. Boxes are x y w h in pixels of the upright page. `page.schema.json` beside
    this file describes every field.
    """
    order = transcription.layout.order.tolist()
    number = {position: place for place, position in enumerate(order)}
    chars, written, doubts = transcription.chars, transcription.written, transcription.doubts
    columns = [
        {
            "text": "".join(written[i] for i in members),
            "characters": [number[i] for i in members.tolist()],
            "furigana": [number[i] for i in transcription.layout.members(column, FURIGANA).tolist()],
        }
        for column, members in enumerate(transcription.columns())
    ]
    value = {
        "format": FORMAT,
        "version": __version__,
        **transcription.made_by,
        "page": transcription.name,
        "image": transcription.image,
        "frame": transcription.frame,
        "width": transcription.width,
        "height": transcription.height,
        "confidence": None if doubts.confidence is None else _rounded(doubts.confidence),
        "doubt": doubts.reason or None,
        "notes": list(transcription.notes),
        "text": transcription.text(),
        "columns": columns,
        "characters": [_character(transcription, doubts, i, chars[i]) for i in order],
        "dropped": [
            {"box": box, "score": _rounded(score)}
            for box, score in zip(doubts.dropped.boxes_xywh.tolist(), doubts.dropped.score, strict=True)
        ],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _character(transcription: Transcription, doubts: Doubts, i: int, char: str) -> dict[str, Any]:
    return {
        "box": transcription.boxes_xywh[i].tolist(),
        "code": transcription.codes[i],
        "char": char,
        "probability": _probability(transcription.probability[i]),
        "doubtful": bool(doubts.doubtful[i]),
        "left_out": bool(doubts.left_out[i]),
        "score": _rounded(transcription.score[i]),
        "role": transcription.layout.role[i],
        "column": int(transcription.layout.column[i]),
        "candidates": {kind: _candidates(found, i) for kind, found in transcription.candidates.items()},
    }


def _candidates(found: Candidates, i: int) -> list[dict[str, Any]]:
    return [
        {"code": code, "char": "" if code == SEG_FP else code_to_char(code), "probability": _rounded(probability)}
        for code, probability in zip(found.codes[i], found.probability[i], strict=True)
    ]


def _probability(value: float) -> float | None:
    """Return the probability, None where it is not known (NaN), which is no JSON."""
    return None if math.isnan(value) else _rounded(value)


def _rounded(value: float) -> float:
    return round(float(value), 5)
