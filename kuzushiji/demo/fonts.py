"""Characters from the outlines of calligraphic fonts: which fonts there are, and a character's ink in one of them."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.errors import InputError

SIDE = 64
"""Height of the em square in which characters are drawn, pixels."""

_ENDINGS = (".ttf", ".otf", ".woff2")
_SOFT = 1.3  # standard deviation of the blur whose level sets are bolder and thinner shapes, pixels
_LEAST_INK = 12  # pixels of the em square: with less than that a character is an empty place of the font
_ROLES: Mapping[str, tuple[float, float]] = MappingProxyType({
    "sousyo": (5.0, 1.6), "gyosho": (1.6, 1.4), "kouzan-mouhitsu": (0.8, 0.8), "akari": (0.0, 2.6),
    "akebono": (0.0, 1.8), "liu-jian": (2.0, 0.0), "zhi-mang": (1.2, 0.0), "yuji": (0.6, 0.8), "aoyagi": (0.6, 0.6),
})  # fmt: skip
"""Part of a family's name -> how often books take kanji and kana from it; the first that fits counts."""

_OTHER_ROLE = (0.6, 0.6)


@dataclass(frozen=True, eq=False)
class Family:
    """The fonts of one folder, which together are one hand.

    Attributes:
        name: Name of the folder.
        files: Character -> the file that has it.
        kanji: Weight with which books take their kanji from it.
        kana: Weight with which books take their kana from it.
    """

    name: str
    files: Mapping[str, Path]
    kanji: float
    kana: float


@lru_cache(maxsize=4)
def families(folder: Path) -> tuple[Family, ...]:
    """Return the families in a folder of fonts: one for each subfolder, in order of their names.

    Fonts are TrueType, OpenType or WOFF2; a family may be cut into several files.

    Raises:
        InputError: there is no such folder, no font in it, or a font cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of fonts, one subfolder a family, got none")
    found = []
    for sub in sorted(path for path in folder.iterdir() if path.is_dir()):
        paths = sorted(path for path in sub.rglob("*") if path.suffix.lower() in _ENDINGS)
        files: dict[str, Path] = {}
        for path in paths:
            for character in _characters(path):
                files.setdefault(character, path)
        if files:
            role = next((role for part, role in _ROLES.items() if part in sub.name.lower()), _OTHER_ROLE)
            found.append(Family(sub.name, MappingProxyType(files), *role))
    if not found:
        raise InputError(f"{folder}: expected fonts ({', '.join(_ENDINGS)}) in subfolders, one a family, got none")
    return tuple(found)


def family_characters(found: tuple[Family, ...]) -> frozenset[str]:
    """Return the characters that at least one family has."""
    return frozenset(character for family in found for character in family.files)


@lru_cache(maxsize=40_000)
def ink_of(path: Path, character: str) -> NDArray[np.uint8] | None:
    """Return the ink of a character in a font file, cut at its edges; None where the font leaves it empty.

    Returns:
        Coverage (h, w), 0 to 255, of an em square of `SIDE` pixels; at least 2 x 2.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("L", (2 * SIDE, 2 * SIDE), 0)
    ImageDraw.Draw(picture).text((SIDE // 2, SIDE // 2), character, fill=255, font=_font(path))
    drawn = np.asarray(picture)
    if (drawn > 127).sum() < _LEAST_INK or drawn.tobytes() == _replacement(path):
        return None
    rows, columns = np.flatnonzero(drawn.max(axis=1) > 40), np.flatnonzero(drawn.max(axis=0) > 40)
    return np.ascontiguousarray(drawn[rows[0] : rows[-1] + 2, columns[0] : columns[-1] + 2])


@lru_cache(maxsize=512)
def _font(path: Path):  # type: ignore[no-untyped-def]
    from PIL import ImageFont

    return ImageFont.truetype(str(path), SIDE)


@lru_cache(maxsize=512)
def _replacement(path: Path) -> bytes:
    """Return what the font draws for a character that it lacks."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (2 * SIDE, 2 * SIDE), 0)
    ImageDraw.Draw(picture).text((SIDE // 2, SIDE // 2), "\U0010fffd", fill=255, font=_font(path))
    return np.asarray(picture).tobytes()


def _characters(path: Path) -> list[str]:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, lazy=True) as font:
            codes = font.getBestCmap() or {}
    except (TTLibError, OSError, AssertionError) as error:
        raise InputError(
            f"{path}: expected a font (TrueType, OpenType, WOFF2), got something else ({error})"
        ) from error
    return [chr(code) for code in sorted(codes) if unicodedata.category(chr(code)) not in ("Cc", "Cn", "Co", "Zs")]


def redrawn(ink: NDArray[np.uint8], weight: float, warp: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return ink as a hand of its own draws it: bolder or thinner, bent a little.

    Args:
        ink: Coverage (h, w), 0 to 255.
        weight: How much bolder, pixels of the em square; negative for thinner.
        warp: Amplitude of the bending, shares of the em square.
        rng: Source of chance.
    """
    pad = 6
    padded = cv2.copyMakeBorder(ink, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    height, width = padded.shape
    field = rng.normal(0, warp * SIDE, (2, 4, 4)).astype(np.float32)
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    shift = [cv2.resize(field[k], (width, height), interpolation=cv2.INTER_CUBIC) for k in range(2)]
    bent = cv2.remap(padded, grid_x + shift[0], grid_y + shift[1], cv2.INTER_LINEAR)
    if abs(weight) > 0.05:
        soft = cv2.GaussianBlur(bent, (0, 0), _SOFT).astype(np.float32) / 255
        weight *= float(np.clip(1.4 - 2.2 * (bent > 127).mean(), 0.2, 1.0)) if weight > 0 else 1.0
        edge = float(np.clip(0.5 - 0.2 * weight, 0.16, 0.68))
        bent = np.clip((soft - edge) * 4 + 0.5, 0, 1) * 255
    return _cut(bent.astype(np.uint8))


def _cut(drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(drawn.max(axis=1) > 60), np.flatnonzero(drawn.max(axis=0) > 60)
    if not len(rows) or not len(columns):
        return drawn
    return np.ascontiguousarray(drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
