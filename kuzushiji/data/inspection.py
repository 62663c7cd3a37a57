"""What is wrong with a data root: every fault with its file, row and page, and what is probably a mistake."""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kuzushiji.data.characters import read_unicode_translation
from kuzushiji.data.folds import book_id
from kuzushiji.data.label_text import BOX_FIELDS, FILE_COLUMNS, place_of, read_columns
from kuzushiji.data.labels import parse_labels
from kuzushiji.data.pages import read_page
from kuzushiji.data.paths import SUFFIXES, DataRoot, image_path
from kuzushiji.errors import InputError
from kuzushiji.terminal import progress

_FIELDS = len(BOX_FIELDS.split())


@dataclass
class Findings:
    """What was found in a data root.

    Attributes:
        faults: One line each.
        train_pages: Pages in train.csv.
        pages_without_text: Those of them without labels.
        characters: Labels in train.csv that can be read.
        clipped: Boxes that reach over the edge of their page: no fault, the competition's data have some.
        test_pages: Pages in sample_submission.csv.
        books: Books of the training pages, by the rule of `folds.book_id`.
        warnings: One line each: what is no fault and would lower the F1.
    """

    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    books: int = 0
    train_pages: int = 0
    pages_without_text: int = 0
    characters: int = 0
    clipped: int = 0
    test_pages: int = 0


@dataclass(frozen=True)
class _Row:
    """A row of a table: where it stands (in words), its page and its labels."""

    place: str
    image_id: str
    text: str


def inspect_data_root(root: DataRoot, workers: int) -> Findings:
    """Read a data root whole, every image too, and return what is wrong with it.

    Args:
        root: The data root. The truth of the test pages is not looked at.
        workers: How many images are decoded at a time.
    """
    found = Findings()
    known = _known_codes(root.unicode_translation_csv, found)
    train = _rows(root.train_csv, found)
    test = _rows(root.sample_submission_csv, found) if root.has_test_pages else []
    found.train_pages, found.test_pages = len(train), len(test)
    sizes = _image_sizes(train, root.train_images, found, workers)
    if root.has_test_pages:
        _image_sizes(test, root.test_images, found, workers)
    for row, size in zip(train, sizes, strict=True):
        _inspect_labels(row, size, known, found)
    found.books = len({book_id(row.image_id) for row in train})
    found.warnings = warnings_of(
        {row.place: row.text for row in train}, [row.image_id for row in train], found.characters, found.clipped
    )
    return found


def _known_codes(path: Path, found: Findings) -> set[str] | None:
    """Return the codes of the table of characters, None where it cannot be read, or is not there: all are good then."""
    if not path.exists() and not _hint(path):
        return None
    try:
        return set(read_unicode_translation(path))
    except InputError as error:
        found.faults.append(f"{error}{_hint(path)}")
        return None


def _rows(path: Path, found: Findings) -> list[_Row]:
    """Return the rows of a table, those without a page or with one that came before left out."""
    try:
        image_ids, texts = read_columns(path, FILE_COLUMNS)
    except InputError as error:
        found.faults.append(f"{error}{_hint(path)}")
        return []
    rows: dict[str, _Row] = {}
    for number, (image_id, text) in enumerate(zip(image_ids, texts, strict=True)):
        place = place_of(path, image_ids, number)
        if not image_id:
            found.faults.append(f"{place}: expected an image id, got an empty field")
        elif image_id in rows:
            found.faults.append(f"{place}: expected each page once, it is in {rows[image_id].place} too")
        else:
            rows[image_id] = _Row(place, image_id, text)
    return list(rows.values())


def _image_sizes(rows: Sequence[_Row], folder: Path, found: Findings, workers: int) -> list[tuple[int, int] | None]:
    """Decode the image of each row and return its (width, height), None where it cannot be read."""
    fault = _folder_fault(folder)
    if fault:
        found.faults.append(fault)
        return [None] * len(rows)
    sizes: list[tuple[int, int] | None] = []
    # Threads will do: decoders work outside the interpreter's lock.
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(partial(_image_size, folder), rows)
        names: dict[str, str] | None = None
        for row, result in zip(rows, progress(results, total=len(rows), title=folder.name, unit="page"), strict=True):
            if isinstance(result, InputError):
                names = similar_names(folder) if names is None else names
                found.faults.append(f"{row.place}: {result}{did_you_mean(folder, row.image_id, names)}")
            sizes.append(None if isinstance(result, InputError) else result)
    return sizes


def _image_size(folder: Path, row: _Row) -> tuple[int, int] | InputError:
    try:
        height, width, _ = read_page(image_path(folder, row.image_id)).shape
    except InputError as error:
        return error
    return width, height


def _folder_fault(folder: Path) -> str | None:
    """Return what is wrong with a folder of images as a whole: one line instead of one a page."""
    if not folder.is_dir():
        return f"{folder}: expected a folder with the images, got none{_hint(folder)}"
    if any(path.suffix in SUFFIXES for path in folder.iterdir()):
        return None
    inside = next((path for path in folder.rglob("*") if path.suffix in SUFFIXES), None)
    if inside:
        return f"{folder}: expected the images in this folder itself, got them in {inside.parent}: move them up"
    return f"{folder}: expected images ({', '.join(SUFFIXES)}), got none"


def _hint(path: Path) -> str:
    """Return where the missing file or folder may be: in a folder below, or in an archive that nobody unpacked."""
    if path.exists():
        return ""
    below = next((found for depth in ("*", "*/*") for found in sorted(path.parent.glob(f"{depth}/{path.name}"))), None)
    if below is not None:
        return f"; it is in {below.parent}: move all that is there up into {path.parent}"
    archives = [path.with_name(f"{path.name}.zip"), *sorted(path.parent.glob("kuzushiji*.zip"))]
    archive = next((archive for archive in archives if archive.is_file()), None)
    if archive is None:
        return ""
    place = path if archive.stem == path.name and not path.suffix else path.parent
    return f"; unpack the archive first: unzip {archive} -d {place}"


def _inspect_labels(row: _Row, size: tuple[int, int] | None, known: set[str] | None, found: Findings) -> None:
    words = row.text.split()
    if not words:
        found.pages_without_text += 1
    if len(words) % _FIELDS:
        found.faults.append(f'{row.place}: expected groups of {_FIELDS} ("{BOX_FIELDS}"), got {len(words)} fields')
        return
    numbers, codes, boxes_xywh = _readable_labels(row, words, found)
    found.characters += len(codes)
    outside, clipped = _over_the_edge(boxes_xywh, size)
    flat = (boxes_xywh[:, 2:] <= 0).any(axis=1)
    unknown = np.array([known is not None and code not in known for code in codes], dtype=bool)
    found.clipped += int((clipped & ~flat).sum())
    for wrong, fault in (
        (unknown, "expected a code of unicode_translation.csv"),
        (flat, "expected a box with a width and height above 0"),
        (outside & ~flat, f"expected a box on the page of {size and ' x '.join(map(str, size))} pixels"),
    ):
        for entry in np.flatnonzero(wrong).tolist():
            number = numbers[entry]
            label = " ".join(words[number * _FIELDS : (number + 1) * _FIELDS])
            found.faults.append(f"{row.place}, box {number}: {fault}, got {label}")


def _readable_labels(
    row: _Row, words: list[str], found: Findings
) -> tuple[list[int], NDArray[np.object_], NDArray[np.float64]]:
    """Return box numbers, codes and boxes of the labels that can be read; each of the others is a fault."""
    numbers = list(range(len(words) // _FIELDS))
    try:
        return numbers, *parse_labels(row.text, row.place)
    except InputError:
        readable = [number for number in numbers if _is_readable(row, number, words, found)]
    kept = [word for number in readable for word in words[number * _FIELDS : (number + 1) * _FIELDS]]
    return readable, *parse_labels(" ".join(kept), row.place)


def _is_readable(row: _Row, number: int, words: list[str], found: Findings) -> bool:
    label = " ".join(words[number * _FIELDS : (number + 1) * _FIELDS])
    try:
        parse_labels(label, f"{row.place}, box {number}")
    except InputError as error:
        found.faults.append(f"{error} in {label}")
        return False
    return True


def _over_the_edge(
    boxes_xywh: NDArray[np.float64], size: tuple[int, int] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which boxes lie wholly outside the page, and which only in part; none where its size is not known."""
    if size is None:
        nothing = np.zeros(len(boxes_xywh), dtype=bool)
        return nothing, nothing
    start, end = boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    outside = np.asarray(((start >= size) | (end <= 0)).any(axis=1))
    over = np.asarray(((start < 0) | (end > size)).any(axis=1))
    return outside, over & ~outside


SPREADSHEET_CELL = 32_767
"""Characters that a cell of a spreadsheet holds: what is longer is cut there."""

MANY = 0.2
"""A larger share of boxes over the edge of their pages is no coincidence."""

_ENOUGH = 10


def warnings_of(texts: Mapping[str, str], image_ids: Sequence[str], characters: int, clipped: int) -> list[str]:
    """Return what is suspicious about the labels of a data root, one line each.

    Args:
        texts: The label strings, by the words for their place.
        image_ids: The training pages.
        characters: How many labels there are.
        clipped: How many of their boxes reach over the edge of their page.
    """
    found = [
        f"{place}: labels of {SPREADSHEET_CELL:,} characters, what a cell of a spreadsheet holds: are they cut?"
        for place, text in texts.items()
        if len(text) == SPREADSHEET_CELL
    ]
    if clipped >= max(_ENOUGH, MANY * characters):
        found.append(
            f"{clipped:,} of {characters:,} boxes reach over the edge of their page: expected x y w h, "
            "are they x1 y1 x2 y2 or of another size of the images?"
        )
    books = {book_id(image_id) for image_id in image_ids}
    if len(image_ids) > 2 and len(books) in (1, len(image_ids)):
        what = "is one book" if len(books) == 1 else "are as many books as pages"
        found.append(
            f"by the names of the pages there {what}: a name begins with its book, up to the first _ or - "
            "(of lower-case letters these alone); folds divide books, --split pages divides pages"
        )
    return found


def similar_names(folder: Path) -> dict[str, str]:
    """Return the names of the files in a folder by what two names have in common that are easily confused."""
    return {_key(name): name for name in sorted(os.listdir(folder))} if folder.is_dir() else {}


def did_you_mean(folder: Path, image_id: str, names: Mapping[str, str]) -> str:
    """Return a hint at a file whose name differs by Unicode form, case or ending alone; empty where there is none.

    Args:
        folder: Of the images.
        image_id: Of a page whose image cannot be read.
        names: Of the files there, by `similar_names`.
    """
    if any(os.path.lexists(folder / f"{image_id}{suffix}") for suffix in SUFFIXES):
        return ""
    near = names.get(_key(image_id)) or names.get(_key(f"{image_id}.jpg"))
    return f"; did you mean {near}?" if near else ""


def _key(name: str) -> str:
    stem, ending = os.path.splitext(unicodedata.normalize("NFC", name).casefold())
    return stem if ending in SUFFIXES else f"{stem}{ending}"
