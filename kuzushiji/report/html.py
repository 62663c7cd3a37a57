"""The report as one HTML file that needs nothing else."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.report.table import COLUMNS, NOTES, Row

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """A picture with its heading: an SVG element, empty where there is nothing to show."""

    title: str
    svg: str

    @property
    def source(self) -> str:
        """The picture as a data URI: pictures of one page cannot disturb each other's styles and names."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True)
class Report:
    """What the report shows.

    Attributes:
        title: Its heading.
        rows: The table stage by stage.
        books: F1 by book.
        curves: Learning curves, a picture a kind of model.
        pages: Pages with overlays. These SVG elements stand in the document itself, so that a pointer that rests on a
            box is told what was read.
    """

    title: str
    rows: Sequence[Row]
    books: Picture
    curves: Sequence[Picture]
    pages: Sequence[Picture]


def render(report: Report) -> str:
    """Return the HTML document; whatever comes from data is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        report=report, columns=COLUMNS, notes=NOTES, curves=[curve for curve in report.curves if curve.svg]
    )
