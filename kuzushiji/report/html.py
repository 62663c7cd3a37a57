"""The report as one HTML file that needs nothing else."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.report.compare import COLUMNS as COMPARED
from kuzushiji.report.compare import NOTES as COMPARED_NOTES
from kuzushiji.report.compare import Comparison
from kuzushiji.report.errors import ErrorCounts
from kuzushiji.report.instances import Pair
from kuzushiji.report.stages import WideTable
from kuzushiji.report.table import NOTES
from kuzushiji.viewer import ViewerPage, viewer_section
from kuzushiji.viewer.render import viewer_script, viewer_style

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
    """What the report shows; whatever is empty is left out.

    Attributes:
        title: Its heading.
        table: The table stage by stage.
        missing: What the run folder does not hold, in words.
        comparison: The run beside the reference; None where that was not asked for.
        errors: Errors of each outcome by kind.
        pairs: Characters that are taken for each other.
        pairs_of: What read them.
        pictures: Errors, F1 by frequency, calibration, F1 by book.
        curves: Learning curves, a picture a kind of model.
        pages: Pages with overlays. These SVG elements stand in the document itself, so that a pointer that rests on a
            box is told what was read.
        viewed: Pages of the viewer.
    """

    title: str
    table: WideTable
    missing: Sequence[str]
    comparison: Comparison | None
    errors: Sequence[tuple[str, ErrorCounts]]
    pairs: Sequence[Pair]
    pairs_of: str
    pictures: Sequence[Picture]
    curves: Sequence[Picture]
    pages: Sequence[Picture]
    viewed: Sequence[ViewerPage]


def render(report: Report) -> str:
    """Return the HTML document; whatever comes from data is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        report=report,
        notes=(*NOTES, *report.table.notes),
        compared=COMPARED,
        compared_notes=COMPARED_NOTES,
        pictures=[picture for picture in report.pictures if picture.svg],
        curves=[curve for curve in report.curves if curve.svg],
        viewer=viewer_section(report.viewed) if report.viewed else "",
        viewer_style=viewer_style(),
        viewer_script=viewer_script(),
    )
