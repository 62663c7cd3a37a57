"""A folder of two pages as predict writes it for the viewer: quick to make, without models."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kuzushiji.viewer import Candidate, ViewerBox, ViewerPage, ViewerPicture
from kuzushiji.viewer.book import BOOK, ENDING, Origin, page_script, read_summary, render_book

WIDTH, HEIGHT = 300, 400
CANDIDATES = {"clf": [Candidate("い", "U+3044", 0.6), Candidate("あ", "U+3042", 0.3), Candidate("う", "U+3046", 0.05)]}
BOXES = [
    # The right column あい, the left one うえ; い is doubtful. Furigana お beside あ, and a stain.
    ViewerBox(200, 20, 40, 40, "read", "あ", "U+3042", 0.9, candidates=CANDIDATES),
    ViewerBox(200, 80, 40, 40, "doubtful", "い", "U+3044", 0.1, candidates=CANDIDATES),
    ViewerBox(100, 20, 40, 40, "read", "う", "U+3046", 0.8, candidates=CANDIDATES),
    ViewerBox(100, 80, 40, 40, "read", "え", "U+3048", 0.7, candidates=CANDIDATES),
    ViewerBox(245, 25, 12, 12, "read", "お", "U+304A", 0.6, role="furigana"),
    ViewerBox(20, 300, 30, 30, "dropped", "×", "seg_fp"),
]
LINES = [[0, 1], [2, 3]]
WITH_TRUTH = [
    ViewerBox(200, 20, 40, 40, "right", "あ", "U+3042", 0.9, candidates=CANDIDATES),
    ViewerBox(200, 80, 40, 40, "wrong", "い", "U+3044", 0.8, "う", "U+3046", CANDIDATES),
    ViewerBox(100, 20, 40, 40, "missed", "う", "U+3046", candidates=CANDIDATES),
]
"""As the report knows boxes whose truth it has: あ is right, い is う, and a う was missed."""


def write_book(
    folder: Path,
    names: tuple[str, ...] = ("b1_001", "b1_002"),
    reading: str = "0" * 16,
    boxes: Sequence[ViewerBox] = BOXES,
    lines: Sequence[Sequence[int]] = LINES,
) -> None:
    """Write the pictures in `pictures/` and what the viewer needs of them."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        image = np.full((HEIGHT, WIDTH, 3), 200 + number % 40, np.uint8)
        cv2.rectangle(image, (200, 20), (240, 60), (0, 0, 0), 3)
        path = folder / "pictures" / f"{name}.png"
        cv2.imwrite(str(path), image)
        origin = Origin(
            f"pictures/{name}.png", 0, hashlib.sha256(path.read_bytes()).hexdigest(), "a" * 16, reading,
            0.5 + number / 9,
        )  # fmt: skip
        page = ViewerPage(name, ViewerPicture.of_page(image), boxes, lines)
        script = page_script(page, ViewerPicture.of_page(image, height=40), origin)
        (folder / f"{name}{ENDING}").write_text(script, encoding="utf-8")
    summaries = [read_summary(folder / f"{name}{ENDING}") for name in names]
    (folder / BOOK).write_text(render_book(summaries, "A book"), encoding="utf-8")


def page_of(folder: Path, name: str = "b1_001", **changes: Any) -> dict[str, Any]:
    """Return the page as the browser sends it; nothing was edited but `changes`."""
    summary = read_summary(folder / f"{name}{ENDING}")
    fields = ("image", "frame", "sha256", "width", "height", "reading")
    character = {
        "box": [1, 2, 3, 4], "code": "U+3042", "char": "あ", "role": "text", "column": 0, "doubtful": False,
        "by": "human",
    }  # fmt: skip
    return {
        "page": name, **{field: summary[field] for field in fields}, "revision": 0, "done": True,
        "history": [{"by": "models", "models": "a" * 16}, {"by": "human"}], "characters": [character], **changes,
    }  # fmt: skip
