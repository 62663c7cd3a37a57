"""The pages of a book to look through and to edit: one HTML document, and a script for each page.

The document loads the script of a page when the page is shown, so 200 pages are as quick as one. Scripts are loaded
from beside the document also where it is opened as a file, which other requests are not.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuzushiji import __version__
from kuzushiji.errors import InputError
from kuzushiji.viewer.render import asset, embedded, environment, pages_as_json
from kuzushiji.viewer.viewer_page import ViewerPage, ViewerPicture

BOOK = "viewer.html"
ENDING = ".viewer.js"
PICTURE_HEIGHT = 1800
THUMBNAIL_HEIGHT = 200
"""Pixels."""

_SCRIPTS = (
    "details.js", "viewer.js", "edits.js", "store.js", "commands.js", "pointer.js", "index.js", "saving.js",
    "editor.js", "start_book.js",
)  # fmt: skip
"""In this order one script."""
_SUMMARY = re.compile(r"kuzushiji\.summary\((.*)\);")


@dataclass(frozen=True)
class Origin:
    """What corrections of a page have to name.

    Attributes:
        image: The way from the folder of the document to the picture, or the picture's name.
        frame: Number of the page in a file of several, from 0.
        sha256: Of the picture's file.
        models: Digest of the models that read the page.
        reading: Digest of what they read.
        confidence: Of the reading, 0 to 1; None where it is unknown.
        doubt: Why the reading is doubtful as a whole; "" where it is not.
    """

    image: str
    frame: int
    sha256: str
    models: str
    reading: str
    confidence: float | None = None
    doubt: str = ""


def page_script(page: ViewerPage, thumbnail: ViewerPicture, origin: Origin) -> str:
    """Return the script of a page: a line for the list of pages, and the page."""
    summary = {
        "name": page.name, "image": origin.image, "frame": origin.frame, "sha256": origin.sha256,
        "width": page.picture.width, "height": page.picture.height, "models": origin.models, "reading": origin.reading,
        "confidence": origin.confidence, "doubt": origin.doubt, "thumbnail": thumbnail.source,
    }  # fmt: skip
    return f"kuzushiji.summary({embedded(summary)});\nkuzushiji.page({embedded(pages_as_json([page]))});\n"


def read_summary(path: Path) -> dict[str, Any]:
    """Return the line for the list of pages of a page's script.

    Raises:
        InputError: it is no such script.
    """
    try:
        with path.open(encoding="utf-8") as file:
            found = _SUMMARY.fullmatch(file.readline().strip())
        summary = json.loads(found[1]) if found else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a page of the viewer, cannot be read: {error}") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("name"), str):
        raise InputError(f"{path}: expected a page of the viewer as predict writes it, got something else")
    return summary


def render_book(summaries: Sequence[Mapping[str, Any]], title: str) -> str:
    """Return the HTML document of a book.

    It loads nothing but the scripts of its pages, which lie beside it as `NAME.viewer.js`. Whatever comes from data is
    escaped.

    Args:
        summaries: Of the pages, in their order, as `read_summary` returns them.
        title: The document's heading.
    """
    from markupsafe import Markup

    data = {"version": __version__, "pages": [dict(summary) for summary in summaries], "models": [], "classes": []}
    code = "\n".join(map(asset, _SCRIPTS))
    return str(
        environment().get_template("book.html.j2").render(
            title=title,
            pages=summaries,
            style=Markup(asset("viewer.css") + asset("book.css")),
            script=Markup(f'"use strict";\n(() => {{\n{code}}})();'),
            data=Markup(embedded(data)),
        )
    )  # fmt: skip
