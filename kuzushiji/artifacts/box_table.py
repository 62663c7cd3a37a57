"""Boxes with their true codes: the columns that detailed tables, features and head features have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

BOX_COLUMNS = ("image_id", "box", "x", "y", "w", "h", "true")
TEXT_COLUMNS = ("image_id", "true")


def check_name(path: Path, what: str) -> None:
    """Check that a table that is Parquet in any case can be written under this name; `what` is what it holds.

    Raises:
        InputError: it does not end in `.parquet`.
    """
    if path.suffix != ".parquet":
        raise InputError(f"{path}: expected a name that ends in .parquet for the {what}, got another")


def empty_boxes() -> pd.DataFrame:
    """Return a table of boxes without rows."""
    types = {"image_id": str, "box": np.int32, "true": str} | dict.fromkeys("xywh", np.float64)
    table: pd.DataFrame = pd.DataFrame({name: pd.Series(dtype=types[name]) for name in BOX_COLUMNS})
    return table


def boxes_with_truth(labels: PageLabels) -> pd.DataFrame:
    """Return the boxes of labels whose codes are their truth, `BOX_COLUMNS`."""
    table: pd.DataFrame = labels.boxes.rename(columns={"code": "true"})[list(BOX_COLUMNS)]
    return table


def labels_of(boxes: pd.DataFrame, codes: NDArray[np.object_], pages: Sequence[str]) -> PageLabels:
    """Return the boxes as labels with other codes (n,), such as predicted ones.

    Args:
        boxes: `BOX_COLUMNS` but for the truth, which does not matter.
        codes: Of each box.
        pages: Every page, those without boxes too.
    """
    places = boxes[["x", "y", "w", "h"]]
    return PageLabels(tuple(pages), pd.concat([boxes[["image_id", "box"]].assign(code=codes), places], axis=1))


def to_arrow(
    table: pd.DataFrame, columns: Sequence[str] = BOX_COLUMNS, text: Sequence[str] = TEXT_COLUMNS
) -> "dict[str, pa.Array]":
    """Return columns of a table for Parquet, by name and in order: those of `text` as text, the others as they are."""
    import pyarrow as pa

    return {
        name: pa.array(table[name], pa.string()) if name in text else pa.array(table[name].to_numpy())
        for name in columns
    }


def boxes_of(table: "pa.Table") -> pd.DataFrame:
    """Return `BOX_COLUMNS` of a table that was read.

    Raises:
        KeyError: a column is missing.
        ValueError: a column is of another type.
    """
    import pyarrow as pa

    columns = {
        name: table[name].cast(pa.string()).to_pandas().astype(str) if name in TEXT_COLUMNS else table[name].to_numpy()
        for name in BOX_COLUMNS
    }
    boxes: pd.DataFrame = pd.DataFrame(columns)
    return boxes
