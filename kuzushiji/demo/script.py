"""How a book that imitates a real one writes: its shapes of each character, from the fonts' glyphs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.fonts import Family, ink_of, redrawn
from kuzushiji.demo.material import Material
from kuzushiji.demo.variants import PARENTS, PLAIN, is_kana

_VERSIONS = 2  # a hand has so many ways of each glyph


@dataclass(frozen=True)
class Script:
    """How a book writes.

    Attributes:
        seed: Of its shapes.
        kanji: Share of each family in its kanji.
        kana: Share of each family in its kana.
        parents: Share of the kana that are written as the cursive of a parent character.
        weight: How much bolder than the font, pixels of the em square.
        warp: How far shapes are bent.
        slant: Shear.
        jitter: How far sizes and places vary from instance to instance.
        link: How often the brush goes on into the next kana.
        own_text: Share of pages with the text of their layout.
        furigana: Share of kanji with furigana.
        extra: Share of further characters.
        loose: Factor of the distances between characters.
    """

    seed: int
    kanji: tuple[float, ...]
    kana: tuple[float, ...]
    parents: float
    weight: float
    warp: float
    slant: float
    jitter: float
    link: float
    own_text: float
    furigana: float
    extra: float
    loose: float


def draw_script(material: Material, rng: np.random.Generator) -> Script:
    """Return a new book's way of writing."""
    kanji = np.array([family.kanji for family in material.families]) + 1e-9
    kana = np.array([family.kana for family in material.families]) + 1e-9
    return Script(
        seed=int(rng.integers(2**31)),
        kanji=tuple(rng.dirichlet(kanji * 0.35).tolist()),
        kana=tuple(rng.dirichlet(kana * 0.5).tolist()),
        parents=float(rng.choice([0.0, 0.15, 0.35])),
        weight=float(rng.normal(0.6, 0.7)),
        warp=float(rng.uniform(0.015, 0.05)),
        slant=float(rng.normal(0.04, 0.06)),
        jitter=float(rng.uniform(0.03, 0.1)),
        link=float(rng.choice([0.0, 0.2, 0.5, 0.8, 1.0])),
        own_text=0.5,
        furigana=float(rng.choice([0.0, 0.0, 0.6, 0.95])),
        extra=float(rng.choice([0.1, 0.6, 0.9])),
        loose=float(rng.uniform(0.3, 1.3)),
    )


@lru_cache(maxsize=12_000)
def shapes_of(found: tuple[Family, ...], script: Script, character: str) -> tuple[tuple[float, NDArray[np.uint8]], ...]:
    """Return the shapes in which a book writes a character, each with its share."""
    rng = np.random.default_rng([script.seed, ord(character)])
    plain = PLAIN.get(character, character)
    shares = script.kana if is_kana(character) else script.kanji
    shapes = []
    if is_kana(character) and plain in PARENTS and rng.random() < 2 * script.parents:
        parent = str(rng.choice(list(PARENTS[plain])))
        ink = _drawn(found, script.kanji, parent, rng, cursive=True)
        if ink is not None:
            shapes.append((max(script.parents, 0.1), _marked(character, ink)))
    for _ in range(_VERSIONS):
        ink = _drawn(found, shares, character, rng)
        if ink is None and plain != character:
            bare = _drawn(found, shares, plain, rng)
            ink = None if bare is None else _marked(character, bare)
        if ink is not None:
            shapes.append(((1 - script.parents) / _VERSIONS, redrawn(ink, script.weight, script.warp, rng)))
    return tuple(shapes)


def _drawn(
    found: tuple[Family, ...],
    shares: Sequence[float],
    character: str,
    rng: np.random.Generator,
    *,
    cursive: bool = False,
) -> NDArray[np.uint8] | None:
    """Return a character in one of the families that have it."""
    weights = np.array(
        [share + 0.01 if character in family.files else 0.0 for share, family in zip(shares, found, strict=True)]
    )
    if cursive:
        weights *= np.array([("sousyo" in family.name) + 0.02 for family in found])
    while weights.sum() > 0:
        at = int(rng.choice(len(found), p=weights / weights.sum()))
        ink = ink_of(found[at].files[character], character)
        if ink is not None:
            return ink
        weights[at] = 0
    return None


def _marked(character: str, ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add the voicing mark of `character` at the right upper corner, where it has one."""
    if PLAIN.get(character) is None:
        return ink
    height, width = ink.shape
    side = max(4, round(0.26 * max(height, width)))
    out = np.zeros((height, width + side), np.uint8)
    out[:, :width] = ink
    for number in range(2):
        start = width + number * side // 2 - side // 6, round(0.08 * height)
        cv2.line(out, start, (start[0] + side // 3, start[1] + side // 2), 255, max(2, side // 5), cv2.LINE_AA)
    return out


def fitted(
    glyph: NDArray[np.uint8], width: float, height: float, slant: float, stretch: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a glyph scaled into about `width` x `height` pixels, sheared and turned a little.

    Its proportions stay within a factor of `stretch` of its own; its area is that of the box. Strokes keep about their
    thickness where it becomes much narrower or lower.
    """
    own, wanted = glyph.shape[0] / glyph.shape[1], height / width
    factor = float(np.clip(wanted / own, 1 / stretch, stretch))
    aspect = own * factor
    glyph = thickened(glyph, factor)
    side = np.sqrt(width * height)
    new = np.array([side / np.sqrt(aspect), side * np.sqrt(aspect)])
    scale = new / np.array([glyph.shape[1], glyph.shape[0]])
    turn = float(rng.normal(0, 0.035))
    matrix = np.array([[scale[0], -(slant + turn) * scale[1]], [turn * scale[0], scale[1]]])
    corners = np.array([[0, 0], [glyph.shape[1], 0], [0, glyph.shape[0]], [glyph.shape[1], glyph.shape[0]]]) @ matrix.T
    low, high = corners.min(axis=0) - 1, corners.max(axis=0) + 1
    size = np.ceil(high - low).astype(int)
    full = np.hstack([matrix, -low[:, None]])
    source = glyph if scale.max() > 0.6 else cv2.GaussianBlur(glyph, (0, 0), 0.35 / float(scale.max()))
    return np.asarray(cv2.warpAffine(source, full, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR))


def thickened(glyph: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Return a glyph whose strokes are wider across the direction in which it is to be squeezed, by up to half."""
    squeeze = np.sqrt(max(factor, 1 / factor))
    if squeeze < 1.25:
        return glyph
    stroke = 2 * float(cv2.distanceTransform((glyph > 127).astype(np.uint8), cv2.DIST_L2, 3).max())
    more = round(min(squeeze - 1, 0.5) * stroke)
    kernel = np.ones((1, more + 1) if factor > 1 else (more + 1, 1), np.uint8)
    across = ((0, 0), (more, more)) if factor > 1 else ((more, more), (0, 0))
    return np.asarray(cv2.dilate(np.pad(glyph, across), kernel))
