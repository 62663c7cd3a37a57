"""What was read, or what is there: characters with boxes, points or neither, and lines in reading order."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.data.characters import code_to_char
from kuzushiji.data.label_text import CODE, FILE_COLUMNS, read_columns
from kuzushiji.data.labels import SEG_FP, read_page_labels, read_page_points
from kuzushiji.data.pages import page_size
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.evaluate.config import FORMS
from kuzushiji.forms.character_codes import character_of
from kuzushiji.forms.labelled_page import MAX_IN_LAYOUT, RawPage, TextLine, found_layout
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.reading import read_text_file
from kuzushiji.forms.registry import NoPagesError, files_of, read_pages
from kuzushiji.layout import TEXT

logger = logging.getLogger(__name__)

BOXES, POINTS, NOTHING = "boxes", "points", "text"
SUBMISSION = "submission.csv"
"""The table that `predict` writes into its folder."""


@dataclass(frozen=True)
class Reading:
    """The n characters of a page, and its lines.

    Attributes:
        name: Of the page.
        kind: Whether there are `BOXES`, `POINTS` (boxes are squares of a size that is guessed) or `NOTHING`.
        chars: (n,) characters.
        boxes_xywh: (n, 4) corner and size, pixels.
        role: (n,) one of `kuzushiji.layout.ROLES`; text for all as long as there are no lines.
        lines: In reading order; None where the source has none, until `laid_out` finds them.
        width: Of the page, pixels; None where the source does not say.
    """

    name: str
    kind: str
    chars: list[str]
    boxes_xywh: NDArray[np.float64]
    role: list[str]
    lines: list[TextLine] | None = None
    width: float | None = None


def read_readings(source: Path, form: str | None, notes: Notes) -> dict[str, Reading]:
    """Return the pages of a source by name.

    Args:
        source: A file or folder: of a form of `kuzushiji.forms`, a table of boxes or points, a data root, text.
        form: Its form, one of `kuzushiji.evaluate.config.FORMS`; None for the first of them that is there.
        notes: Are told of what is odd.

    Raises:
        InputError: nothing is there that can be read; a page comes twice.
    """
    found: dict[str, Reading] = {}
    for reading in _readings(source, form, notes):
        if reading.name in found:
            raise InputError(f"{source}: expected each page once, got {reading.name} twice")
        found[reading.name] = reading
    if not found:
        raise next(map(InputError, notes.failures), InputError(f"{source}: expected pages, got none"))
    return found


def _readings(source: Path, form: str | None, notes: Notes) -> Iterator[Reading]:
    if not source.exists():
        raise InputError(f"{source}: expected pages, there is no such file or folder")
    for name in FORMS if form is None else (form,):
        found = _of_form(source, name, notes)
        if found is not None:
            logger.info("%s: read as %s", source, name)
            return found
    forms = ", ".join(FORMS) if form is None else form
    raise InputError(f"{source}: expected pages ({forms}), got none")


def _of_form(source: Path, form: str, notes: Notes) -> Iterator[Reading] | None:
    """Return the pages of a source, None where it is not of this form."""
    if form == "text":
        return _of_text(source)
    if form == "table":
        table = source / SUBMISSION if source.is_dir() else source
        return _of_table(table) if _is_table(table) else None
    if form == "root":
        tables = [table for table in (DataRoot(source).train_csv, DataRoot(source).solution_csv) if table.is_file()]
        return (reading for table in tables for reading in _of_table(table)) if tables else None
    try:
        _, files = files_of(source, form, Notes())
    except NoPagesError:
        return None
    return (_of_raw_page(page, notes) for page in read_pages(form, files, notes) if page.done)


def _is_table(path: Path) -> bool:
    if not path.is_file() or path.suffix not in (".csv", ".gz"):
        return False
    try:
        read_columns(path, FILE_COLUMNS)
    except InputError:
        return False
    return True


def _of_table(path: Path) -> Iterator[Reading]:
    """Yield the pages of a table of boxes or of points, whichever it is."""
    texts = (text.split() for text in read_columns(path, FILE_COLUMNS)[1])
    words = next(filter(None, texts), [])
    if len(words) == 3 or (len(words) > 3 and (CODE.fullmatch(words[3]) or words[3] == SEG_FP)):
        points = read_page_points(path)
        for name, rows in zip(points.image_ids, points.rows_by_page(), strict=True):
            of_page = points.points.iloc[rows]
            xy = of_page[["x", "y"]].to_numpy(np.float64)
            real = (of_page["code"] != SEG_FP).to_numpy()
            chars = _chars(of_page["code"][real])
            yield Reading(name, POINTS, chars, _squares(xy[real]), [TEXT] * len(chars))
        return
    root = DataRoot(path.parent)
    for name, boxes in read_page_labels(path).by_page():
        boxes = boxes[boxes["code"] != SEG_FP]
        xywh = boxes[["x", "y", "w", "h"]].to_numpy(np.float64)
        yield Reading(name, BOXES, _chars(boxes["code"]), xywh, [TEXT] * len(boxes), width=_width(root, name))


def _chars(codes: "pd.Series[str]") -> list[str]:
    return [code_to_char(code) for code in codes]


def _width(root: DataRoot, image_id: str) -> int | None:
    """Return the width of a page whose picture is there, None where it is not."""
    for path in (root.train_image(image_id), root.test_image(image_id)):
        if path.is_file():
            return page_size(path)[0]
    return None


def _squares(points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return squares (n, 4) around points, as wide as the median distance from a point to the next one."""
    size = 1.0
    if 1 < len(points_xy) <= MAX_IN_LAYOUT:
        distance = np.hypot(*(np.subtract.outer(values, values) for values in points_xy.T))
        np.fill_diagonal(distance, np.inf)
        size = max(float(np.median(distance.min(axis=1))), 1.0)
    return np.concatenate([points_xy - size / 2, np.full_like(points_xy, size)], axis=1)


def laid_out(true: Reading, read: Reading) -> tuple[Reading, Reading]:
    """Return both sides of a page with lines: found by the boxes where a side has none, in the same way on both.

    Raises:
        InputError: there are too many boxes for that.
    """
    right = max(float((side.boxes_xywh[:, 0] + side.boxes_xywh[:, 2]).max(initial=1)) for side in (true, read))
    width = next((side.width for side in (true, read) if side.width is not None), right)
    return _with_lines(true, width), _with_lines(read, width)


def _with_lines(reading: Reading, width: float) -> Reading:
    if reading.lines is not None:
        return reading
    layout = found_layout(reading.boxes_xywh, width, reading.name)
    lines: dict[tuple[str, int], list[str]] = {}
    for i in layout.order.tolist():
        lines.setdefault((layout.role[i], int(layout.column[i])), []).append(reading.chars[i])
    texts = [TextLine("".join(line), role) for (role, _), line in lines.items()]
    return replace(reading, role=layout.role.tolist(), lines=texts)


def _of_text(source: Path) -> Iterator[Reading] | None:
    """Return the pages of text files: one a file, named for it; a line of the file is a line of the page."""
    files = sorted(source.rglob("*.txt")) if source.is_dir() else [source] if source.suffix == ".txt" else []
    return map(_of_text_file, files) if files else None


def _of_text_file(path: Path) -> Reading:
    lines = [TextLine(line.strip()) for line in read_text_file(path).splitlines() if line.strip()]
    return Reading(path.stem, NOTHING, [], np.zeros((0, 4)), [], lines)


def _of_raw_page(page: RawPage, notes: Notes) -> Reading:
    if not page.in_pixels:
        raise InputError(f"{page.file}: expected boxes in pixels; kuzushiji.convert makes a data root of this form")
    if page.lines and not page.labels:
        return Reading(page.name, NOTHING, [], np.zeros((0, 4)), [], page.lines)
    labels, chars = [], []
    for label in page.labels:
        try:
            chars.append(character_of(label.text, normalise=False))
            labels.append(label)
        except InputError as error:
            notes.add("boxes without one character", f"{page.file}, {label.place}", f"{error}; left out")
    boxes = np.array([label[1:5] for label in labels], np.float64).reshape(-1, 4)
    role = [label.role for label in labels]
    return Reading(page.name, BOXES, chars, boxes, role, page.lines or None, page.size[0] if page.size else None)
