"""The report as one HTML file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.report.compare import COLUMNS as COMPARED
from kuzushiji.report.compare import NOTES as COMPARED_NOTES
from kuzushiji.report.compare import Comparison
from kuzushiji.report.error_counts import ErrorCounts
from kuzushiji.report.font import font_style
from kuzushiji.report.grids import Grid
from kuzushiji.report.instances import Pair
from kuzushiji.report.plots import Plot
from kuzushiji.report.stages import WideTable
from kuzushiji.report.viewing import WHY
from kuzushiji.viewer import ViewerPage, viewer_section
from kuzushiji.viewer.render import viewer_script, viewer_style

_TEMPLATES = Path(__file__).parent / "templates"
_FONT = "/* font of the characters below */"


@dataclass(frozen=True)
class PairOfLinks:
    """Two characters that are taken for each other, and where their instances are.

    Attributes:
        pair: They.
        links: Of each instance of each strip; "" where the viewer does not show its page.
    """

    pair: Pair
    links: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Report:
    """What the report shows; whatever is empty is left out.

    Attributes:
        title: Its heading.
        headline: The one number that counts, in words.
        facts: Which run it is of: names and values.
        table: The table stage by stage.
        missing: What the run folder does not hold, in words.
        comparison: The run beside the reference; None where that was not asked for.
        errors: Errors of each outcome by kind.
        seen: Books that training had against others.
        pairs: Characters that are taken for each other.
        pairs_of: What read them.
        characters: Scores by character; None where no truth is known.
        pictures: Errors, calibration, F1 by frequency, size, density and book.
        curves: Learning curves, a picture a kind of model.
        pages: Scores by page; None where no truth is known or none is wanted.
        viewed: Pages of the viewer.
    """

    title: str
    headline: str
    facts: Sequence[tuple[str, str]]
    table: WideTable
    missing: Sequence[str]
    comparison: Comparison | None
    errors: Sequence[tuple[str, ErrorCounts]]
    seen: Grid
    pairs: Sequence[PairOfLinks]
    pairs_of: str
    characters: Grid | None
    pictures: Sequence[Plot]
    curves: Sequence[Plot]
    pages: Grid | None
    viewed: Sequence[ViewerPage]

    @property
    def grids(self) -> dict[str, Grid]:
        """The tables that are also written as CSV, by the end of the file's name."""
        return {name: grid for name, grid in (("characters", self.characters), ("pages", self.pages)) if grid}


def render(report: Report, names: dict[str, str]) -> str:
    """Return the HTML document; whatever comes from data is escaped.

    Args:
        report: What it shows.
        names: File of each of its `grids`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("report.html.j2")
    content = template.render(
        report=report,
        names=names,
        notes=report.table.notes,
        compared=COMPARED,
        compared_notes=COMPARED_NOTES,
        why=WHY,
        pictures=[picture for picture in report.pictures if picture.svg],
        curves=[curve for curve in report.curves if curve.svg],
        viewer=viewer_section(report.viewed) if report.viewed else "",
        viewer_style=viewer_style(),
        viewer_script=viewer_script(),
        font=Markup(_FONT),
    )
    # The font has the characters of the whole document, so it comes last.
    return content.replace(_FONT, font_style(content), 1)
