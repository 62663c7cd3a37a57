"""Where the paper lies in the photograph, and the frames and rules printed on it."""

from dataclasses import dataclass

import numpy as np

from kuzushiji.demo.hand import FloatArray, make_glyph
from kuzushiji.demo.typesetting import Area, Placed

_SPINE_PLACES = (0.05, 0.16, 0.3, 0.45, 0.62, 0.78, 0.92)  # of the height of the text
_TURN = 0.006  # radians, standard deviation
_BULGE = 0.004  # heights of the picture, standard deviation


@dataclass(frozen=True)
class FrameStyle:
    """A book's margins and lines; lengths are in heights of the page's image.

    Attributes:
        lines: 0 for no frame, 1 for a single line, 2 for a double one.
        rules: Whether lines stand between the columns.
        width: Thickness of the frame's line.
        top: Margin above the text.
        bottom: Margin below.
        inner: Margin towards the neighbour page.
        outer: Margin towards the edge of the book.
        spine: Whether the fold shows the title strip with its black marks.
        stack: How many edges of the pages below show at the outer edge.
        seals: Mean number of red seals a page.
        drawings: Share of the text pages with a drawing.
    """

    lines: int
    rules: bool
    width: float
    top: float
    bottom: float
    inner: float
    outer: float
    spine: bool
    stack: int
    seals: float
    drawings: float


@dataclass(frozen=True)
class Bend:
    """How a sheet lies under the camera: a little turned, and bulging towards the fold.

    Attributes:
        turn: Angle, radians.
        bulge: How much higher the fold lies in the picture than the edge, pixels.
        middle: x, y around which the sheet is turned, pixels.
        fold: x of the fold, pixels.
        width: Width of the picture, pixels.
    """

    turn: float
    bulge: float
    middle: tuple[float, float]
    fold: float
    width: float

    def apply(self, points: FloatArray) -> FloatArray:
        """Return where points (n, 2) of the flat sheet lie in the picture."""
        x, y = points[:, 0] - np.float32(self.middle[0]), points[:, 1] - np.float32(self.middle[1])
        turned = points[:, 0] - np.float32(self.turn) * y, points[:, 1] + np.float32(self.turn) * x
        return np.stack([turned[0], turned[1] - self._lift(points[:, 0])], axis=1)

    def flat(self, height: int, width: int) -> tuple[FloatArray, FloatArray]:
        """Return the x and y on the flat sheet of every pixel, two arrays (height, width)."""
        x = np.arange(width, dtype=np.float32)[None, :]
        y = np.arange(height, dtype=np.float32)[:, None]
        flat_x = x + np.float32(self.turn) * (y - np.float32(self.middle[1]))
        return flat_x, y - np.float32(self.turn) * (x - np.float32(self.middle[0])) + self._lift(x)

    def _lift(self, x: FloatArray) -> FloatArray:
        near = 1 - np.abs(x - np.float32(self.fold)) / np.float32(self.width)
        return np.asarray(np.float32(self.bulge) * np.clip(near, 0, 1) ** 4, dtype=np.float32)


@dataclass(frozen=True)
class Sheet:
    """Where things lie in the photograph, in pixels.

    Attributes:
        page: The page itself.
        text: The area of the text.
        neighbour: The strip of the neighbour page, or None.
        gutter: x of the fold between them.
        bend: How the sheet lies under the camera; the other values are those of the flat sheet.
    """

    page: Area
    text: Area
    neighbour: Area | None
    gutter: float
    bend: Bend


def draw_frame_style(rng: np.random.Generator, *, printed: bool) -> FrameStyle:
    """Return a new book's frame; manuscripts have none."""
    lines = int(rng.choice([0, 1, 1, 2])) if printed else 0
    return FrameStyle(
        lines=lines,
        rules=bool(lines and rng.random() < 0.3),
        width=float(rng.uniform(0.002, 0.0055)),
        top=float(rng.uniform(0.05, 0.17)),
        bottom=float(rng.uniform(0.04, 0.09)),
        inner=float(rng.uniform(0.02, 0.05)),
        outer=float(rng.uniform(0.03, 0.08)),
        spine=bool(lines and rng.random() < 0.5),
        stack=int(rng.choice([0, 0, 2, 4])),
        seals=float(rng.choice([0.05, 0.3, 0.6])),
        drawings=float(rng.choice([0.0, 0.1, 0.35])),
    )


def lay_sheet(style: FrameStyle, height: int, width: int, left_page: bool, rng: np.random.Generator) -> Sheet:
    """Return where page, text and neighbour lie in a photograph of `height` x `width` pixels."""
    ground = rng.uniform((0.0, 0.0, 0.0), (0.035, 0.03, 0.04)) * height * (rng.random(3) < 0.8)
    strip = float(rng.uniform(0.0, 0.06)) * width
    x0, x1 = float(ground[0]), width - strip
    text_left, text_right = style.outer, style.inner
    page = Area(x0, float(ground[1]), x1, height - float(ground[2]))
    neighbour = Area(x1, page.y0, float(width), page.y1)
    gutter = x1
    if not left_page:
        page = Area(width - x1, page.y0, width - x0, page.y1)
        neighbour = Area(0.0, page.y0, width - x1, page.y1)
        gutter = width - x1
        text_left, text_right = text_right, text_left
    text = Area(
        page.x0 + text_left * height, page.y0 + style.top * height,
        page.x1 - text_right * height, page.y1 - style.bottom * height,
    )  # fmt: skip
    bend = Bend(
        float(rng.normal(0, _TURN)),
        float(rng.normal(0, _BULGE)) * height,
        (width / 2, height / 2),
        gutter,
        float(width),
    )
    return Sheet(page, text, neighbour if strip > 3 else None, gutter, bend)


def frame_lines(
    style: FrameStyle, sheet: Sheet, height: int, columns: list[float], rng: np.random.Generator
) -> list[Placed]:
    """Return the lines of the frame and the rules between the columns, of which `columns` are the axes."""
    if not style.lines:
        return []
    out = []
    pad = 0.012 * height
    for number in range(style.lines):
        gap = pad + number * 2.5 * style.width * height
        width = style.width * height * (1.0 if number == style.lines - 1 else 0.45)
        a, b = (sheet.text.x0 - gap, sheet.text.y0 - gap), (sheet.text.x1 + gap, sheet.text.y1 + gap)
        corners = [a, (b[0], a[1]), b, (a[0], b[1]), a]
        out += [_line(p, q, width, rng) for p, q in zip(corners, corners[1:], strict=False)]
    if style.rules:
        for x, following in zip(columns, columns[1:], strict=False):
            middle = (x + following) / 2
            ends = (middle, sheet.text.y0 - pad), (middle, sheet.text.y1 + pad)
            out.append(_line(*ends, style.width * height * 0.4, rng))
    return out


def spine_marks(style: FrameStyle, sheet: Sheet, height: int, rng: np.random.Generator) -> list[Placed]:
    """Return the black marks of the fold between frame and neighbour page."""
    if not style.spine:
        return []
    left = sheet.gutter < (sheet.page.x0 + sheet.page.x1) / 2
    x = sheet.page.x0 + 0.006 * height if left else sheet.page.x1 - 0.006 * height
    marks = []
    for share in rng.choice(_SPINE_PLACES, int(rng.integers(2, 6)), replace=False).tolist():
        y = sheet.text.y0 + share * (sheet.text.y1 - sheet.text.y0)
        length, width = rng.uniform((0.008, 0.006), (0.05, 0.016)) * height
        marks.append(_line((x, y), (x, y + float(length)), float(width), rng))
    return marks


def _line(a: tuple[float, float], b: tuple[float, float], width: float, rng: np.random.Generator) -> Placed:
    """Return a line that is a little uneven, as cut in wood."""
    n = 40
    t = np.linspace(0, 1, n)[:, None]
    wander = np.cumsum(rng.normal(0, 0.05 * width, (n, 2)), axis=0)
    points: FloatArray = (np.array(a) * (1 - t) + np.array(b) * t + wander - wander.mean(axis=0)).astype(np.float32)
    widths = (width * np.clip(rng.normal(1, 0.16, n), 0.4, 1.6)).astype(np.float32)
    return Placed("", make_glyph(points, widths), 0.0, 0.0)
