"""One page that imitates a real one: a real layout, real text, glyphs of fonts; paper and camera as of all pages."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from kuzushiji.demo.books import Book, PagePlan, book_of
from kuzushiji.demo.drawings import draw_picture
from kuzushiji.demo.frame import Sheet, frame_lines, lay_sheet, spine_marks
from kuzushiji.demo.imitation import Setter
from kuzushiji.demo.ink import Ink
from kuzushiji.demo.layouts import Layout
from kuzushiji.demo.material import Material, Sources, read_material
from kuzushiji.demo.page import Label, assemble, write_glyphs
from kuzushiji.demo.paper import clouds, photograph
from kuzushiji.demo.script import Script, draw_script
from kuzushiji.demo.typesetting import Area

_BOOK, _PAGE = 11, 12  # what a seed is used for, beside the uses of `books`
_GREY_SHARE = 0.12  # of the books are known from black and white photographs
_SEALS = (0.0, 0.3, 0.3, 1.0, 6.0)


@lru_cache(maxsize=64)
def _script_of(sources: Sources, seed: int, book: int) -> tuple[Script, float, bool]:
    """Return how a book writes, its mean number of seals, and whether it is grey."""
    rng = np.random.default_rng([seed, book, _BOOK])
    script = draw_script(read_material(sources), rng)
    return script, float(rng.choice(_SEALS)), bool(rng.random() < _GREY_SHARE)


def make_real_page(plan: PagePlan, page_height: int, sources: Sources) -> tuple[NDArray[np.uint8], list[Label], int]:
    """Return a page (h, w, 3) uint8 in blue, green, red, its labels in reading order, and the quality of its JPEG.

    Raises:
        InputError: a source cannot be read.
    """
    material = read_material(sources)
    book = book_of(plan.book_seed, plan.book)
    script, seals, grey = _script_of(sources, plan.book_seed, plan.book)
    rng = np.random.default_rng([plan.page_seed, plan.book, plan.page, int(plan.test), _PAGE])
    layout = material.layouts.draw(rng)
    height, width = page_height, max(16, round(page_height * layout.ratio * float(rng.uniform(0.97, 1.05))))
    sheet = lay_sheet(book.frame, height, width, bool(plan.page % 2), rng)
    fibre = np.clip(0.5 + 0.3 * clouds(height, width, max(1.2, height / 500), rng), 0, 1)
    ink = Ink(np.zeros((height, width), dtype=np.uint8), fibre, sheet.bend)
    labels: list[Label] = []
    if plan.kind != "blank":
        labels = _draw(ink, plan, material, script, book, sheet, layout, rng)
    _write_neighbour(ink, material, script, book, sheet, rng)
    page = assemble(ink, book, sheet, rng, seals)
    if grey:
        page = _grey(page, rng)
    quality = int(np.clip(book.paper.quality + rng.integers(-6, 7), 40, 95))
    return photograph(page, book.paper, rng), labels, quality


def _draw(
    ink: Ink, plan: PagePlan, material: Material, script: Script, book: Book, sheet: Sheet, layout: Layout,
    rng: np.random.Generator,
) -> list[Label]:  # fmt: skip
    height = ink.black.shape[0]
    scale, origin, area = _place(layout, sheet, height, rng)
    setter = Setter(material, script, rng, list(plan.must))
    if plan.kind == "text":
        setter.set_page(layout, scale, origin)
    if plan.kind == "drawing" or rng.random() < 0.15:
        for line in draw_picture(_free(area, layout, scale, origin, rng, whole=plan.kind == "drawing"), rng):
            ink.put(line, float(rng.uniform(0.6, 1.0)), 0.2)
    labels = write_glyphs(ink, setter.labelled, book, rng)
    write_glyphs(ink, setter.unlabelled, book, rng)
    around = Sheet(sheet.page, area, sheet.neighbour, sheet.gutter, sheet.bend)
    columns = [
        origin[0] + scale * float(np.median(c.boxes_xywh[:, 0] + c.boxes_xywh[:, 2] / 2)) for c in layout.columns
    ]
    for line in frame_lines(book.frame, around, height, sorted(columns, reverse=True), rng) + spine_marks(
        book.frame, around, height, rng
    ):
        ink.put(line, 0.97, 0.25)
    return labels


def _place(
    layout: Layout, sheet: Sheet, height: int, rng: np.random.Generator
) -> tuple[float, tuple[float, float], Area]:
    """Return pixels a unit of the layout, where its corner lies, and the area of its text."""
    boxes = np.concatenate([column.boxes_xywh for column in layout.columns])
    low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    room = 0.012 * height
    free = np.array([sheet.page.x1 - sheet.page.x0, sheet.page.y1 - sheet.page.y0]) - 2 * room
    scale = min(float(height * rng.uniform(0.93, 1.05)), *(free / np.maximum(high - low, 1e-6)).tolist())
    start = low * height
    first = np.array([sheet.page.x0, sheet.page.y0]) + room
    last = first + free - (high - low) * scale
    start = np.clip(start, first, np.maximum(last, first))
    origin = start - low * scale
    end = start + (high - low) * scale
    return (
        scale,
        (float(origin[0]), float(origin[1])),
        Area(float(start[0]), float(start[1]), float(end[0]), float(end[1])),
    )


def _free(
    area: Area, layout: Layout, scale: float, origin: tuple[float, float], rng: np.random.Generator, *, whole: bool
) -> Area:
    """Return a rectangle for a picture: the whole area, or the one of some that meets the fewest characters."""
    if whole:
        return area
    boxes = np.concatenate([column.boxes_xywh for column in layout.columns]) * scale
    middles = boxes[:, :2] + boxes[:, 2:] / 2 + np.array(origin)
    best, least = area, len(boxes) + 1
    for _ in range(12):
        size = rng.uniform((0.2, 0.15), (0.6, 0.5)) * np.array([area.x1 - area.x0, area.y1 - area.y0])
        x, y = rng.uniform(
            (area.x0, area.y0), (max(area.x1 - size[0], area.x0 + 1), max(area.y1 - size[1], area.y0 + 1))
        )
        inside = ((middles > (x, y)) & (middles < (x + size[0], y + size[1]))).all(axis=1).sum()
        if inside < least:
            best, least = Area(float(x), float(y), float(x + size[0]), float(y + size[1])), int(inside)
    return best


def _write_neighbour(
    ink: Ink, material: Material, script: Script, book: Book, sheet: Sheet, rng: np.random.Generator
) -> None:
    """Write the column of the neighbour page that is partly in the picture: it has no labels."""
    if sheet.neighbour is None or rng.random() < 0.3:
        return
    height, strip = ink.black.shape[0], sheet.neighbour
    layout = material.layouts.pages[int(rng.integers(len(material.layouts.pages)))]
    right = strip.x0 > sheet.page.x0
    column = layout.columns[-1 if right else 0]
    edge = float(column.boxes_xywh[:, 0].min() if right else (column.boxes_xywh[:, 0] + column.boxes_xywh[:, 2]).max())
    setter = Setter(material, script, rng)
    x = strip.x0 + 0.015 * height if right else strip.x1 - 0.015 * height
    setter.set_page(Layout("", layout.ratio, (column,)), float(height), (x - edge * height, 0.0))
    layer = ink.fresh()
    write_glyphs(layer, setter.labelled, book, rng)
    flat_x, _ = sheet.bend.flat(*ink.black.shape)
    np.maximum(ink.black, layer.black * ((flat_x > strip.x0) & (flat_x < strip.x1)), out=ink.black)


def _grey(page: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a page as a black and white film keeps it."""
    grey = page.mean(axis=2)
    low, high = np.quantile(grey[::7, ::7], (0.01, 0.8))
    contrast = float(rng.uniform(1.0, 2.5))
    flat = np.clip((grey - (low + high) / 2) / max(float(high - low), 1.0) * contrast + 0.6, 0, 1) * 255
    return np.asarray(np.repeat(cv2.GaussianBlur(flat, (0, 0), 0.5)[..., None], 3, axis=2), dtype=np.float32)
