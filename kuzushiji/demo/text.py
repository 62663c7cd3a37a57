"""What is written in the books: classical texts, passages of words, and characters that the texts lack."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kuzushiji.data.strokes import REPEAT_MARK, known_characters
from kuzushiji.demo.variants import PLAIN

_SLOT = re.compile(r"<(\w+)>")

_FILE = Path(__file__).with_name("passages.txt")
_TEMPLATE = "template"


@lru_cache(maxsize=1)
def _lists() -> dict[str, tuple[str, ...]]:
    """Return the lists of `passages.txt` by name: one a line, name first; `<name>` stands for a word of that list."""
    lines = (line.split() for line in _FILE.read_text(encoding="utf-8").splitlines())
    return {name: tuple(words) for name, *words in lines}


def passage(rng: np.random.Generator) -> str:
    """Return a passage of one to two sentences; two of the same words are very rare."""
    lists = _lists()
    text = f"<{_TEMPLATE}>"
    while _SLOT.search(text):
        text = _SLOT.sub(lambda slot: lists[slot[1]][int(rng.integers(len(lists[slot[1]])))], text)
    return text


def words() -> tuple[str, ...]:
    """Return all that passages are made of."""
    return tuple(_SLOT.sub("", word) for words in _lists().values() for word in words)


_FOLDER = Path(__file__).with_name("texts")
_HEADER_SIGN = "#"  # begins the first line of a file: title | authors | year | work or manner
_POEM_SIGN = "\u3000"  # begins a paragraph of the files that is a poem
HEADINGS = ("自序", "目録", "春の部", "秋の歌", "巻之一", "巻之二", "上の巻", "下の巻", "その三")
"""Headings that any book may have; too short to say which text follows."""

_REPEATS = 0.6  # share of repeated kana that are written with a repetition mark
_FIRST_KANA, _LAST_KANA = "ぁ", "ん"


@dataclass(frozen=True)
class Paragraph:
    """A piece of text that begins a column: `prose`, a `poem` (set in) or a `heading` (large)."""

    text: str
    kind: str = "prose"


@lru_cache(maxsize=1)
def texts() -> tuple[tuple[Paragraph, ...], ...]:
    """Return the texts, each a tuple of paragraphs, with characters that cannot be drawn left out."""
    known = set(known_characters())
    books = []
    for path in sorted(_FOLDER.glob("*.txt")):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(_HEADER_SIGN)]
        kinds = ["poem" if line.startswith(_POEM_SIGN) else "prose" for line in lines]
        kept = ["".join(character for character in line if character in known) for line in lines]
        books.append(tuple(Paragraph(line, kind) for line, kind in zip(kept, kinds, strict=True)))
    return tuple(books)


@lru_cache(maxsize=1)
def text_characters() -> tuple[str, ...]:
    """Return the characters of the texts as they can be written on pages, the most frequent first."""
    written = "".join((*HEADINGS, *words())) + "".join(paragraph.text for text in texts() for paragraph in text)
    counts = Counter(written) + Counter({REPEAT_MARK: 3, "ゝ": 3, "ゞ": 1, "々": 3})
    counts += Counter(PLAIN[character] for character in written if character in PLAIN)
    known = set(known_characters())
    return tuple(sorted(known & counts.keys(), key=lambda character: (-counts[character], character)))


def spell(text: str, rng: np.random.Generator, *, voiced: float) -> str:
    """Return a text as a book spells it.

    Args:
        text: The text with all voicing marks and without repetition marks.
        rng: Source of chance.
        voiced: Share of the voicing marks that are written.
    """
    written = [c if c not in PLAIN or rng.random() < voiced else PLAIN[c] for c in text]
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
            out.append("ゝ" if _all_kana(text[at]) else "々" if text[at] != "々" else text[at])
        elif at > 0 and PLAIN.get(text[at]) == text[at - 1] and out[-1] == text[at - 1] and rng.random() < _REPEATS:
            out.append("ゞ")
        else:
            out.append(text[at])
        at += 1
    return "".join(out)


def _all_kana(text: str) -> bool:
    return all(_FIRST_KANA <= character <= _LAST_KANA for character in text)


_FIRST_KANJI, _LAST_KANJI = "一", "龯"
_CHANCE_OF_EXTRA = 0.06  # share of further kanji in the text, beside those a page has to carry
_QUEUE_RATE = 0.5  # chance of the next one that has to be carried, at each place of the text


@dataclass(frozen=True)
class CharacterSet:
    """The characters of a data root.

    Attributes:
        allowed: All that may occur on pages.
        extra: Those among them that the texts lack, the most frequent first.
    """

    allowed: frozenset[str]
    extra: str

    def mix(self, text: str, queue: list[str], rng: np.random.Generator) -> str:
        """Return a text without characters that may not occur, with further ones mixed in.

        Args:
            text: The text.
            queue: Characters that still have to be carried; those used are taken off.
            rng: Source of chance.
        """
        out = []
        for character in text:
            if queue and rng.random() < _QUEUE_RATE:
                out.append(queue.pop())
            elif self.extra and rng.random() < _CHANCE_OF_EXTRA:
                out.append(self.extra[_long_tail(len(self.extra), rng)])
            if character in self.allowed:
                out.append(character)
        return "".join(out)


def choose_characters(seed: int, classes: int | None) -> CharacterSet:
    """Return the characters of a data root with about `classes` classes; None: those of the texts."""
    own = text_characters()
    if classes is None:
        return CharacterSet(frozenset(own), "")
    if classes <= len(own):
        return CharacterSet(frozenset(own[:classes]), "")
    others = [c for c in known_characters() if _FIRST_KANJI <= c <= _LAST_KANJI and c not in set(own)]
    chosen = np.random.default_rng([seed, 3]).permutation(len(others))[: classes - len(own)]
    extra = "".join(others[index] for index in chosen.tolist())
    return CharacterSet(frozenset(own) | frozenset(extra), extra)


def _long_tail(count: int, rng: np.random.Generator) -> int:
    """Return an index below `count`, of which small ones are more frequent: Zipf's law."""
    return min(int(count ** float(rng.random())) - 1, count - 1)
