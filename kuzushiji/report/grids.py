"""Tables of the report that can be sorted, as HTML and as CSV: pages, groups of pages, characters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from kuzushiji.data.label_text import csv_text
from kuzushiji.report.error_counts import misread
from kuzushiji.report.outcome import DROPPED, FALSE_BOX, NO_BOX, RIGHT, SECOND_BOX, WRONG_CHARACTER, Outcome
from kuzushiji.report.viewing import Viewed

Row = Sequence[str]


@dataclass(frozen=True)
class Grid:
    """A table that the reader can sort.

    Attributes:
        columns: Titles.
        rows: Cells of text, a row a line.
        left: Number of columns at the left that hold text, not numbers.
        links: Where the first cell of a row leads to, by the number of the row.
        shown: Rows that the report shows; the CSV has all.
    """

    columns: tuple[str, ...]
    rows: Sequence[Row]
    left: int = 1
    links: dict[int, str] = field(default_factory=dict)
    shown: int = 300

    def as_csv(self) -> str:
        """Return the table as CSV with a header."""
        rows = ([cell.replace(",", "") if _is_number(cell) else cell for cell in row] for row in self.rows)
        return csv_text(self.columns, rows)


def without_dashes(columns: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return a table without the columns that have a dash in every row; without rows it keeps all columns."""
    kept = [i for i in range(len(columns)) if not rows or any(row[i] != "-" for row in rows)]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").isdigit()


_KINDS = (WRONG_CHARACTER, DROPPED, NO_BOX, SECOND_BOX, FALSE_BOX)
_COLUMNS = ("page", "of", "book", "F1", "error rate of text", "characters", "right", *_KINDS)


def table_of_pages(tables: Sequence[pd.DataFrame], outcomes: Sequence[Outcome], viewed: Viewed, shown: int) -> Grid:
    """Return a row a page, the worst first; a page that the viewer shows has a link.

    Args:
        tables: As `page_scores.pages_of` returns them, of each outcome.
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
        table: As `page_scores.f1_by` returns it.
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


COLUMNS = (
    "character", "code", "in training", "true", "read", "right", "precision", "recall", "confused with",
)  # fmt: skip
_N_CONFUSED = 3


def table_of_characters(outcome: Outcome, examples: "pd.Series[int]", chars: Mapping[str, str]) -> Grid:
    """Return a row for each character that is there or was read, those with the most errors first.

    Args:
        outcome: With truth.
        examples: Number of training examples of each code.
        chars: The character of each code; a code that is not there stands for itself.
    """
    assert outcome.truth is not None
    boxes, fates = outcome.boxes, outcome.fates
    counts = {
        "true": outcome.truth.boxes["code"].value_counts(),
        "read": boxes.loc[outcome.is_read, "pred"].value_counts(),
        "right": outcome.truth.boxes.loc[fates.characters == RIGHT, "code"].value_counts(),
    }
    table = pd.DataFrame(counts).fillna(0).astype(int).rename_axis("code").reset_index()
    table["errors"] = table["true"] + table["read"] - 2 * table["right"]
    table = table.sort_values(["errors", "true", "code"], ascending=[False, False, True])
    others = _confused_with(boxes[misread(outcome)], chars)
    rows = [
        (
            chars.get(row.code, row.code), row.code, f"{examples.get(row.code, 0):,}", f"{row.true:,}", f"{row.read:,}",
            f"{row.right:,}", _share(row.right, row.read), _share(row.right, row.true), others.get(row.code, ""),
        )
        for row in table.itertuples()
    ]  # fmt: skip
    return Grid(COLUMNS, rows, left=2)


def _confused_with(wrong: pd.DataFrame, chars: Mapping[str, str]) -> dict[str, str]:
    """Return the characters that each code was read as, most often first."""
    counts = wrong.groupby(["true", "pred"]).size().rename("count").reset_index()
    counts = counts.sort_values("count", ascending=False, kind="stable")
    others: dict[str, list[str]] = {}
    for true, pred, count in zip(counts["true"], counts["pred"], counts["count"], strict=True):
        others.setdefault(true, []).append(f"{chars.get(pred, pred)} {count}")
    return {code: "、".join(found[:_N_CONFUSED]) for code, found in others.items()}


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"
