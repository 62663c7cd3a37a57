"""Texts from files for the pages: lines of old Japanese, and which characters they and the pages may have."""

import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.variants import is_kana
from kuzushiji.errors import InputError

GRAM = 8
"""Length of the pieces of text that a corpus and the pages it is kept apart from may not share."""

_NOTES = re.compile(r"〔（[^）]*）〕|（[^）]*）|【[^】]*】|《[^》]*》|［[^］]*］|\([^)]*\)")
_SIGNS = frozenset("、。・「」『』…―－＿＋＄■□△▲◯")  # of the transcriptions, not of the pages
_LEAST = 12  # characters of a passage
_PASSAGE = 4000  # characters: longer texts are cut into passages of so many
_TEXT_COLUMN = "text"


@dataclass(frozen=True)
class Corpus:
    """Passages of text; only characters that can be drawn are in them."""

    passages: tuple[str, ...]

    def draw(self, rng: np.random.Generator) -> Iterator[str]:
        """Yield characters without end: a random passage from a random place, then others."""
        lengths = np.array([len(passage) for passage in self.passages], dtype=np.float64)
        while True:
            passage = self.passages[int(rng.choice(len(self.passages), p=lengths / lengths.sum()))]
            start = int(rng.integers(max(1, len(passage) - _LEAST)))
            yield from passage[start:]


def read_corpus(paths: Sequence[Path], allowed: frozenset[str], apart: frozenset[str]) -> Corpus:
    """Return the passages of text files.

    Args:
        paths: Plain text, or CSV with a column `text`; either may be gzipped.
        allowed: Characters that stay.
        apart: Pieces of `GRAM` characters; a passage that has one of them is left out.

    Raises:
        InputError: a file is missing or no text; nothing is left of all of them.
    """
    passages = []
    for path in paths:
        for text in _texts(path):
            plain = "".join(
                character for character in _NOTES.sub("", text) if character in allowed and character not in _SIGNS
            )
            pieces = [plain[at : at + _PASSAGE] for at in range(0, len(plain), _PASSAGE)]
            passages += [piece for piece in pieces if len(piece) >= _LEAST and not shares(piece, apart)]
    if not passages:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names}: expected text of at least {_LEAST} characters that the fonts have, got none")
    return Corpus(tuple(passages))


def grams(text: str) -> frozenset[str]:
    """Return all pieces of `GRAM` characters of a text."""
    return frozenset(text[at : at + GRAM] for at in range(len(text) - GRAM + 1))


def shares(text: str, apart: frozenset[str]) -> bool:
    """Return whether a text has one of these pieces."""
    return bool(apart) and not apart.isdisjoint(grams(text))


@lru_cache(maxsize=2)
def read_apart(path: Path | None) -> frozenset[str]:
    """Return the pieces of the texts in a file, a page a line; none without a file.

    Raises:
        InputError: it cannot be read.
    """
    if path is None:
        return frozenset()
    return frozenset(gram for line in _opened(path).splitlines() for gram in grams(line))


class Extras:
    """Further characters between those of the texts, so that rare classes come too."""

    def __init__(self, counts: dict[str, int], allowed: frozenset[str]) -> None:
        """Take how often characters occur in real pages; all but kana that are `allowed` may come."""
        self._characters = sorted(character for character in allowed if not is_kana(character))
        weights = np.sqrt(np.array([counts.get(character, 0) + 0.6 for character in self._characters]))
        self._weights: NDArray[np.float64] = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> str:
        """Return one of them; frequent ones come more often, but less so than in the texts."""
        at = min(int(np.searchsorted(self._weights, rng.random())), len(self._characters) - 1)
        return self._characters[at]


def _texts(path: Path) -> Iterator[str]:
    content = _opened(path)
    if ".csv" not in path.suffixes:
        yield "".join(content.split())
        return
    rows = csv.DictReader(io.StringIO(content))
    if _TEXT_COLUMN not in (rows.fieldnames or ()):
        raise InputError(f"{path}: expected a column {_TEXT_COLUMN}, got {', '.join(rows.fieldnames or ()) or 'none'}")
    for row in rows:
        yield "".join((row[_TEXT_COLUMN] or "").split())


def _opened(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file in UTF-8 ({error})") from error
