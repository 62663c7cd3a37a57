"""The character error rate: insertions, deletions and substitutions, a share of the true characters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kuzushiji.errors import InputError

MAX_TEXT = 50_000
"""Characters of a page's text: the memory to align two texts grows with the product of their lengths."""


@dataclass(frozen=True)
class LineScore:
    """A true line, as it was read: the text aligned with it, and the edits between them."""

    truth: str
    read: str
    edits: int


@dataclass(frozen=True)
class TextScore:
    """The text of a page.

    Attributes:
        characters: Of the truth.
        edits: Insertions, deletions and substitutions that make the truth of what was read: the fewest.
        lines: The true lines; their edits add up to those of the page.
        confusions: How often a true character was read as another; None stands for a missed or an invented one.
    """

    characters: int
    edits: int
    lines: list[LineScore] = field(default_factory=list)
    confusions: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)


def score_text(truth: Sequence[str], read: Sequence[str], page: str) -> TextScore:
    """Compare the lines of a page, which are joined: how they are divided does not count, their order does.

    Each edit belongs to the true line in which it lies; what is read between two lines belongs to the first of them.

    Raises:
        InputError: one of the texts is longer than `MAX_TEXT`.
    """
    from rapidfuzz.distance import Levenshtein

    true_text, read_text = "".join(truth), "".join(read)
    longest = max(len(true_text), len(read_text))
    if longest > MAX_TEXT:
        raise InputError(f"page {page}: expected at most {MAX_TEXT:,} characters, got {longest:,}")
    line_of = [number for number, line in enumerate(truth) for _ in line]
    edits, texts = [0] * len(truth), [""] * len(truth)
    confusions: Counter[tuple[str | None, str | None]] = Counter()
    for step in Levenshtein.opcodes(true_text, read_text):
        true_part, read_part = true_text[step.src_start : step.src_end], read_text[step.dest_start : step.dest_end]
        if step.tag == "insert":
            confusions.update((None, char) for char in read_part)
            if truth:
                number = line_of[max(step.src_start - 1, 0)] if line_of else 0
                texts[number] += read_part
                edits[number] += len(read_part)
            continue
        for place, char in enumerate(true_part):
            number = line_of[step.src_start + place]
            other = None if step.tag == "delete" else read_part[place]
            texts[number] += other or ""
            edits[number] += char != other
            if char != other:
                confusions[char, other] += 1
    lines = [LineScore(*line) for line in zip(truth, texts, edits, strict=True)]
    return TextScore(len(true_text), sum(confusions.values()), lines, confusions)
