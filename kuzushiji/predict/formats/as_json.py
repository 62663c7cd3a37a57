"""A page as JSON: all that is known of it."""

import json
from typing import Any

from kuzushiji.data.characters import code_to_char
from kuzushiji.data.labels import SEG_FP
from kuzushiji.layout import FURIGANA
from kuzushiji.predict.transcription import Candidates, Transcription

FORMAT = "kuzushiji-page-1"


def transcription_json(transcription: Transcription) -> bytes:
    """Return the page as UTF-8 JSON.

    `characters` stand in reading order (furigana and what stands at the edge after the text) and are numbered from 0;
    `columns` name them by these numbers. Boxes are x y w h in pixels of the upright page.
    """
    order = transcription.layout.order.tolist()
    number = {position: place for place, position in enumerate(order)}
    chars = transcription.chars
    columns = [
        {
            "text": "".join(chars[i] for i in members),
            "characters": [number[i] for i in members.tolist()],
            "furigana": [number[i] for i in transcription.layout.members(column, FURIGANA).tolist()],
        }
        for column, members in enumerate(transcription.columns())
    ]
    value = {
        "format": FORMAT,
        "page": transcription.name,
        "image": transcription.image,
        "width": transcription.width,
        "height": transcription.height,
        "text": transcription.text(),
        "columns": columns,
        "characters": [_character(transcription, i, chars[i]) for i in order],
    }
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _character(transcription: Transcription, i: int, char: str) -> dict[str, Any]:
    return {
        "box": transcription.boxes_xywh[i].tolist(),
        "code": transcription.codes[i],
        "char": char,
        "probability": _rounded(transcription.probability[i]),
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


def _rounded(value: float) -> float:
    return round(float(value), 5)
