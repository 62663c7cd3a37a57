"""A page with what was read on it, as SVG: a pointer that rests on a box is told more."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from kuzushiji.report.marks import Mark

DEFAULT_HEIGHT = 900
_JPEG_QUALITY = 70
_SMALLEST_TEXT = 11.0
_STYLE = (
    "rect{fill:none;stroke-width:1.5} text{font-family:'Noto Serif CJK JP','Noto Serif JP','Hiragino Mincho ProN',"
    "'Yu Mincho',serif;paint-order:stroke;stroke:#fff;stroke-width:2px;stroke-linejoin:round} "
    ".right{stroke:#1a7f37}.wrong{stroke:#cf222e;stroke-width:2.5}.missed{stroke:#bc4c00;stroke-dasharray:4 2}"
    ".read{stroke:#0550ae} text.right{fill:#1a7f37;stroke:#fff} text.wrong{fill:#cf222e;stroke:#fff;stroke-width:2px} "
    "text.missed{fill:#bc4c00;stroke:#fff;stroke-dasharray:none} text.read{fill:#0550ae;stroke:#fff}"
)


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


def _mark_svg(mark: Mark, scale: float) -> str:
    x, y, w, h = (value * scale for value in (mark.x, mark.y, mark.w, mark.h))
    size = max(_SMALLEST_TEXT, min(w, h) * 0.7)
    return (
        f'<g><title>{escape(mark.note)}</title><rect class="{mark.kind}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" '
        f'height="{h:.1f}"/><text class="{mark.kind}" x="{x + w:.1f}" y="{y + size * 0.8:.1f}" '
        f'font-size="{size:.1f}">{escape(mark.char)}</text></g>'
    )
