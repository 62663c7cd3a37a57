"""A text set on a page: columns from right to left, headings, poems, furigana, and where each character stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kuzushiji.demo.hand import FloatArray, Glyph, Hand, make_glyph, write_character
from kuzushiji.demo.text import Paragraph
from kuzushiji.demo.variants import Shape, choose_shape, draw_preferences, is_kana

_LONG = {"し": 1.35, "り": 1.15, "く": 1.1, "〱": 1.2}  # drawn out downwards
_PARENT_SIZE = 0.95
_SMALL = {"の": 0.9, "ゝ": 0.6, "ゞ": 0.65, "へ": 0.85, "こ": 0.85, "ら": 0.95, "ろ": 0.95, "と": 0.95, "一": 0.9}
_HIRAGANA = "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす"
_HEADING_SIZE = 1.25
_MAX_CHARACTERS = 1100  # a submission holds at most 1,200 a page


@dataclass(frozen=True)
class TextStyle:
    """How a book sets its text; lengths are in heights of the page's image.

    Attributes:
        pitch: Size of a full character's box.
        column_pitch: Distance of columns, in `pitch`.
        kana_size: Size of kana against kanji.
        gap: Distance of one character's ink to the next, in `pitch`; may be negative.
        drift: How far columns lean and characters wander sideways, in `pitch`.
        furigana: Share of kanji with furigana.
        poem_indent: Indent of a poem, in `pitch`.
        voiced: Share of voicing marks that are written.
        preferences: How often each shape of a kana is chosen.
    """

    pitch: float
    column_pitch: float
    kana_size: float
    gap: float
    drift: float
    furigana: float
    poem_indent: float
    voiced: float
    preferences: dict[str, tuple[float, ...]] = field(repr=False)


@dataclass(frozen=True)
class Placed:
    """A glyph on the page: its character ("" for what has no label) and the place of its origin in pixels."""

    character: str
    glyph: Glyph
    x: float
    y: float


@dataclass
class Area:
    """A rectangle of a page in pixels, free for text."""

    x0: float
    y0: float
    x1: float
    y1: float


def draw_text_style(rng: np.random.Generator, *, printed: bool) -> TextStyle:
    """Return a new book's way of setting text."""
    furigana = float(rng.choice([0.0, 0.0, 0.0, 0.6, 0.95]))
    return TextStyle(
        pitch=float(rng.uniform(0.042, 0.06)),
        column_pitch=float(rng.uniform(1.05, 1.32)) + (0.28 if furigana else 0.0),
        kana_size=float(rng.uniform(0.68, 0.9)),
        gap=float(rng.uniform(-0.03, 0.13)),
        drift=float(rng.uniform(0.01, 0.03) if printed else rng.uniform(0.02, 0.07)),
        furigana=furigana,
        poem_indent=float(rng.uniform(1.0, 3.0)),
        voiced=float(rng.choice([0.0, 0.1, 0.6, 1.0])),
        preferences=draw_preferences(rng),
    )


class OpenColumn:
    """One column while it is being filled from the top."""

    def __init__(self, x: float, top: float, bottom: float, lean: float) -> None:
        self.x, self.y, self.bottom, self.lean, self.top = x, top, bottom, lean, top
        self.placed: list[Placed] = []

    def axis(self) -> float:
        """Return the horizontal place of the column's axis at the brush."""
        return self.x + self.lean * (self.y - self.top)


class TextSetter:
    """Writes paragraphs into an area; collects labelled characters in reading order and unlabelled ink."""

    def __init__(self, style: TextStyle, hand: Hand, page_height: int, rng: np.random.Generator) -> None:
        self.style, self.hand, self.rng = style, hand, rng
        self.size = style.pitch * page_height
        self.labelled: list[Placed] = []
        self.unlabelled: list[Placed] = []
        self.columns: list[float] = []

    def fill(self, area: Area, paragraphs: Iterator[Paragraph], blocked: Sequence[Area] = ()) -> None:
        """Fill `area` with columns until it or the text ends, staying clear of the areas that are `blocked`."""
        pitch = self.size * self.style.column_pitch
        x = area.x1 - pitch / 2
        pending = Paragraph("")
        while x - self.size * 0.4 > area.x0 and len(self.labelled) < _MAX_CHARACTERS:
            while not pending.text:
                following = next(paragraphs, None)
                if following is None:
                    return
                pending = following
            pending = replace(pending, text=self._column(x, area, pending, blocked))
            self.columns.append(x)
            x -= pitch

    def _column(self, x: float, area: Area, paragraph: Paragraph, blocked: Sequence[Area]) -> str:
        """Write one column, and return the text that is left over."""
        half = self.size * 0.5
        indent = {"poem": self.style.poem_indent, "heading": self.style.poem_indent}.get(paragraph.kind, 0.0)
        top = area.y0 + self.size * (indent + abs(float(self.rng.normal(0, 0.05 + self.style.drift))))
        bottom = min([area.y1, *(block.y0 for block in blocked if block.x0 < x + half and block.x1 > x - half)])
        column = OpenColumn(x, top, bottom, float(self.rng.normal(0, 0.1 * self.style.drift)))
        scale = _HEADING_SIZE if paragraph.kind == "heading" else 1.0
        written = 0
        for character in paragraph.text:
            if not self._write(column, character, scale):
                break
            written += 1
        self.labelled += column.placed
        self._link(column)
        return paragraph.text[written:]

    def _write(self, column: OpenColumn, character: str, scale: float) -> bool:
        """Write one character at the column's brush; return whether there was room."""
        shape = choose_shape(character, self.style.preferences, self.rng)
        size = self.size * scale * self._relative_size(character, shape)
        long = _LONG.get(character, 1.0) if not shape.parent else 1.0
        tall = long * float(np.exp(self.rng.normal(0.05, 0.2))) if long > 1 else 1.0
        glyph = write_character(self.hand, shape, size, self.rng, tall)
        gap = self.size * max(self.style.gap + float(self.rng.normal(0, 0.035)), -0.08)
        if column.y + glyph.height > column.bottom:
            return False
        middle = (glyph.bounds[0] + glyph.bounds[2]) / 2
        x = column.axis() - middle * 0.7 + float(self.rng.normal(0, self.style.drift * self.size))
        placed = Placed(character, glyph, x, column.y - glyph.bounds[1])
        column.placed.append(placed)
        if not is_kana(character) and self.rng.random() < self.style.furigana:
            self._furigana(placed)
        column.y += max(glyph.height, 0.25 * self.size) + gap
        return True

    def _relative_size(self, character: str, shape: Shape) -> float:
        size = self.style.kana_size if is_kana(character) else 1.0
        size *= _PARENT_SIZE if shape.parent else _SMALL.get(character, 1.0)
        return size * float(np.exp(self.rng.normal(0, 0.07)))

    def _furigana(self, beside: Placed) -> None:
        """Write one to three small kana right of a kanji."""
        count = int(self.rng.integers(1, 4))
        size = self.size * min(0.36, 1.0 / count)
        x = beside.x + max(beside.glyph.bounds[2], 0.45 * self.size) + size * 0.35
        y = beside.y + beside.glyph.bounds[1]
        for character in self.rng.choice(list(_HIRAGANA), count):
            glyph = write_character(self.hand, Shape(str(character), parent=False, marks=""), size, self.rng)
            self.unlabelled.append(Placed("", glyph, x - (glyph.bounds[0] + glyph.bounds[2]) / 2, y - glyph.bounds[1]))
            y += glyph.height + 0.1 * size

    def _link(self, column: OpenColumn) -> None:
        """Let the brush go from some characters into the one below."""
        for upper, lower in zip(column.placed, column.placed[1:], strict=False):
            kana = is_kana(upper.character) + is_kana(lower.character)
            if self.rng.random() < self.hand.link * (0.1, 0.4, 1.0)[kana]:
                self.unlabelled.append(_connection(upper, lower))


def _connection(upper: Placed, lower: Placed) -> Placed:
    """Return the thin stroke from the end of one character to the start of the next."""
    last = upper.glyph.leave
    a = upper.glyph.points[last] + np.array([upper.x, upper.y], dtype=np.float32)
    b = lower.glyph.points[0] + np.array([lower.x, lower.y], dtype=np.float32)
    leave = upper.glyph.points[last] - upper.glyph.points[max(0, last - 4)]
    leave = leave / max(float(np.hypot(*leave)), 1e-6)
    t = np.linspace(0, 1, 14, dtype=np.float32)[:, None]
    reach = np.float32(0.5 * np.hypot(*(b - a)))
    control_a, control_b = a + leave * reach, b - np.array([0, 0.4], dtype=np.float32) * reach
    points: FloatArray = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * control_a + 3 * t**2 * (1 - t) * control_b + t**3 * b
    width = np.float32(0.5) * min(upper.glyph.widths.mean(), lower.glyph.widths.mean())
    widths = width * (1 - 0.5 * np.sin(np.pi * t[:, 0]))
    return Placed("", make_glyph(points, widths.astype(np.float32)), 0.0, 0.0)
