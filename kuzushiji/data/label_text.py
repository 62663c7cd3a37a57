"""The files of labels: a page a row, its boxes or points as one string."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

SEG_FP = "seg_fp"
"""The class of a predicted box that covers no character: a false positive of segmentation."""

FILE_COLUMNS = ("image_id", "labels")
BOX_FIELDS = "U+XXXX x y w h"
POINT_FIELDS = "U+XXXX X Y"

CODE = re.compile(r"U\+[0-9A-F]{4,6}")


def read_label_rows(path: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the pages of a table `image_id,labels` and their label strings, in file order; `.gz` is unpacked.

    Further columns are ignored (Kaggle's solution files have one).

    Raises:
        InputError: the file is missing, no CSV, without these columns, or names a page twice or not at all.
    """
    image_ids, texts = read_columns(path, FILE_COLUMNS)
    seen: dict[str, int] = {}
    for row, image_id in enumerate(image_ids, start=1):
        if not image_id:
            raise InputError(f"{path}, row {row}: expected an image id, got an empty field")
        first = seen.setdefault(image_id, row)
        if first != row:
            raise InputError(f"{path}, row {row}: expected each page once, page {image_id} stands in row {first} too")
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
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected CSV in UTF-8, got something else ({error})") from error
    header = rows[0] if rows else []
    if any(header.count(name) != 1 for name in columns):
        found = ",".join(header)[:80] or "an empty file"
        raise InputError(f"{path}: expected the columns {','.join(columns)}, got {found}")
    body = [row for row in rows[1:] if row]
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: expected {len(header)} columns, got {len(row)}")
    places = [header.index(name) for name in columns]
    return [[row[place] for row in body] for place in places]


def parse_pages(
    image_ids: Sequence[str], texts: Sequence[str], where: str, fields: str
) -> tuple[NDArray[np.int64], NDArray[np.object_], NDArray[np.float64]]:
    """Parse the label strings of many pages at once.

    Args:
        image_ids: Pages, for messages.
        texts: Their label strings.
        where: File, for messages.
        fields: What a group consists of: a code and numbers, such as `U+XXXX x y w h`.

    Returns:
        For n groups in all: (n,) positions of their pages, (n,) codes, (n, number of fields - 1) finite numbers.

    Raises:
        InputError: a string is not groups of such fields; names file, page and row.
    """
    width = len(fields.split())
    words = [text.split() for text in texts]
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    if (lengths % width).any():
        number = int((lengths % width != 0).argmax())
        place = _where(where, number, image_ids)
        raise InputError(f'{place}: expected groups of {width} ("{fields}"), got {lengths[number]} fields')
    page = np.repeat(np.arange(len(words)), lengths // width)
    flat = list(chain.from_iterable(words))
    codes = np.empty(len(page), dtype=object)
    codes[:] = flat[::width]
    _check_codes(codes, page, image_ids, where)
    numbers = np.empty((len(page), width - 1))
    for column in range(1, width):
        numbers[:, column - 1] = _to_numbers(flat[column::width], page, image_ids, where)
    return page, codes, numbers


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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FILE_COLUMNS)
    starts = [0, *ends[:-1]] if ends else []
    writer.writerows(
        (name, " ".join(ordered[start:end])) for name, start, end in zip(image_ids, starts, ends, strict=True)
    )
    content = text.getvalue().encode()
    with atomic_path(path) as temporary:
        # Without a time of its own the packed file is the same for the same content.
        temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _open_text(path: Path) -> TextIO:
    open_it: Callable[..., TextIO] = gzip.open if path.suffix == ".gz" else open
    return open_it(path, "rt", encoding="utf-8-sig", newline="")


def _check_codes(codes: NDArray[np.object_], page: NDArray[np.int64], image_ids: Sequence[str], where: str) -> None:
    numbers, distinct = pd.factorize(codes)
    wrong = np.array([not CODE.fullmatch(code) and code != SEG_FP for code in distinct], dtype=bool)
    if wrong.any():
        entry = int(wrong[numbers].argmax())
        place = _where(where, int(page[entry]), image_ids)
        raise InputError(f"{place}: expected a code such as U+3042, got {codes[entry]!r}")


def _to_numbers(words: list[str], page: NDArray[np.int64], image_ids: Sequence[str], where: str) -> NDArray[np.float64]:
    try:
        # float() also takes "1_000" and digits of other scripts: no program writes such coordinates.
        joined = "".join(words)
        plain = joined.isascii() and "_" not in joined
        numbers = np.fromiter(map(float, words), np.float64, len(words))
    except ValueError:
        plain = False
    if plain and np.isfinite(numbers).all():
        return numbers
    entry = next(entry for entry, word in enumerate(words) if not _is_number(word))
    raise InputError(f"{_where(where, int(page[entry]), image_ids)}: expected a number, got {words[entry]!r}")


def _is_number(word: str) -> bool:
    try:
        return word.isascii() and "_" not in word and bool(np.isfinite(float(word)))
    except ValueError:
        return False


def _where(where: str, number: int, image_ids: Sequence[str]) -> str:
    return f"{where}, row {number + 1}, page {image_ids[number]}"
