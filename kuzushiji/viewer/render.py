"""The viewer as HTML that needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji.viewer.viewer_page import KINDS, TEXT, Candidate, ViewerBox, ViewerPage

if TYPE_CHECKING:
    from markupsafe import Markup

_FOLDER = Path(__file__).parent
_SCRIPTS = ("details.js", "viewer.js", "start.js")
"""In this order one script."""

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_viewer(pages: Sequence[ViewerPage], title: str, font: str = "") -> str:
    """Return an HTML document with a viewer of these pages.

    The document is self-contained: pictures, data, style and script are inside, and it forbids itself all requests.
    Whatever comes from data is escaped.

    Args:
        pages: What to show, in this order; an empty page and no pages at all are fine.
        title: The document's heading.
        font: CSS rule of a font for the characters, for machines that lack them; "" without one.
    """
    from markupsafe import Markup

    template = environment().get_template("viewer.html.j2")
    style = Markup(font) + viewer_style()
    parts = {"section": viewer_section(pages), "style": style, "script": viewer_script()}
    return str(template.render(title=title, **parts))


def viewer_section(pages: Sequence[ViewerPage]) -> "Markup":
    """Return the viewer as a `section` element for a document that has `viewer_style` and `viewer_script` once."""
    from markupsafe import Markup

    kinds = [kind for kind in KINDS if any(box.kind == kind for page in pages for box in page.boxes)]
    template = environment().get_template("viewer_section.html.j2")
    return Markup(template.render(pages=pages, kinds=kinds, data=Markup(embedded(pages_as_json(pages)))))


def viewer_style() -> "Markup":
    """Return the style sheet."""
    from markupsafe import Markup

    return Markup(asset("viewer.css"))


def viewer_script() -> "Markup":
    """Return the script, to stand after the sections."""
    from markupsafe import Markup

    parts = "\n".join(map(asset, _SCRIPTS))
    return Markup(f'"use strict";\n(() => {{\n{parts}}})();')  # within a function: its names are not the document's


def asset(name: str) -> str:
    """Return the text of a script or style sheet of the viewer."""
    return (_FOLDER / "assets" / name).read_text(encoding="utf-8")


def environment() -> Any:
    """Return the environment of the viewer's templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def embedded(value: Any) -> str:
    """Return JSON in which nothing can end the script element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return text


def pages_as_json(pages: Sequence[ViewerPage]) -> dict[str, Any]:
    """Return what the script reads; models and classes, which come again and again, are numbers in two lists."""
    models: dict[str, int] = {}
    classes: dict[tuple[str, str], int] = {}

    def class_(char: str, code: str) -> int:
        return classes.setdefault((char, code), len(classes))

    def candidates_as_json(candidates: Mapping[str, Sequence[Candidate]]) -> list[Any]:
        return [
            [
                models.setdefault(name, len(models)),
                [[class_(best.char, best.code), round(float(best.probability), 4)] for best in bests],
            ]
            for name, bests in candidates.items()
        ]

    def box_as_json(box: ViewerBox) -> dict[str, Any]:
        value: dict[str, Any] = {
            "at": [round(edge, 1) for edge in (box.x, box.y, box.w, box.h)],
            "kind": box.kind,
            "read": class_(box.char, box.code),
            "candidates": candidates_as_json(box.candidates),
        }
        if box.single_candidates:
            value["single"] = candidates_as_json(box.single_candidates)
        if box.probability is not None:
            value["probability"] = round(float(box.probability), 4)
        if box.why:
            value["why"] = box.why
        if box.role != TEXT:
            value["role"] = box.role
        if box.truth:
            value["truth"] = class_(box.truth, box.truth_code)
        return value

    content = [
        {
            "name": page.name,
            "width": page.picture.width,
            "height": page.picture.height,
            "image": page.picture.source,
            "boxes": [box_as_json(box) for box in page.boxes],
            "lines": page.lines,
        }
        for page in pages
    ]
    return {"models": list(models), "classes": [list(item) for item in classes], "pages": content}
