"""Parquet files of ours: a kind, a format number and facts as JSON in the metadata; checksums of all pages of data."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kuzushiji.errors import InputError
from kuzushiji.files import FORMATS

FORMAT = FORMATS[".parquet"]
"""Tables of an older format are refused."""

UNREADABLE = (OSError, ValueError, RuntimeError, pa.ArrowException)
"""Exceptions that reading a damaged Parquet file may raise; the library wraps most of them, not all."""

METADATA = b"kuzushiji"
"""Key of the facts."""

_BATCH_ROWS = 8192
"""Rows of wide lists that are decoded at a time, into a few megabytes that are used again: getting as much new memory
from the system as a whole column needs takes longer than decoding it."""


def write_table(
    path: Path, table: pa.Table, kind: str, meta: dict[str, Any], *, use_dictionary: list[str], split: list[str]
) -> None:
    """Write an Arrow table with `meta` as JSON in its metadata; zstd, floats in `split` by bytes of equal weight."""
    text = json.dumps({"format": FORMAT, "kind": kind, **meta}, ensure_ascii=False, separators=(",", ":")).encode()
    encoding = dict.fromkeys(split, "BYTE_STREAM_SPLIT")
    pq.write_table(
        table.replace_schema_metadata({METADATA: text}),
        path,
        compression="zstd",
        use_dictionary=use_dictionary,
        column_encoding=encoding or None,
        write_page_checksum=True,
    )


def opened(path: Path) -> pq.ParquetFile:
    """Return the file, whose pages are checked as they are read.

    Raises:
        OSError, ValueError, RuntimeError, pa.ArrowException: `UNREADABLE`, here and where it is read.
    """
    return pq.ParquetFile(path, page_checksum_verification=True)


def read_table(path: Path, kind: str) -> tuple[pa.Table, dict[str, Any]]:
    """Return the Arrow table in `path` and its metadata.

    Raises:
        InputError: not Parquet, no table of this kind and format, or damaged.
    """
    table, meta = read_any(path)
    return table, _checked(path, meta, kind)


def read_any(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return the Arrow table in `path`, whatever its kind, and its metadata.

    Raises:
        InputError: not Parquet, or damaged.
    """
    try:
        with opened(path) as file:
            table = file.read()
        _ = table.column_names  # those that are no UTF-8 are an error here
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return table, metadata_of(table.schema)


def read_wide_table(
    path: Path, kind: str, columns: Sequence[str], lists: Mapping[str, type[np.generic]], width: str
) -> tuple[pa.Table, dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the Arrow table in `path` without some columns of lists, these as arrays (n, k), and its metadata.

    Args:
        path: The file.
        kind: Of the table.
        columns: That it must have, with the lists.
        lists: Type of the numbers of each column of lists.
        width: Name of k in the metadata.

    Raises:
        InputError: as `read_table`, or a column is missing.
        KeyError: the metadata lack k.
        TypeError: k is no number.
        ValueError: a list has another length, or holds something else.
    """
    try:
        file = opened(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    with file:
        meta = _checked(path, metadata_of(file.schema_arrow), kind)
        names = file.schema_arrow.names
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(f"{path}: expected the column {missing[0]}, got {', '.join(names)}")
        try:
            arrays = _read_lists(file, lists, int(meta[width]))
            return file.read([name for name in names if name not in lists]), arrays, meta
        except (OSError, RuntimeError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error


def read_facts(path: Path, kind: str) -> dict[str, Any]:
    """Return the metadata of the table in `path`, of which nothing else is read.

    Raises:
        InputError: not Parquet, or no table of this kind and format.
    """
    return _checked(path, _facts(path), kind)


def kind_of(path: Path) -> str:
    """Return the kind of table stated in a Parquet file; empty for a file of another program.

    Raises:
        InputError: no such file or not Parquet.
    """
    return str(_facts(path).get("kind", ""))


def metadata_of(schema: pa.Schema) -> dict[str, Any]:
    """Return our metadata of a Parquet file; empty where it has none."""
    try:
        meta = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
    except ValueError:
        return {}
    return meta if isinstance(meta, dict) else {}


def lists(values: NDArray[Any], offsets: NDArray[np.int64]) -> pa.ListArray:
    """Return a list column: row i holds `values` (flattened) from `offsets[i]` to `offsets[i + 1]`."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values.reshape(-1)))


def values_and_offsets(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return what `lists` was given."""
    array = column.combine_chunks()
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return array.flatten().to_numpy(zero_copy_only=False), offsets


def rows(column: pa.ChunkedArray, k: int, first: int = 0) -> NDArray[Any]:
    """Return a list column as (n, k); `first` is the number of its first row, for the message.

    Raises:
        ValueError: a list has another length.
    """
    values, offsets = values_and_offsets(column)
    wrong = np.diff(offsets) != k
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"row {first + row} has {offsets[row + 1] - offsets[row]} values instead of {k}")
    return values.reshape(-1, k)


def _read_lists(file: pq.ParquetFile, lists: Mapping[str, type[np.generic]], k: int) -> dict[str, NDArray[Any]]:
    """Return columns of lists as arrays (n, k).

    The number of rows is used only after the first of them were read, so that a forged number allocates no memory
    before it is found out. Not after a look at the statistics of its columns: damaged ones end the process.
    """
    n, start = file.metadata.num_rows, 0
    arrays: dict[str, NDArray[Any]] = {name: np.empty((0, k), of) for name, of in lists.items()}
    for batch in file.iter_batches(_BATCH_ROWS, columns=list(lists), use_threads=False):
        pieces = {name: rows(pa.chunked_array([batch.column(name)]), k, start) for name in lists}
        if not start:
            arrays = _of_rows(n, k, lists)
        for name, piece in pieces.items():
            arrays[name][start : start + batch.num_rows] = piece
        start += batch.num_rows
    if start != n:
        raise ValueError(f"it has {start} rows instead of {n}")
    return arrays


def _of_rows(n: int, k: int, lists: Mapping[str, type[np.generic]]) -> dict[str, NDArray[Any]]:
    try:
        return {name: np.empty((n, k), of) for name, of in lists.items()}
    except MemoryError as error:
        raise ValueError(f"{n} rows of {k} values do not fit into memory") from error


def _facts(path: Path) -> dict[str, Any]:
    try:
        return metadata_of(pq.read_schema(path))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _checked(path: Path, meta: dict[str, Any], kind: str) -> dict[str, Any]:
    if meta.get("kind") != kind or meta.get("format") != FORMAT:
        ours = f"kind {meta.get('kind')}, format {meta.get('format')}"
        got = ours if meta else "a Parquet file of another program"
        raise InputError(f"{path}: expected a table of kind {kind}, format {FORMAT}, got {got}")
    return meta


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path}: expected a Parquet table, got something that cannot be read ({reason})")
