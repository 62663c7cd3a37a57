"""Which shapes a kana has in the books: the modern one, and the cursive of other parent characters."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kuzushiji.data.strokes import REPEAT_MARK

PARENTS: Mapping[str, str] = MappingProxyType({
    "あ": "阿愛", "い": "以意", "う": "宇有", "え": "江衣", "お": "於",
    "か": "可加閑", "き": "起支幾", "く": "久具", "け": "希計介", "こ": "古己",
    "さ": "左佐散", "し": "志之新", "す": "春寿須", "せ": "勢世", "そ": "曽楚",
    "た": "多堂", "ち": "知千地", "つ": "徒川津", "て": "天亭", "と": "止登",
    "な": "奈那", "に": "尓仁ニ耳", "ぬ": "奴", "ね": "年祢", "の": "乃能",
    "は": "者ハ波", "ひ": "比飛悲", "ふ": "不婦布", "へ": "部遍", "ほ": "本保",
    "ま": "満末万", "み": "美ミ三見", "む": "無武", "め": "免女", "も": "毛母",
    "や": "也屋", "ゆ": "由遊", "よ": "与余",
    "ら": "良羅", "り": "里利", "る": "留累流", "れ": "連礼", "ろ": "呂路",
    "わ": "和王", "ゐ": "為井", "ゑ": "恵衛", "を": "越遠乎", "ん": "无",
})  # fmt: skip
"""Modern kana -> parent characters whose cursive was written for it; the label stays the modern kana."""

_VOICED = "がぎぐげござじずぜぞだぢづでどばびぶべぼ"
_SEMI_VOICED = "ぱぴぷぺぽ"
PLAIN: Mapping[str, str] = MappingProxyType(
    dict(zip(_VOICED, "かきくけこさしすせそたちつてとはひふへほ", strict=True))
    | dict(zip(_SEMI_VOICED, "はひふへほ", strict=True))
    | {"ゞ": "ゝ"}
)
"""Kana with a voicing mark -> the kana without it."""

_PREFERENCE = 0.45  # concentration: below 1, a book likes one or two shapes and uses the others now and then
_WEIGHTS = (
    2.2,
    1.0,
    0.6,
    0.4,
    0.3,
)  # the shape that survived was the most frequent one, then the parents in the order of the table


@dataclass(frozen=True)
class Shape:
    """What is drawn for a character.

    Attributes:
        character: Whose strokes are taken.
        parent: Whether these are of a parent character, written in full cursive and in the size of a kana.
        marks: The voiced kana whose last strokes (voicing marks) are added, or "".
    """

    character: str
    parent: bool
    marks: str

    @property
    def is_kana(self) -> bool:
        """Whether it stands for a kana."""
        return self.parent or is_kana(self.character)


def is_kana(character: str) -> bool:
    """Return whether it is a hiragana, a katakana or one of their marks; "" is none."""
    return "ぁ" <= character <= "ヿ" or character == REPEAT_MARK


def draw_preferences(rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
    """Return how often a book writes each shape of a kana: the modern one, then those of `PARENTS`, summing to 1."""
    return {
        kana: tuple(rng.dirichlet(_PREFERENCE * np.array(_WEIGHTS[: 1 + len(parents)])).tolist())
        for kana, parents in PARENTS.items()
    }


def choose_shape(character: str, preferences: Mapping[str, tuple[float, ...]], rng: np.random.Generator) -> Shape:
    """Return the shape in which `character` is written this time."""
    plain = PLAIN.get(character, character)
    marks = character if plain != character else ""
    chosen = 0
    if plain in preferences:
        chosen = int(np.searchsorted(np.cumsum(preferences[plain]), rng.random()))
    if 0 < chosen <= len(PARENTS.get(plain, "")):
        return Shape(PARENTS[plain][chosen - 1], parent=True, marks=marks)
    return Shape(plain, parent=False, marks=marks)
