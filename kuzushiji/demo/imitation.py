"""Text on pages that imitate real ones: the columns of a real layout, filled with glyphs of calligraphic fonts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.fonts import SIDE
from kuzushiji.demo.layouts import LEAST_STRETCH, Column, Floats, Layout
from kuzushiji.demo.material import Material
from kuzushiji.demo.script import Script, fitted, shapes_of
from kuzushiji.demo.variants import is_kana

_QUEUE_RATE = 0.25  # chance of the next character that the page has to carry, at each place of the text
_LARGEST = 1.6  # how far a glyph may be larger than in its font
_HIRAGANA = "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす"


@dataclass(frozen=True)
class Stamp:
    """A character's ink where it lies on the flat sheet.

    Attributes:
        character: Its label; "" for what has none.
        ink: Coverage (h, w), 0 to 255.
        x: Left edge, pixels of the page.
        y: Upper edge.
    """

    character: str
    ink: NDArray[np.uint8]
    x: int
    y: int


@dataclass
class Setter:
    """Sets text on one page.

    Attributes:
        material: What there is.
        script: The book's way of writing.
        rng: Source of chance.
        queue: Characters that the page has to carry; those that were written are taken off.
        labelled: Characters with labels, in reading order.
        unlabelled: Further ink.
    """

    material: Material
    script: Script
    rng: np.random.Generator
    queue: list[str] = field(default_factory=list)
    labelled: list[Stamp] = field(default_factory=list)
    unlabelled: list[Stamp] = field(default_factory=list)

    def set_page(self, layout: Layout, scale: float, origin: tuple[float, float]) -> None:
        """Write a page: a layout's columns, `scale` pixels to its unit, its corner at `origin`."""
        own = self.rng.random() < self.script.own_text
        text = self._text()
        for column in layout.columns:
            targets = self._own(column) if own else self._filled(column, text)
            previous: Stamp | None = None
            for character, box in targets:
                stamp = self._stamp(character, box * scale, origin, column.pitch * scale)
                if stamp is None:
                    continue
                self.labelled.append(stamp)
                if previous is not None and self._links(previous, stamp):
                    self.unlabelled.append(connection(previous, stamp, self.rng))
                if not is_kana(character) and self.rng.random() < self.script.furigana:
                    self._furigana(stamp)
                previous = stamp

    def _text(self) -> Iterator[str]:
        for character in self.material.corpus.draw(self.rng):
            if self.queue and self.rng.random() < _QUEUE_RATE:
                yield self.queue.pop()
            if self.rng.random() < self.script.extra * 0.5:
                yield self.material.extras.draw(self.rng)
            yield character

    def _own(self, column: Column) -> Iterator[tuple[str, Floats]]:
        """Yield the column's own characters in its own boxes, moved a little."""
        spread = self.script.jitter * column.pitch
        for character, box in zip(column.text, column.boxes_xywh, strict=True):
            if not is_kana(character) and self.queue and self.rng.random() < 2 * _QUEUE_RATE:
                character = self.queue.pop()
            elif not is_kana(character) and self.rng.random() < self.script.extra:
                character = self.material.extras.draw(self.rng)
            if character in self.material.allowed:
                yield character, box + self.rng.normal(0, 0.5 * spread, 4)

    def _filled(self, column: Column, text: Iterator[str]) -> Iterator[tuple[str, Floats]]:
        """Yield new text from the top of a column to its end, with sizes as characters have them."""
        boxes, pitch = column.boxes_xywh, column.pitch
        middles = boxes[:, 0] + boxes[:, 2] / 2
        heights = boxes[:, 1] + boxes[:, 3] / 2
        y, end = float(boxes[0, 1]), float((boxes[:, 1] + boxes[:, 3]).max())
        while True:
            character = next(text)
            size = self._size(character) * pitch
            if y + 0.8 * size[1] > end:
                return
            x = float(np.interp(y + size[1] / 2, heights, middles)) + self.rng.normal(
                0, self.script.jitter * pitch * 0.5
            )
            yield character, np.array([x - size[0] / 2, y, *size])
            gap = self.material.layouts.gaps[int(self.rng.integers(len(self.material.layouts.gaps)))]
            y += size[1] + self.script.loose * float(gap) * pitch

    def _size(self, character: str) -> Floats:
        layouts = self.material.layouts
        sizes = layouts.sizes.get(character, layouts.kana if is_kana(character) else layouts.kanji)
        size = sizes[int(self.rng.integers(len(sizes)))]
        varied: Floats = size * np.exp(self.rng.normal(0, self.script.jitter, 2))
        return np.clip(varied, 0.12, 3.0)

    def _stamp(self, character: str, box: Floats, origin: tuple[float, float], pitch: float) -> Stamp | None:
        """Return a character drawn into a box of pixels; None where no family has it or there is no room.

        `pitch` is the size of a full character in pixels: what is small in its font stays small.
        """
        width, height = float(box[2]), float(box[3])
        if min(width, height) < 3:
            return None
        glyph = self._glyph(character, height / width)
        if glyph is None:
            return None
        stretch = self.material.layouts.stretch(character)
        largest = _LARGEST * pitch / SIDE * max(glyph.shape) * np.sqrt(stretch / LEAST_STRETCH)
        shrink = min(1.0, largest / max(width, height))
        ink = fitted(glyph, width * shrink, height * shrink, self.script.slant, stretch, self.rng)
        x = origin[0] + box[0] + width / 2 - ink.shape[1] / 2
        y = origin[1] + box[1] + height / 2 - ink.shape[0] / 2
        return Stamp(character, ink, round(x), round(y))

    def _glyph(self, character: str, aspect: float) -> NDArray[np.uint8] | None:
        """Return one of the book's shapes of a character, rather one that fits the aspect (height / width)."""
        shapes = shapes_of(self.material.families, self.script, character)
        if not shapes:
            return None
        fit = [
            share * np.exp(-0.8 * (np.log(aspect) - np.log(ink.shape[0] / ink.shape[1])) ** 2) for share, ink in shapes
        ]
        weights = np.cumsum(fit)
        return shapes[min(int(np.searchsorted(weights, self.rng.random() * weights[-1])), len(shapes) - 1)][1]

    def _links(self, upper: Stamp, lower: Stamp) -> bool:
        if not (is_kana(upper.character) and is_kana(lower.character)):
            return self.rng.random() < 0.12 * self.script.link
        return self.rng.random() < self.script.link

    def _furigana(self, beside: Stamp) -> None:
        """Write one to three small kana right of a kanji."""
        height, width = beside.ink.shape
        count = int(self.rng.integers(1, 4))
        size = min(0.38 * max(height, width), height / count)
        for number, character in enumerate(self.rng.choice(list(_HIRAGANA), count).tolist()):
            box = np.array([beside.x + width + 0.05 * size, beside.y + number * size, 0.75 * size, 0.92 * size])
            stamp = self._stamp(character, box, (0.0, 0.0), size)
            if stamp is not None:
                self.unlabelled.append(Stamp("", stamp.ink, stamp.x, stamp.y))


def connection(upper: Stamp, lower: Stamp, rng: np.random.Generator) -> Stamp:
    """Return the thin stroke from the lowest ink of one character to the highest of the next."""
    a, b = _end(upper, last=True), _end(lower, last=False)
    low = np.minimum(a, b) - 3
    size = np.maximum(np.abs(b - a) + 7, 1)
    canvas = np.zeros((int(size[1]), int(size[0])), np.uint8)
    bow = rng.normal(0, 0.15, 2) * np.hypot(*(b - a))
    t = np.linspace(0, 1, 8)[:, None]
    points = (1 - t) ** 2 * a + 2 * t * (1 - t) * ((a + b) / 2 + bow) + t**2 * b - low
    thickness = max(1, round(0.05 * upper.ink.shape[0]))
    cv2.polylines(
        canvas, [np.rint(points).astype(np.int32)[:, None]], False, int(rng.integers(140, 256)), thickness, cv2.LINE_AA
    )
    return Stamp("", canvas, int(low[0]), int(low[1]))


def _end(stamp: Stamp, *, last: bool) -> NDArray[np.int64]:
    """Return x, y of the lowest or highest ink of a stamp on the page."""
    rows = np.flatnonzero(stamp.ink.max(axis=1) > 100)
    if not len(rows):
        return np.array([stamp.x, stamp.y], dtype=np.int64)
    row = int(rows[-1] if last else rows[0])
    columns = np.flatnonzero(stamp.ink[row] > 100)
    return np.array([stamp.x + int(columns.mean()), stamp.y + row], dtype=np.int64)
