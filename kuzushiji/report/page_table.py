"""Tables of pages, and of groups of pages."""

from collections.abc import Sequence

import pandas as pd

from kuzushiji.report.fates import DROPPED, FALSE_BOX, NO_BOX, SECOND_BOX, WRONG_CHARACTER
from kuzushiji.report.grid import Grid
from kuzushiji.report.outcome import Outcome
from kuzushiji.report.viewed import Viewed

_KINDS = (WRONG_CHARACTER, DROPPED, NO_BOX, SECOND_BOX, FALSE_BOX)
_COLUMNS = ("page", "of", "book", "F1", "error rate of text", "characters", "right", *_KINDS)


def table_of_pages(tables: Sequence[pd.DataFrame], outcomes: Sequence[Outcome], viewed: Viewed, shown: int) -> Grid:
    """Return a row a page, the worst first; a page that the viewer shows has a link.

    Args:
        tables: As `books.pages_of` returns them, of each outcome.
        outcomes: They.
        viewed: Pages of the viewer.
        shown: Rows that the report shows.
    """
    table = pd.concat(tables, ignore_index=True)
    table["f1"] = 2 * table["tp"] / (2 * table["tp"] + table["fp"] + table["fn"]).clip(lower=1)
    table["empty"] = (table["tp"] + table["fp"] + table["fn"]) == 0
    table = table.sort_values(["empty", "f1", "characters", "image_id"], ascending=[True, True, False, True])
    by_name = {outcome.name: outcome for outcome in outcomes}
    rows, links = [], {}
    for number, row in enumerate(table.to_dict("records")):
        link = viewed.link(by_name[row["kind"]], row["image_id"])
        if link:
            links[number] = link
        rows.append(
            (
                row["image_id"], row["kind"], row["book"] or "-", "-" if row["empty"] else f"{row['f1']:.3f}",
                f"{row['edits'] / row['characters']:.3f}" if row["characters"] else "-",
                f"{row['characters']:,}", f"{row['tp']:,}", *(f"{row[kind]:,}" for kind in _KINDS),
            )
        )  # fmt: skip
    return Grid(_COLUMNS, rows, left=3, links=links, shown=shown)


def table_of_groups(table: pd.DataFrame, column: str, title: str) -> Grid:
    """Return a row a group of pages with its scores.

    Args:
        table: As `books.f1_by` returns it.
        column: What makes a group.
        title: Of its column.
    """
    columns = (
        "pages of",
        title,
        "pages",
        "characters",
        "F1",
        "95 % interval",
        "precision",
        "recall",
        "error rate of text",
    )
    rows = [
        (
            row["kind"], row[column], f"{row['pages']:,.0f}", f"{row['characters']:,.0f}", f"{row['f1']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}", f"{row['precision']:.3f}", f"{row['recall']:.3f}",
            f"{row['cer']:.3f}",
        )
        for row in table.to_dict("records")
    ]  # fmt: skip
    return Grid(columns, rows, left=2)
