"""The files of labels: a page a row, its boxes or points as one string."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

SEG_FP = "seg_fp"
"""The class of a predicted box that covers no character: a false positive of segmentation."""

FILE_COLUMNS = ("image_id", "labels")
BOX_FIELDS = "U+XXXX x y w h"
POINT_FIELDS = "U+XXXX X Y"

_MAX_NUMBER = 1e9
"""No page is so large: a number beyond is damage, and would not fit into whole pixels later."""

CODE = re.compile(r"U\+[0-9A-F]{4,6}")


def read_label_rows(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the pages of a table `image_id,labels` and their label strings, in file order; `.gz` is unpacked.

    Further columns are ignored (Kaggle's solution files have one).

    Raises:
        InputError: the file is missing, no CSV, without these columns, or names a page twice or not at all.
    """
    image_ids, texts = read_columns(path, FILE_COLUMNS)
    seen: dict[str, int] = {}
    for row, image_id in enumerate(image_ids, start=2):
        if not image_id:
            raise InputError(f"{path}, row {row}: expected an image id, got an empty field")
        first = seen.setdefault(image_id, row)
        if first != row:
            name = shown(image_id)
            raise InputError(f"{path}, row {row}: expected each page once, page {name} stands in row {first} too")
    return tuple(image_ids), texts


def read_columns(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Return the values of some columns of a CSV file as text; `.gz` is unpacked, a byte order mark skipped.

    Raises:
        InputError: the file is missing, is not CSV in UTF-8, lacks a column, or has a row of another length.
    """
    try:
        with _open_text(path) as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except (csv.Error, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{path}: expected CSV in UTF-8, got something else ({error})") from error
    header = rows[0] if rows else []
    if any(header.count(name) != 1 for name in columns):
        raise InputError(f"{path}: expected the columns {','.join(columns)}, got {_other_columns(header, columns)}")
    body = rows[1:]
    while body and not body[-1]:
        body.pop()
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: expected {len(header)} columns, got {len(row)}")
    places = [header.index(name) for name in columns]
    return [[row[place] for row in body] for place in places]


def _other_columns(header: Sequence[str], columns: Sequence[str]) -> str:
    """Return in words what stands in place of the columns: another table, or this one with another separator."""
    text = ",".join(header)
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if set(columns) <= {field.strip(' "') for field in text.split(sign)}:
            return f"them with {name} between in place of commas"
    return f"{shown(text[:80]) or 'an empty file'} (is it another competition's file?)"


def place_of(path: Path, image_ids: Sequence[str], number: int) -> str:
    """Return the words for the place of a page in a file; rows count as in a spreadsheet, the header is row 1."""
    return f"{path}, row {number + 2}, page {shown(image_ids[number])}"


def shown(text: str) -> str:
    """Return a text from a file as a message can show it, on one line."""
    return text if text.isprintable() else ascii(text)


def parse_pages(
    texts: Sequence[str], fields: str, place: Callable[[int], str]
) -> tuple[NDArray[np.int64], "pd.Series[str]", NDArray[np.float64]]:
    """Parse the label strings of many pages at once.

    Args:
        texts: The pages' label strings.
        fields: What a group consists of: a code and numbers, such as `U+XXXX x y w h`.
        place: Returns the words for the place of a page (by its position in `texts`) in messages.

    Returns:
        For n groups in all: (n,) positions of their pages, (n,) codes, (n, number of fields - 1) numbers.

    Raises:
        InputError: a string is not groups of such fields; names the place.
    """
    width = len(fields.split())
    words, lengths = _split(texts)
    if (lengths % width).any():
        number = int((lengths % width != 0).argmax())
        raise InputError(f'{place(number)}: expected groups of {width} ("{fields}"), got {lengths[number]} fields')
    page = np.repeat(np.arange(len(lengths)), lengths // width)
    parts = [words.take(pa.array(np.arange(column, len(words), width))) for column in range(width)]
    codes = _to_codes(parts[0], page, place)
    return page, codes, np.column_stack([_to_numbers(part, page, place) for part in parts[1:]])


def text_column(distinct: Sequence[str], numbers: NDArray[np.integer]) -> "pd.Series[str]":
    """Return the text column (n,) with `distinct[numbers]`; far cheaper than one made from n Python strings."""
    # Without a stated type an empty column would be of another type than a full one.
    texts = pd.Series(list(distinct), dtype=object).astype(str)
    column: pd.Series[str] = texts.take(numbers).reset_index(drop=True)
    return column


def format_items(codes: Iterable[str], numbers: Iterable[Iterable[object]]) -> list[str]:
    """Return `code number number …` for each entry; `numbers` holds one sequence a field."""
    columns = [map(str, column) for column in numbers]
    return [" ".join(item) for item in zip(codes, *columns, strict=True)]


def write_label_rows(path: Path, image_ids: Sequence[str], page: NDArray[np.int64], items: Sequence[str]) -> None:
    """Write a table `image_id,labels`, whole or not at all; `.gz` is packed.

    Args:
        path: The file.
        image_ids: All pages.
        page: (n,) position of each item's page.
        items: (n,) strings of single boxes or points; they keep their order within a page.
    """
    order = np.argsort(page, kind="stable")
    ends = np.searchsorted(page[order], np.arange(len(image_ids)), side="right").tolist()
    ordered = [items[place] for place in order.tolist()]
    starts = [0, *ends[:-1]] if ends else []
    rows = ((name, " ".join(ordered[start:end])) for name, start, end in zip(image_ids, starts, ends, strict=True))
    content = csv_text(FILE_COLUMNS, rows).encode()
    with atomic_path(path) as temporary:
        # Without a time of its own the packed file is the same for the same content.
        temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def csv_text(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with its header as CSV, a line a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def _open_text(path: Path) -> TextIO:
    open_it: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    return open_it(path, "rt", encoding="utf-8-sig", newline="")


def _split(texts: Sequence[str]) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
    """Return the words of all texts, and how many each text has; Arrow needs no Python string for each of them."""
    trimmed = pc.utf8_trim_whitespace(pa.array(texts, pa.large_string()))
    filled = np.asarray(pc.utf8_length(trimmed)) > 0
    words = pc.utf8_split_whitespace(trimmed.filter(pa.array(filled)))
    lengths = np.zeros(len(texts), np.int64)
    lengths[filled] = np.asarray(words.value_lengths())
    return words.flatten(), lengths


def _to_codes(words: pa.LargeStringArray, page: NDArray[np.int64], place: Callable[[int], str]) -> "pd.Series[str]":
    encoded = words.dictionary_encode()
    distinct, numbers = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    wrong = np.array([not CODE.fullmatch(code) and code != SEG_FP for code in distinct], dtype=bool)
    if wrong.any():
        entry = int(wrong[numbers].argmax())
        raise InputError(f"{place(int(page[entry]))}: expected a code such as U+3042, got {words[entry].as_py()!r}")
    return text_column(distinct, numbers)


def _to_numbers(
    words: pa.LargeStringArray, page: NDArray[np.int64], place: Callable[[int], str]
) -> NDArray[np.float64]:
    # Arrow refuses "1_000" and the digits of other scripts, which float() takes and no program writes.
    try:
        numbers = np.asarray(pc.cast(words, pa.float64()))
    except pa.ArrowInvalid:
        numbers = np.array([_to_number(word) for word in words])
    wrong = ~(np.abs(numbers) <= _MAX_NUMBER)  # NaN too
    if wrong.any():
        entry = int(wrong.argmax())
        raise InputError(f"{place(int(page[entry]))}: expected a number, got {words[entry].as_py()!r}")
    return numbers


def _to_number(word: pa.LargeStringScalar) -> float:
    try:
        return float(pc.cast(word, pa.float64()).as_py())
    except pa.ArrowInvalid:
        return float("nan")
