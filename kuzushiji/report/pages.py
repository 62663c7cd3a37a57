"""Pages with what was read on them, as SVG: `python -m kuzushiji.report.pages RUNS PAGE OUT.svg` draws one alone."""

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import add_options, config_from, option

if TYPE_CHECKING:
    import pandas as pd

    from kuzushiji.artifacts import Characters
    from kuzushiji.data.labels import PageLabels
    from kuzushiji.data.paths import DataRoot

DEFAULT_HEIGHT = 900
_JPEG_QUALITY = 70
_STYLE = (
    "rect{fill:none;stroke-width:1.5} text{font-family:'Noto Serif CJK JP','Noto Serif JP','Hiragino Mincho ProN',"
    "'Yu Mincho',serif;paint-order:stroke;stroke:#fff;stroke-width:2px;stroke-linejoin:round} "
    ".right{stroke:#1a7f37}.wrong{stroke:#cf222e;stroke-width:2.5}.missed{stroke:#bc4c00;stroke-dasharray:4 2}"
    ".read{stroke:#0550ae} text.right{fill:#1a7f37;stroke:#fff} text.wrong{fill:#cf222e;stroke:#fff;stroke-width:2px} "
    "text.missed{fill:#bc4c00;stroke:#fff;stroke-dasharray:none} text.read{fill:#0550ae;stroke:#fff}"
)


@dataclass(frozen=True)
class Mark:
    """A box to draw.

    Attributes:
        kind: `right`, `wrong`, `missed` (a true character that was not read) or `read` (the truth is not known).
        x: Left edge, pixels of the original page; likewise y, w and h.
        char: What was read there; of a missed one, what is there.
        note: What a pointer that rests on the box is told.
    """

    kind: str
    x: float
    y: float
    w: float
    h: float
    char: str
    note: str


def marks_of_page(read: "pd.DataFrame", truth: "pd.DataFrame | None", chars: dict[str, str]) -> list[Mark]:
    """Return the boxes of one page: what was read, and what was missed.

    A character is right by the competition's rule: true boxes in order, each takes the first unused prediction of its
    code whose centre is strictly inside.

    Args:
        read: One row a character that was read: x y w h (pixels), code, probability.
        truth: One row a true character: x y w h, code; None where the truth is not known.
        chars: The character of each code; a code that is not there stands for itself.
    """
    centers = (read[["x", "y"]].to_numpy() + read[["w", "h"]].to_numpy() / 2).reshape(-1, 2)
    codes = read["code"].to_numpy(object)
    right = np.zeros(len(read), bool)
    missed: list[Mark] = []
    for box in [] if truth is None else truth.to_dict("records"):
        inside = _inside(centers, box) & ~right & (codes == box["code"])
        if inside.any():
            right[int(inside.argmax())] = True
        else:
            char = chars.get(box["code"], box["code"])
            missed.append(Mark("missed", box["x"], box["y"], box["w"], box["h"], char, f"missed: {char} {box['code']}"))
    marks = []
    for row, is_right in zip(read.to_dict("records"), right, strict=True):
        kind = "read" if truth is None else "right" if is_right else "wrong"
        char = chars.get(row["code"], row["code"])
        note = f"{kind}: {char} {row['code']}, probability {row['probability']:.3f}"
        marks.append(Mark(kind, row["x"], row["y"], row["w"], row["h"], char, note))
    return missed + marks


def page_svg(image: NDArray[np.uint8], marks: Sequence[Mark], *, height: int = DEFAULT_HEIGHT, title: str = "") -> str:
    """Return the page with its marks as one SVG element that needs nothing else.

    Args:
        image: (height, width, 3) RGB page.
        marks: Boxes in pixels of `image`.
        height: Height of the picture, pixels; the page is scaled down to it, never up.
        title: What a screen reader calls it.
    """
    import cv2

    scale = min(1.0, height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    picture = base64.b64encode(jpeg.tobytes()).decode()
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<image width="{size[0]}" height="{size[1]}" href="data:image/jpeg;base64,{picture}"/>',
        *(_mark_svg(mark, scale) for mark in marks),
        "</svg>",
    ]
    return "\n".join(lines)


def choose_pages(pages: Sequence[str], scores: "pd.DataFrame | None", count: int) -> list[tuple[str, str]]:
    """Return pages to show with their headings: the worst, the best and what lies between them, worst first.

    Args:
        pages: All pages that were read.
        scores: Columns image_id tp fp fn, one row a page; without it the first pages are shown.
        count: Number of pages at most; pages where there is nothing to read or to miss are left out.
    """
    if scores is None:
        return [(image_id, image_id) for image_id in pages[:count]]
    total = 2 * scores["tp"] + scores["fp"] + scores["fn"]
    known = scores[(total > 0) & scores["image_id"].isin(pages)]
    f1 = (2 * known["tp"] / total[known.index]).sort_values(kind="stable")
    picked = np.unique(np.linspace(0, len(f1) - 1, min(count, len(f1))).round().astype(int))
    chosen = f1.iloc[picked]
    return [
        (image_id, f"{image_id}: F1 {value:.3f}")
        for image_id, value in zip(known.loc[chosen.index, "image_id"], chosen, strict=True)
    ]


def draw_page(
    root: "DataRoot", image_id: str, characters: "Characters", truth: "PageLabels | None", height: int
) -> str:
    """Return a test page of the data root with what was read on it, as SVG.

    Raises:
        InputError: the page was not read, is not in the truth, or its image cannot be read.
    """
    from kuzushiji.data.characters import read_unicode_translation
    from kuzushiji.data.pages import read_page

    if image_id not in characters.pages:
        raise InputError(f"expected one of the {len(characters.pages)} pages that were read, got {image_id}")
    chars = read_unicode_translation(root.unicode_translation_csv)
    read = characters.rows[characters.rows["image_id"] == image_id]
    true_boxes = truth.of_pages([image_id]).boxes if truth is not None else None
    marks = marks_of_page(read, true_boxes, chars)
    return page_svg(read_page(root.test_image(image_id)), marks, height=height, title=image_id)


def _inside(centers_xy: NDArray[np.float64], box: Mapping[Any, Any]) -> NDArray[np.bool_]:
    x, y = centers_xy.T
    inside: NDArray[np.bool_] = (box["x"] < x) & (x < box["x"] + box["w"]) & (box["y"] < y) & (y < box["y"] + box["h"])
    return inside


def _mark_svg(mark: Mark, scale: float) -> str:
    x, y, w, h = (value * scale for value in (mark.x, mark.y, mark.w, mark.h))
    size = max(7.0, min(w, h) * 0.7)
    return (
        f'<g><title>{escape(mark.note)}</title><rect class="{mark.kind}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" '
        f'height="{h:.1f}"/><text class="{mark.kind}" x="{x + w:.1f}" y="{y + size * 0.8:.1f}" '
        f'font-size="{size:.1f}">{escape(mark.char)}</text></g>'
    )


@dataclass(frozen=True)
class Config:
    """What the command line asks for."""

    runs: Path = option(dataclasses.MISSING, "run folder with a submission", positional=True, metavar="RUNS")
    page: str = option(dataclasses.MISSING, "image id of a test page", positional=True, metavar="PAGE")
    out: Path = option(dataclasses.MISSING, "SVG file to write", positional=True, metavar="OUT")
    data_root: Path | None = option(
        None, "folder with the images; without it RUNS/books, $KUZUSHIJI_DATA, else data/", metavar="DIR"
    )
    height: int = option(DEFAULT_HEIGHT, "height of the picture, pixels", type=cli.positive_int)


def get_parser() -> cli.ArgumentParser:
    """Return the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.report.pages", description="Draws a test page with what was read on it."
    )
    add_options(parser, Config)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> Config:
    """Return what the command line asks for."""
    return config_from(get_parser().parse_args(argv), Config)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the picture."""
    config = parse_args(argv)
    from kuzushiji.data.labels import read_page_labels
    from kuzushiji.files import atomic_write_text
    from kuzushiji.report.source import find_root, read_final

    root = find_root(config.data_root, config.runs)
    truth = read_page_labels(root.solution_csv) if root.solution_csv.exists() else None
    svg = draw_page(root, config.page, read_final(config.runs), truth, config.height)
    atomic_write_text(config.out, svg + "\n")
    print(config.out)
    return 0


if __name__ == "__main__":
    cli.run(main)
