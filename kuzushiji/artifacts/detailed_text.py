"""Detailed tables in the reference's text format.

Columns `image_id,x,y,w,h,pred,true,top_k_logits,top_k_classes`, the last two separated by spaces. A column `box` is
written only where boxes of a page are not numbered 0, 1, 2 … in order, and read where it is there.
"""

import gzip
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from kuzushiji.artifacts.box_table import BOX_COLUMNS, empty_boxes
from kuzushiji.artifacts.detailed import Detailed
from kuzushiji.data.folds import book_id
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.run_folder import VOCABULARY

logger = logging.getLogger(__name__)

_COLUMNS = ("image_id", "x", "y", "w", "h", "pred", "true", "top_k_logits", "top_k_classes")
_BLOCK = 1 << 24
_GZIP_LEVEL = 1
"""Logits hardly compress: level 6 takes four times as long for 5 % less."""

_EXACT = 2**53
"""Whole numbers below are the same as floats and as integers."""


def write_text(path: Path, detailed: Detailed) -> None:
    """Write a checked table."""
    boxes = detailed.boxes
    columns: dict[str, Any] = {"image_id": pa.array(boxes["image_id"], pa.string())}
    columns |= {name: _numbers(boxes[name]) for name in "xywh"}
    columns |= {"pred": pa.array(detailed.pred, pa.string()), "true": pa.array(boxes["true"], pa.string())}
    columns |= {"top_k_logits": _joined(detailed.logits), "top_k_classes": _joined(detailed.classes)}
    if not np.array_equal(boxes["box"], boxes.groupby("image_id", sort=False).cumcount()):
        columns["box"] = pa.array(boxes["box"].to_numpy(np.int32))
    options = pa.csv.WriteOptions(quoting_style="needed")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        if not path.name.endswith(".gz"):
            pa.csv.write_csv(pa.table(columns), file, options)
            return
        # No name and no time in the header: the same table gives the same bytes.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
            pa.csv.write_csv(pa.table(columns), packed, options)


def read_text(path: Path, vocabulary: Vocabulary | None, data_root: DataRoot | None) -> Detailed:
    """Read a table, not yet checked row by row; the arguments are those of `read_detailed`.

    Raises:
        InputError: unreadable, other columns, fields that are no numbers, rows of different length.
    """
    table = _read_csv(path)
    vocabulary = vocabulary or _vocabulary_for(path, data_root)
    if not table.num_rows:
        shape = (0, 1)
        return Detailed(empty_boxes(), np.zeros(shape, np.int32), np.zeros(shape, np.float32), vocabulary, ())
    logits = _split(path, table, "top_k_logits", pa.float32())
    classes = _split(path, table, "top_k_classes", pa.int32())
    boxes = pd.DataFrame(
        {
            "image_id": table["image_id"].to_pandas().astype(str),
            "true": table["true"].to_pandas().astype(str),
            **{name: table[name].to_numpy().astype(np.float64) for name in "xywh"},
        }
    )
    numbered = "box" in table.column_names
    boxes["box"] = table["box"].to_numpy() if numbered else boxes.groupby("image_id", sort=False).cumcount()
    boxes["box"] = boxes["box"].astype(np.int32)
    pages = _pages(tuple(dict.fromkeys(boxes["image_id"])), data_root)
    return Detailed(boxes[list(BOX_COLUMNS)], classes, logits, vocabulary, pages)


def _read_csv(path: Path) -> pa.Table:
    types = dict.fromkeys("xywh", pa.float64()) | dict.fromkeys(("image_id", "pred", "true"), pa.string())
    types |= dict.fromkeys(("top_k_logits", "top_k_classes"), pa.string()) | {"box": pa.int32()}
    try:
        with pa.input_stream(path, compression="gzip" if path.name.endswith(".gz") else None) as stream:
            table = pa.csv.read_csv(
                stream,
                pa.csv.ReadOptions(block_size=_BLOCK),
                convert_options=pa.csv.ConvertOptions(
                    column_types=types, strings_can_be_null=False, null_values=["", "NaN", "nan"]
                ),
            )
        names = table.column_names
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: expected a detailed table as CSV, got one that cannot be read: {reason}") from error
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise InputError(f"{path}: expected the column {missing[0]}, got {shown(', '.join(names))}")
    empty = next((name for name in names if table[name].null_count), None)
    if empty is not None:
        row = int(np.argmax(pc.is_null(table[empty]).to_numpy()))
        raise InputError(f"{path}, row {row + 2}: expected a value in the column {empty}, got none")
    return table


def _split(path: Path, table: pa.Table, name: str, kind: pa.DataType) -> NDArray[Any]:
    """Return a column of numbers separated by spaces as (n, k)."""
    rows: list[NDArray[Any]] = []
    for chunk in table[name].chunks:
        lists = pc.split_pattern(chunk, " ")
        lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
        k = rows[0].shape[1] if rows else int(lengths[0])
        wrong = lengths != k
        if wrong.any():
            row, got = sum(map(len, rows)) + int(np.argmax(wrong)), int(lengths[wrong][0])
            raise InputError(f"{path}, row {row + 2}: expected {k} values in {name} as in the first row, got {got}")
        try:
            rows.append(pc.cast(lists.flatten(), kind).to_numpy(zero_copy_only=False).reshape(-1, k))
        except pa.ArrowInvalid as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: expected numbers separated by spaces in {name}, got another: {reason}"
            ) from error
    return np.concatenate(rows)


def _joined(values: NDArray[Any]) -> pa.Array:
    """Return each row of (n, k) as text, numbers in the shortest form that reads back the same."""
    n, k = values.shape
    text = pa.array(values.reshape(-1)).cast(pa.string())
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * k), text), " ")


def _numbers(values: "pd.Series[float]") -> pa.Array:
    """Return the column as integers where all are whole, else as they are."""
    numbers = values.to_numpy(np.float64)
    whole = (numbers == np.round(numbers)) & (np.abs(numbers) < _EXACT)
    return pa.array(numbers.astype(np.int64) if whole.all() else numbers)


def _vocabulary_for(path: Path, data_root: DataRoot | None) -> Vocabulary:
    beside = path.parent / VOCABULARY
    if beside.is_file():
        return read_vocabulary(beside)
    if data_root is None:
        raise InputError(f"{path}: expected {VOCABULARY} beside the table or a data root, got neither")
    logger.info("%s: class numbers are read as those of the codes in %s", path, data_root.train_csv)
    return Vocabulary.from_train_csv(data_root.train_csv)


def _pages(found: tuple[str, ...], data_root: DataRoot | None) -> tuple[str, ...]:
    if data_root is None or not data_root.train_csv.is_file():
        return found
    pages = read_page_labels(data_root.train_csv).image_ids
    known = set(found)
    if not known <= set(pages):
        return found
    books = {book_id(page) for page in known}
    return (*found, *(page for page in pages if book_id(page) in books and page not in known))
