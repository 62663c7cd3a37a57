"""Detailed tables in files: Parquet, or the reference's text format.

Parquet: list columns of classes and logits, vocabulary and pages in the file's metadata. Text: columns
`image_id,x,y,w,h,pred,true,top_k_logits,top_k_classes`, the last two separated by spaces; a column `box` is written
only where boxes of a page are not numbered 0, 1, 2 … in order, and read where it is there.
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

from kuzushiji.artifacts.box_table import BOX_COLUMNS, TEXT_COLUMNS, boxes_of, empty_boxes, to_arrow
from kuzushiji.artifacts.detailed import Detailed, check_detailed
from kuzushiji.data.folds import book_id
from kuzushiji.data.label_text import shown
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, read_vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path
from kuzushiji.run_folder import VOCABULARY

logger = logging.getLogger(__name__)


def write_detailed(path: Path, detailed: Detailed) -> None:
    """Write the table to `path`, whole or not at all: Parquet, or the reference's format for `*.csv` and `*.csv.gz`.

    The text format contains neither pages without boxes nor the vocabulary.

    Raises:
        InputError: the table breaks a rule of `Detailed`, or the folder cannot be written to.
    """
    check_detailed(detailed, str(path))
    if is_text(path):
        write_text(path, detailed)
    else:
        write_parquet(path, detailed)


def read_detailed(
    path: Path,
    *,
    top_k: int | None = None,
    vocabulary: Vocabulary | None = None,
    data_root: DataRoot | None = None,
) -> Detailed:
    """Read a detailed table, Parquet or (`*.csv`, `*.csv.gz`) the reference's format.

    Args:
        path: The file.
        top_k: Classes of each box to keep; all of the file by default.
        vocabulary: What the classes of a text table mean; without it `vocabulary.json` beside the table, else the
            codes of the data root's `train.csv`. A Parquet table contains its own, which must equal this one if given.
        data_root: Where `train.csv` is. A text table cannot name pages without boxes: if its pages are training
            pages, all pages of their books count as looked at.

    Raises:
        InputError: no such file, other columns, a rule of `Detailed` broken, or another vocabulary.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a detailed table, got no file")
    if is_text(path):
        detailed = read_text(path, vocabulary, data_root)
    else:
        detailed = read_parquet(path)
        if vocabulary is not None:
            vocabulary.check_same(detailed.vocabulary, path)
    check_detailed(detailed, str(path))
    return detailed if top_k is None else detailed.top(top_k)


def is_text(path: Path) -> bool:
    """Return whether a detailed table of this name is in the reference's text format."""
    return path.name.endswith((".csv", ".csv.gz"))


_KIND = "detailed"
_LISTS = {"classes": np.int32, "logits": np.float32}


def write_parquet(path: Path, detailed: Detailed) -> None:
    """Write a checked table; 136,000 boxes with 50 classes take about 25 MB."""
    from kuzushiji.artifacts.parquet import lists, write_table

    small = len(detailed.vocabulary) <= np.iinfo(np.int16).max
    columns = to_arrow(detailed.boxes.astype({"box": np.int32, **dict.fromkeys("xywh", np.float64)}))
    columns |= {name: columns[name].dictionary_encode() for name in TEXT_COLUMNS}
    n, k = detailed.classes.shape
    offsets = np.arange(n + 1, dtype=np.int64) * k
    columns["classes"] = lists(detailed.classes.astype(np.int16 if small else np.int32), offsets)
    columns["logits"] = lists(detailed.logits.astype(np.float32, copy=False), offsets)
    meta = {
        "n_best": k,
        "vocabulary": list(detailed.vocabulary.codes),
        "pages": list(detailed.pages),
    }
    with atomic_path(path) as temporary:
        write_table(
            temporary, pa.table(columns), _KIND, meta, use_dictionary=list(TEXT_COLUMNS), split=["logits.list.element"]
        )


def read_parquet(path: Path) -> Detailed:
    """Read a table written by `write_parquet`, not yet checked row by row.

    Raises:
        InputError: not Parquet, not a detailed table, or columns of other types.
    """
    from kuzushiji.artifacts.parquet import FORMAT, read_wide_table

    try:
        table, best, meta = read_wide_table(path, _KIND, (*BOX_COLUMNS, *_LISTS), _LISTS, "n_best")
        vocabulary = Vocabulary.from_codes(meta["vocabulary"])
        return Detailed(boxes_of(table), best["classes"], best["logits"], vocabulary, tuple(map(str, meta["pages"])))
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a detailed table of format {FORMAT}, got a damaged one: {error}") from error


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
