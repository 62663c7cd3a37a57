"""A font of the characters in a document, for machines that have no Japanese font."""

import base64
import io
from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.strokes import strokes_of
from kuzushiji.errors import InputError

NAME = "Kuzushiji strokes"
"""In a style sheet it stands behind the fonts that a machine may have: it is used where they lack a character."""
_EM = 1000
_BASELINE = 880
_WIDTH = 62
"""Of a stroke, in units of the em square."""
_EPOCH = 0x7C259DC0
"""1970, in seconds since 1904, as fonts count."""
_TOLERANCE = 0.006
"""By which a stroke is simplified at most, in sides of the character's box."""


def font_style(characters: Collection[str]) -> str:
    """Return a CSS rule with a font of these characters, drawn from the strokes of KanjiVG; "" where it has none.

    Characters without strokes, Latin letters and digits among them, are left out. The same characters give the same
    text.
    """
    glyphs = {char: outlines for char in sorted(set(characters)) if (outlines := _outlines(char))}
    if not glyphs:
        return ""
    source = base64.b64encode(_font(glyphs)).decode()
    return f'@font-face{{font-family:"{NAME}";src:url(data:font/woff2;base64,{source}) format("woff2")}}'


def _outlines(char: str) -> list[NDArray[np.int64]]:
    """Return a polygon (n, 2) a stroke, in units of the font with y upwards; nothing for an unknown character."""
    if len(char) != 1 or ord(char) < 0x2E80:
        return []
    try:
        strokes = strokes_of(char)
    except InputError:
        return []
    return [_widened(cv2.approxPolyDP(stroke[:, None], _TOLERANCE, False)[:, 0]) for stroke in strokes]


def _widened(stroke: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the outline of a stroke (n, 2) of the unit square that was drawn with a square pen."""
    points = np.stack([stroke[:, 0] * _EM, _BASELINE - stroke[:, 1] * _EM], axis=1)
    steps = np.diff(points, axis=0)
    along = steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    tangent = np.concatenate([along[:1], along[:-1] + along[1:], along[-1:]])
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    side = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * _WIDTH / 2
    points[0] -= tangent[0] * _WIDTH / 4
    points[-1] += tangent[-1] * _WIDTH / 4
    outline: NDArray[np.int64] = np.concatenate([points + side, (points - side)[::-1]]).round().astype(np.int64)
    return outline


def _font(glyphs: dict[str, list[NDArray[np.int64]]]) -> bytes:
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    names = {char: f"u{ord(char):04X}" for char in glyphs}
    drawn = {".notdef": TTGlyphPen(None).glyph()}
    for char, outlines in glyphs.items():
        pen = TTGlyphPen(None)
        for outline in outlines:
            first, *rest = map(tuple, outline.tolist())
            pen.moveTo(first)
            for point in rest:
                pen.lineTo(point)
            pen.closePath()
        drawn[names[char]] = pen.glyph()
    builder = FontBuilder(_EM, isTTF=True)
    builder.updateHead(created=_EPOCH, modified=_EPOCH)  # the same characters give the same file
    builder.font.recalcTimestamp = False
    builder.setupGlyphOrder(list(drawn))
    builder.setupCharacterMap({ord(char): name for char, name in names.items()})
    builder.setupGlyf(drawn)
    builder.setupHorizontalMetrics({name: (_EM, drawn[name].xMin if name != ".notdef" else 0) for name in drawn})
    builder.setupHorizontalHeader(ascent=_BASELINE, descent=_BASELINE - _EM)
    builder.setupNameTable({"familyName": NAME, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=_BASELINE, sTypoDescender=_BASELINE - _EM, usWinAscent=_BASELINE)
    builder.setupPost()
    builder.font.flavor = "woff2"
    file = io.BytesIO()
    builder.save(file)
    return file.getvalue()
