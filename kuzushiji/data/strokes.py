"""The strokes of a character, from the KanjiVG package: how a pen walks, in order."""

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.errors import InputError

STEP = 0.02
"""Distance between neighbouring points of a stroke, in sides of the character's box."""

_BOX = 109.0  # side of KanjiVG's square
_LAST_IN_PLANE = 0xFFFF  # the competition knows no characters beyond the basic plane
_PATH = re.compile(r'<path[^>]*?\sd="([^"]+)"')
_TOKEN = re.compile(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_POINTS_A_CURVE = 16

REPEAT_MARK = "〱"
"""Repeats the word above it. KanjiVG lacks it: it is a く of twice the height."""


@lru_cache(maxsize=1)
def known_characters() -> tuple[str, ...]:
    """Return every character that can be drawn, sorted by code point."""
    found = {chr(int(path.stem, 16)) for path in _folder().glob("[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f].svg")}
    return tuple(sorted({character for character in found if ord(character) <= _LAST_IN_PLANE} | {REPEAT_MARK}))


@lru_cache(maxsize=8192)
def strokes_of(character: str) -> tuple[NDArray[np.float32], ...]:
    """Return the strokes of `character` in writing order.

    Returns:
        One array (n, 2) of x, y a stroke, with y downwards, in the unit square, points `STEP` apart (n >= 2).

    Raises:
        InputError: KanjiVG has no such character.
    """
    if character == REPEAT_MARK:
        return tuple(_resample(stroke * np.array([0.8, 2.0], dtype=np.float32), STEP) for stroke in strokes_of("く"))
    path = _folder() / f"{ord(character):05x}.svg"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: expected the strokes of {character!r} ({error.strerror or error})") from error
    return tuple(_resample(_polyline(data) / _BOX, STEP) for data in _PATH.findall(text))


@lru_cache(maxsize=1)
def _folder() -> Path:
    spec = find_spec("kanji")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / "03042.svg").is_file():
            return Path(location)
    raise InputError("the package kanjivg is not installed: the demo books are drawn from its strokes")


def _polyline(data: str) -> NDArray[np.float64]:
    """Return points (n, 2) along an SVG path of the commands M, C and S, absolute or relative."""
    tokens = _TOKEN.findall(data)
    at = control = np.zeros(2)
    curves: list[NDArray[np.float64]] = []
    command, position = "", 0
    while position < len(tokens):
        if tokens[position].isalpha():
            command, position = tokens[position], position + 1
        kind = command.upper()
        count = {"M": 1, "C": 3, "S": 2}[kind]
        numbers = np.array([float(word) for word in tokens[position : position + 2 * count]]).reshape(count, 2)
        position += 2 * count
        if command.islower():
            numbers = numbers + at
        if kind == "M":
            control = numbers[0]
        else:
            first = numbers[:1] if kind == "C" else [2 * at - control]
            curves.append(np.vstack([at, *first, *numbers[-2:]]))
            control = numbers[-2]
        at = numbers[-1]
    return np.asarray((_bernstein() @ np.stack(curves)).reshape(-1, 2))


@lru_cache(maxsize=1)
def _bernstein() -> NDArray[np.float64]:
    t = np.linspace(0, 1, _POINTS_A_CURVE)[:, None]
    return np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])


def _resample(points: NDArray[np.floating], step: float) -> NDArray[np.float32]:
    lengths = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    at = np.linspace(0, along[-1], max(2, int(round(along[-1] / step)) + 1))
    return np.stack([np.interp(at, along, points[:, 0]), np.interp(at, along, points[:, 1])], axis=1).astype(np.float32)
