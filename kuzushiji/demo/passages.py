"""Passages for pages when the texts are at an end: letters, recipes, almanacs, accounts, made from lists of words."""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

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
