"""Extra columns of level 2: the output of an optional stage for each candidate of one table of features.

Parquet with one row per candidate, in the order of the features; the metadata has the digest of the features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.box_table import check_name
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, sha256_of_file

KIND = "level2_extra"


@dataclass(frozen=True)
class Extra:
    """Columns of m candidates.

    Attributes:
        columns: (m,) float32 by name, none infinite; NaN where nothing is known.
        features: SHA-256 of the file of the features whose candidates these are.
    """

    columns: dict[str, NDArray[np.float32]]
    features: str

    @classmethod
    def of(cls, features: Path, prefix: str, columns: Mapping[str, NDArray[np.float32]]) -> "Extra":
        """Return columns of the candidates of the features in a file, named `prefix` and `_` before their name."""
        return cls({f"{prefix}_{name}": values for name, values in columns.items()}, sha256_of_file(features))


def write_extra(path: Path, extra: Extra) -> None:
    """Write the columns as Parquet, whole or not at all.

    Raises:
        InputError: the name does not end in `.parquet`, or the folder cannot be written to.
    """
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import write_table

    check_name(path, "extra columns")
    table = pa.table({name: values.astype(np.float32, copy=False) for name, values in extra.columns.items()})
    with atomic_path(path) as temporary:
        write_table(temporary, table, KIND, {"features": extra.features}, use_dictionary=[], split=[*extra.columns])


def read_extra(path: Path) -> Extra:
    """Read what `write_extra` wrote.

    Raises:
        InputError: no such file, another kind of table, or columns that are no numbers.
    """
    import pyarrow as pa

    from kuzushiji.artifacts.parquet import read_table

    table, meta = read_table(path, KIND)
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.type != pa.float32() or column.null_count:
            raise InputError(f"{path}: expected float32 in the column {name}, got {column.type}")
        columns[name] = column.to_numpy()
        if np.isinf(columns[name]).any():
            row = int(np.argmax(np.isinf(columns[name])))
            raise InputError(f"{path}, row {row}: expected a number or NaN in the column {name}, got infinity")
    if not columns or not isinstance(meta.get("features"), str):
        raise InputError(f"{path}: expected columns and the digest of their features, got a damaged table")
    return Extra(columns, meta["features"])
