"""How well each character is read, and what it is taken for."""

from collections.abc import Mapping

import pandas as pd

from kuzushiji.report.errors import misread
from kuzushiji.report.fates import RIGHT
from kuzushiji.report.grid import Grid
from kuzushiji.report.outcome import Outcome

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
