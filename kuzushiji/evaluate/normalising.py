"""Readings without what does not count."""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from kuzushiji.evaluate.config import EDGE, FURIGANA, MARKS, OLD_FORMS, VOICING
from kuzushiji.evaluate.readings import Reading
from kuzushiji.forms.character_codes import normalised
from kuzushiji.forms.labelled_page import TextLine

_VOICING = "\u3099\u309a"
_SPACING_VOICING = "\u309b\u309c"
_MARK_KINDS = ("P", "S")
"""Unicode's categories of punctuation and of symbols. Iteration marks and the long vowel are letters."""


class Normaliser:
    """Brings characters to one form: Unicode form C, without variation selectors and blanks; then what is asked for.

    Args:
        ignored: Of `kuzushiji.evaluate.config.IGNORED`: furigana and edge leave out these lines, marks leaves out
            punctuation and symbols, voicing makes が か, old-forms makes 國 国.
        table: New character of each old one.
    """

    def __init__(self, ignored: Collection[str] = (), table: Mapping[str, str] | None = None) -> None:
        self.ignored = frozenset(ignored)
        self.table = {ord(old): new for old, new in (table or {}).items()}

    def text(self, text: str) -> str:
        """Return a text in this form."""
        plain = "".join(normalised(text).split()).translate(self.table)
        if VOICING in self.ignored:
            apart = unicodedata.normalize("NFD", plain)
            kept = "".join(char for char in apart if char not in _VOICING + _SPACING_VOICING)
            plain = unicodedata.normalize("NFC", kept)
        if OLD_FORMS in self.ignored:
            from joyokanji import convert

            plain = convert(plain)
        if MARKS in self.ignored:
            plain = "".join(char for char in plain if unicodedata.category(char)[0] not in _MARK_KINDS)
        return plain

    def reading(self, reading: Reading) -> Reading:
        """Return a page in this form: characters that do not count are gone, with their boxes."""
        roles = self.ignored & {FURIGANA, EDGE}
        distinct = {char: self.text(char) for char in set(reading.chars)}
        chars = [distinct[char] for char in reading.chars]
        kept = [i for i, char in enumerate(chars) if len(char) == 1 and reading.role[i] not in roles]
        lines = [TextLine(self.text(line.text), line.role) for line in reading.lines or () if line.role not in roles]
        return replace(
            reading, chars=[chars[i] for i in kept], boxes_xywh=reading.boxes_xywh[np.array(kept, np.int64)],
            role=[reading.role[i] for i in kept], lines=[line for line in lines if line.text],
        )  # fmt: skip
