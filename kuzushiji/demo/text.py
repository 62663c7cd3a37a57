"""What the books say: classical texts, and the codes that can occur."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from kuzushiji.demo.strokes import REPEAT_MARK, known_characters
from kuzushiji.demo.variants import PLAIN

_FOLDER = Path(__file__).with_name("texts")
WAKA = "\u3000"
"""Begins a paragraph that is a poem: it is set in from the top of the column."""

_REPEATS = 0.6  # share of repeated kana that are written with a repetition mark
_FIRST_KANA, _LAST_KANA = "ぁ", "ん"


@lru_cache(maxsize=1)
def texts() -> tuple[tuple[str, ...], ...]:
    """Return the texts, each a tuple of paragraphs, with characters that cannot be drawn left out."""
    known = set(known_characters()) | {WAKA}
    books = []
    for path in sorted(_FOLDER.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        books.append(tuple("".join(c for c in line if c in known) for line in lines if line.strip()))
    return tuple(books)


@lru_cache(maxsize=1)
def text_characters() -> tuple[str, ...]:
    """Return the characters of the texts as they can be written on pages, the most frequent first."""
    counts: dict[str, int] = {REPEAT_MARK: 3, "ゝ": 3, "ゞ": 1, "々": 3}
    for text in texts():
        for character in "".join(text).replace(WAKA, ""):
            counts[character] = counts.get(character, 0) + 1
            plain = PLAIN.get(character)
            if plain:
                counts[plain] = counts.get(plain, 0) + 1
    return tuple(sorted(counts, key=lambda character: (-counts[character], character)))


def paragraphs_from(rng: np.random.Generator) -> Iterator[str]:
    """Yield paragraphs without end: a random text from a random paragraph on, then the next text."""
    books = texts()
    book = int(rng.integers(len(books)))
    start = int(rng.integers(len(books[book])))
    paragraph = books[book][start]
    if not paragraph.startswith(WAKA):
        paragraph = paragraph[int(rng.integers(max(1, len(paragraph) // 2))) :]
    yield paragraph
    yield from books[book][start + 1 :]
    while True:
        book = (book + 1) % len(books)
        yield from books[book]


def spell(paragraph: str, rng: np.random.Generator, *, voiced: float) -> str:
    """Return a paragraph as a book spells it.

    Args:
        paragraph: The text in kana with voicing marks.
        rng: Source of chance.
        voiced: Share of the voicing marks that are written.
    """
    written = [c if c not in PLAIN or rng.random() < voiced else PLAIN[c] for c in paragraph]
    return _with_repetition_marks("".join(written), rng)


def _with_repetition_marks(text: str, rng: np.random.Generator) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        pair, before = text[at : at + 2], text[max(0, at - 2) : at]
        if len(pair) == 2 and pair == before and pair[0] != pair[1] and _all_kana(pair) and rng.random() < _REPEATS:
            out.append(REPEAT_MARK)
            at += 2
            continue
        repeated = at > 0 and text[at] == text[at - 1] and out[-1] == text[at]
        if repeated and rng.random() < _REPEATS:
            out.append("ゝ" if _all_kana(text[at]) else "々" if text[at] not in (WAKA, "々") else text[at])
        elif at > 0 and PLAIN.get(text[at]) == text[at - 1] and out[-1] == text[at - 1] and rng.random() < _REPEATS:
            out.append("ゞ")
        else:
            out.append(text[at])
        at += 1
    return "".join(out)


def _all_kana(text: str) -> bool:
    return all(_FIRST_KANA <= character <= _LAST_KANA for character in text)
