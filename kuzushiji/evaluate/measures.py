"""Character error rate of texts without what does not count; precision, recall and F1 of boxes and characters."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.characters import char_to_code, code_to_char
from kuzushiji.data.labels import PageLabels, PagePoints
from kuzushiji.errors import InputError
from kuzushiji.evaluate.config import EDGE, FURIGANA, MARKS, OLD_FORMS, VOICING
from kuzushiji.evaluate.readings import Reading
from kuzushiji.forms.character_codes import normalised
from kuzushiji.forms.labelled_page import TextLine
from kuzushiji.metric import match, score_pages

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


Confusions = Counter[tuple[str | None, str | None]]
"""How often a true character was read as another; None stands for a missed or an invented one."""


@dataclass(frozen=True)
class BoxScores:
    """F1's counts of pages.

    Attributes:
        characters: image_id, tp, fp, fn of characters with their boxes, a row a page.
        boxes: Likewise of boxes, whichever character is in them.
        classes: A row a character: code, char, truth, predicted, found.
        confusions: By place: a box and the unused prediction within it.
    """

    characters: pd.DataFrame
    boxes: pd.DataFrame
    classes: pd.DataFrame
    confusions: Confusions


def score_boxes(truth: Sequence[Reading], read: Sequence[Reading]) -> BoxScores:
    """Score the characters of the same pages by their places.

    Args:
        truth: Pages with boxes.
        read: What was read on each of them, boxes or points: the centre counts.
    """
    labels, points = _labels_of(truth), _points_of(read)
    matched, used = match(labels, points)
    one = {"code": "U+003F"}
    boxes = score_pages(
        replace(labels, boxes=labels.boxes.assign(**one)), replace(points, points=points.points.assign(**one))
    )
    return BoxScores(
        score_pages(labels, points),
        boxes,
        _classes(labels, points, matched),
        _confusions(labels, points, matched, used),
    )


def _labels_of(readings: Sequence[Reading]) -> PageLabels:
    page = np.repeat(np.arange(len(readings)), [len(reading.chars) for reading in readings])
    boxes = np.concatenate([np.zeros((0, 4)), *(reading.boxes_xywh for reading in readings)])
    return PageLabels.from_arrays([reading.name for reading in readings], page, _codes(readings), boxes)


def _points_of(readings: Sequence[Reading]) -> PagePoints:
    page = np.repeat(np.arange(len(readings)), [len(reading.chars) for reading in readings])
    boxes = np.concatenate([np.zeros((0, 4)), *(reading.boxes_xywh for reading in readings)])
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    return PagePoints.from_arrays([reading.name for reading in readings], page, _codes(readings), centers)


def _codes(readings: Sequence[Reading]) -> list[str]:
    return [char_to_code(char) for reading in readings for char in reading.chars]


def _classes(labels: PageLabels, points: PagePoints, matched: NDArray[np.bool_]) -> pd.DataFrame:
    columns = {
        "truth": labels.boxes["code"].value_counts(),
        "predicted": points.points["code"].value_counts(),
        "found": labels.boxes["code"][matched].value_counts(),
    }
    table: pd.DataFrame = pd.DataFrame(columns).fillna(0).astype(int).rename_axis("code").reset_index()
    table.insert(1, "char", [code_to_char(code) for code in table["code"]])
    both = table["truth"] + table["predicted"]
    table["f1"] = (2 * table["found"] / both.where(both > 0, 1)).round(4)
    ordered: pd.DataFrame = table.sort_values(["truth", "code"], ascending=[False, True], ignore_index=True)
    return ordered


def _confusions(
    labels: PageLabels, points: PagePoints, matched: NDArray[np.bool_], used: NDArray[np.bool_]
) -> Confusions:
    """Pair what is left on each page: a true box with the first unused prediction strictly inside."""
    found: Confusions = Counter()
    chars = [[code_to_char(code) for code in table["code"]] for table in (labels.boxes, points.points)]
    boxes_xywh, places = labels.boxes_xywh, points.points[["x", "y"]].to_numpy(np.float64)
    for boxes, inside in zip(labels.rows_by_page(), points.rows_by_page(), strict=True):
        left = inside[~used[inside]]
        for box in boxes[~matched[boxes]].tolist():
            start, size = boxes_xywh[box, :2], boxes_xywh[box, 2:]
            within = ((places[left] > start) & (places[left] < start + size)).all(axis=1)
            if within.any():
                first = int(within.argmax())
                found[chars[0][box], chars[1][left[first]]] += 1
                left = np.delete(left, first)
            else:
                found[chars[0][box], None] += 1
        found.update((None, chars[1][point]) for point in left.tolist())
    return found
