"""Predicted characters with their probabilities: `submission_detailed.parquet`, written beside a submission."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.box_table import to_arrow
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

CHARACTER_COLUMNS = ("image_id", "box", "x", "y", "w", "h", "code", "probability")
KIND = "characters"
_TEXT_COLUMNS = ("image_id", "code")


@dataclass(frozen=True)
class PredictedCharacters:
    """The predictions on some pages.

    Attributes:
        pages: Every page, in order, those without characters too.
        rows: One row a character, columns `CHARACTER_COLUMNS`: page (str), number of the box within its page (int),
            its corner and size (float64, pixels of the original page), code (str), probability that the code is right
            (float32, 0 to 1).
    """

    pages: tuple[str, ...]
    rows: pd.DataFrame

    @classmethod
    def from_labels(
        cls, pages: Sequence[str], labels: PageLabels, probability: NDArray[np.floating]
    ) -> "PredictedCharacters":
        """Return those boxes of `labels` that are characters, with their probabilities (n,).

        Args:
            pages: Every page, in order.
            labels: Boxes with their codes, on some of the pages.
            probability: (n,) of each box of `labels`.
        """
        rows = labels.boxes.assign(probability=np.asarray(probability, np.float32))
        keep = (rows["code"] != SEG_FP).to_numpy()
        return cls(tuple(pages), rows.loc[keep, list(CHARACTER_COLUMNS)].reset_index(drop=True))


def characters_path(submission: Path) -> Path:
    """Return the path of the probabilities of a submission: `a/submission.csv` -> `a/submission_detailed.parquet`."""
    return submission.with_name(f"{submission.name.split('.')[0]}_detailed.parquet")


def candidates_path(submission: Path) -> Path:
    """Return the path of level 2's candidates: `a/submission.csv` -> `a/submission_candidates.parquet`."""
    return submission.with_name(f"{submission.name.split('.')[0]}_candidates.parquet")


def write_characters(path: Path, characters: PredictedCharacters) -> None:
    """Write the table as Parquet, whole or not at all."""
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import write_table

    columns = to_arrow(characters.rows, CHARACTER_COLUMNS, _TEXT_COLUMNS)
    with atomic_path(path) as temporary:
        meta = {"pages": list(characters.pages)}
        write_table(temporary, pa.table(columns), KIND, meta, use_dictionary=list(_TEXT_COLUMNS), split=[])


def read_characters(path: Path) -> PredictedCharacters:
    """Read a table written by `write_characters`.

    Raises:
        InputError: no such table, other columns, or a probability outside 0 to 1.
    """
    from kuzushiji.artifacts.parquet import read_table

    table, meta = read_table(path, KIND)
    missing = [name for name in CHARACTER_COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(f"{path}: expected the column {missing[0]}, got {', '.join(table.column_names)}")
    rows = table.select(list(CHARACTER_COLUMNS)).to_pandas()
    for name in _TEXT_COLUMNS:
        rows[name] = rows[name].astype(str)
    wrong = ~rows["probability"].between(0, 1).to_numpy()
    if wrong.any():
        row = rows.iloc[int(np.argmax(wrong))]
        where = f"{path}, page {shown(row['image_id'])}, box {row['box']}"
        raise InputError(f"{where}: expected a probability from 0 to 1, got {row['probability']}")
    return PredictedCharacters(tuple(map(str, meta.get("pages", ()))), rows)
