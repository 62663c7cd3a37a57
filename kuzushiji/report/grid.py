"""Tables of the report: cells of text and links, as HTML and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

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
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([cell.replace(",", "") if _is_number(cell) else cell for cell in row] for row in self.rows)
        return text.getvalue()


def without_dashes(columns: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return a table without the columns that have a dash in every row; without rows it keeps all columns."""
    kept = [i for i in range(len(columns)) if not rows or any(row[i] != "-" for row in rows)]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").isdigit()
