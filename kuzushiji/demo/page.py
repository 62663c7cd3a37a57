"""One page: text and paper together, and where each character came to lie."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.books import Book, PagePlan, book_of
from kuzushiji.demo.drawings import draw_picture, draw_seal
from kuzushiji.demo.frame import Sheet, frame_lines, lay_sheet, spine_marks
from kuzushiji.demo.imitation import Stamp
from kuzushiji.demo.ink import Ink
from kuzushiji.demo.paper import add_wormholes, clouds, make_paper, photograph
from kuzushiji.demo.text import CharacterSet, Paragraph, spell
from kuzushiji.demo.typesetting import Area, Placed, TextSetter

_PRINT_MOTTLE = 0.5  # a block print is never quite even
_SEAL_BGR = np.array([48, 52, 178], dtype=np.float32)
Label = tuple[str, int, int, int, int]
"""Code, x, y, width, height: integers, pixels of the page."""


def make_page(plan: PagePlan, page_height: int, characters: CharacterSet) -> tuple[NDArray[np.uint8], list[Label], int]:
    """Return a page (h, w, 3) uint8 in blue, green, red, its labels in reading order, and the quality of its JPEG."""
    book = book_of(plan.book_seed, plan.book)
    rng = np.random.default_rng([plan.page_seed, plan.book, plan.page, int(plan.test)])
    height, width = page_height, max(16, round(page_height * book.ratio * float(rng.uniform(0.97, 1.03))))
    sheet = lay_sheet(book.frame, height, width, bool(plan.page % 2), rng)
    fibre = np.clip(0.5 + 0.3 * clouds(height, width, max(1.2, height / 500), rng), 0, 1)
    ink = Ink(np.zeros((height, width), dtype=np.uint8), fibre, sheet.bend)
    setter = TextSetter(book.text, book.hand, height, rng)
    if plan.kind != "blank":
        _draw_page(ink, setter, plan, book, sheet, characters, rng)
    labels = write_glyphs(ink, setter.labelled, book, rng)
    write_glyphs(ink, setter.unlabelled, book, rng)
    _write_neighbour(ink, book, sheet, plan.text, rng)
    page = assemble(ink, book, sheet, rng)
    quality = int(np.clip(book.paper.quality + rng.integers(-6, 7), 40, 95))
    return photograph(page, book.paper, rng), labels, quality


def _draw_page(
    ink: Ink, setter: TextSetter, plan: PagePlan, book: Book, sheet: Sheet, characters: CharacterSet,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    height = ink.black.shape[0]
    blocked = []
    if plan.kind == "drawing" or rng.random() < book.frame.drawings:
        area = _picture_area(sheet.text, whole=plan.kind == "drawing", rng=rng)
        blocked.append(area)
        for line in draw_picture(area, rng):
            ink.put(line, float(rng.uniform(0.8, 1.0)), 0.2)
    if plan.kind == "text":
        setter.fill(sheet.text, _paragraphs(plan, book, characters, rng), blocked)
    lines = frame_lines(book.frame, sheet, height, setter.columns, rng)
    for line in lines + spine_marks(book.frame, sheet, height, rng):
        ink.put(line, 0.97, 0.25)


def _picture_area(text: Area, *, whole: bool, rng: np.random.Generator) -> Area:
    if whole:
        return Area(text.x0, text.y0, text.x1, text.y1)
    w, h = text.x1 - text.x0, text.y1 - text.y0
    share = rng.uniform((0.4, 0.3), (0.9, 0.5))
    x0 = text.x0 + rng.uniform(0, 1 - share[0]) * w
    return Area(float(x0), float(text.y1 - share[1] * h), float(x0 + share[0] * w), text.y1)


def _paragraphs(plan: PagePlan, book: Book, characters: CharacterSet, rng: np.random.Generator) -> Iterator[Paragraph]:
    queue = list(plan.must)
    for paragraph in plan.text:
        text = spell(paragraph.text, rng, voiced=book.text.voiced)
        yield replace(paragraph, text=characters.mix(text, queue, rng))


def write_glyphs(ink: Ink, glyphs: Iterable[Placed | Stamp], book: Book, rng: np.random.Generator) -> list[Label]:
    """Put glyphs on the page; the brush dries and is dipped again every few characters."""
    labels: list[Label] = []
    dry = 0.0
    for placed in glyphs:
        dry += book.hand.dryness * float(rng.uniform(0.02, 0.12))
        if rng.random() < 0.05 + 0.3 * dry:
            dry = 0.0
        load = 1.0 - min(0.35 * dry, 0.25) if book.hand.dryness else float(rng.uniform(0.9, 1.0))
        box = ink.put(placed, load, min(dry, 0.85) if book.hand.dryness else _PRINT_MOTTLE)
        if box is not None and placed.character:
            labels.append((f"U+{ord(placed.character):04X}", *box))
    return labels


def _write_neighbour(ink: Ink, book: Book, sheet: Sheet, text: Sequence[Paragraph], rng: np.random.Generator) -> None:
    """Write the column of the neighbour page that is partly in the picture: words of the same page, without labels."""
    if sheet.neighbour is None or rng.random() < 0.3:
        return
    height = ink.black.shape[0]
    setter = TextSetter(book.text, book.hand, height, rng)
    strip = sheet.neighbour
    size = setter.size
    outside = 0.02 * height if strip.x0 > sheet.page.x0 else -0.02 * height
    middle = strip.x0 + outside + size * 0.5 if outside > 0 else strip.x1 + outside - size * 0.5
    reach = size * book.text.column_pitch / 2
    area = Area(middle - reach * 0.6, sheet.text.y0, middle + reach, sheet.text.y1)
    setter.fill(area, reversed(text))
    layer = ink.fresh()
    write_glyphs(layer, setter.labelled, book, rng)
    flat_x, _ = sheet.bend.flat(*ink.black.shape)
    seen = (flat_x > strip.x0) & (flat_x < strip.x1)
    np.maximum(ink.black, layer.black * seen, out=ink.black)


def assemble(
    ink: Ink, book: Book, sheet: Sheet, rng: np.random.Generator, seals: float | None = None
) -> NDArray[np.float32]:
    """Return the page (h, w, 3), 0 to 255: paper, ink, what time did to it; `seals` is the mean number of seals."""
    height, width = ink.black.shape
    style = book.paper
    page = make_paper(style, height, width, rng)
    _show_through(page, ink, book, rng)
    _cover(page, ink.black, np.array(style.ink, dtype=np.float32))
    for _ in range(rng.poisson(book.frame.seals if seals is None else seals)):
        _stamp(page, ink, sheet, rng)
    add_wormholes(page, style, rng)
    flat_x, flat_y = sheet.bend.flat(height, width)
    _fold(page, (flat_x - np.float32(sheet.gutter)) / np.float32(height))
    _ground(page, flat_x, flat_y, sheet, book, rng)
    return page


def _cover(page: NDArray[np.float32], ink: NDArray[np.uint8], colour: NDArray[np.float32]) -> None:
    alpha = (ink.astype(np.float32) * np.float32(1 / 255))[..., None]
    page += (colour - page) * alpha


def _show_through(page: NDArray[np.float32], ink: Ink, book: Book, rng: np.random.Generator) -> None:
    """Darken the page where the text on its other side shows: mirrored, shifted, blurred."""
    height, width = ink.black.shape
    other = np.roll(ink.black[:, ::-1], (int(rng.integers(height)) // 8, int(rng.integers(width))), axis=(0, 1))
    other = cv2.GaussianBlur(other, (0, 0), max(0.6, height * float(rng.uniform(0.0012, 0.0024))))
    patchy = np.clip(1 + np.float32(0.4) * clouds(height, width, height / 6, rng), 0.2, 2)
    strength = book.paper.bleed * float(rng.uniform(0.4, 1.2)) / 255
    page *= (1 - other * patchy * np.float32(strength))[..., None]


def _stamp(page: NDArray[np.float32], ink: Ink, sheet: Sheet, rng: np.random.Generator) -> None:
    height, width = ink.black.shape
    side = float(rng.uniform(0.04, 0.085)) * height
    x = float(rng.uniform(sheet.page.x0, max(sheet.page.x1 - side, sheet.page.x0 + 1)))
    y = float(rng.uniform(sheet.page.y0, max(sheet.page.y1 - side, sheet.page.y0 + 1)))
    layer = ink.fresh()
    for line in draw_seal(x, y, side, rng):
        layer.put(line, float(rng.uniform(0.75, 0.9)), 0.55)
    _cover(page, layer.black, _SEAL_BGR + np.float32(rng.normal(0, 10, 3)))


def _fold(page: NDArray[np.float32], distance: NDArray[np.float32]) -> None:
    """Darken the fold between page and neighbour; `distance` (h, w) to it in heights of the picture."""
    shade = 1 - 0.22 * np.exp(-np.abs(distance) / np.float32(0.02))
    shade -= 0.35 * np.exp(-((distance / np.float32(0.0018)) ** 2))
    page *= shade[..., None]


def _ground(
    page: NDArray[np.float32], flat_x: NDArray[np.float32], flat_y: NDArray[np.float32], sheet: Sheet, book: Book,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Paint what lies around the book, with a ragged edge, and the edges of the pages below."""
    height, width = page.shape[:2]
    ragged = np.float32(0.0004 * height) * clouds(height, width, height / 30, rng)
    fold_is_left = sheet.gutter < width / 2
    outer = sheet.page.x1 - flat_x if fold_is_left else flat_x - sheet.page.x0
    outer = outer + ragged + 1
    unit = np.float32(0.0016 * height)
    for number in range(book.frame.stack):
        edge = np.float32(float(rng.uniform(1, 2)) + 2.2 * number) * unit
        page *= (1 - np.float32(rng.uniform(0.12, 0.4)) * np.exp(-(((outer - edge) / (0.4 * unit)) ** 2)))[..., None]
    inside = np.minimum(outer, np.minimum(flat_y + ragged - sheet.page.y0 + 1, sheet.page.y1 - flat_y - ragged))
    outside = np.clip(0.5 - inside, 0, 1)[..., None]
    page += (np.array(book.paper.ground, dtype=np.float32) - page) * outside
