"""Which characters the pages may carry, and how those that the texts lack get into them."""

from dataclasses import dataclass

import numpy as np

from kuzushiji.data.strokes import known_characters
from kuzushiji.demo.text import text_characters

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
