"""CODH's form: a folder a book, with `images/` and `<book>_coordinate.csv`; a row a character.

https://codh.rois.ac.jp/char-shape/ publishes 44 books so. The columns are
`Unicode,Image,X,Y,Block ID,Char ID,Width,Height`; pixels of the picture as it is stored.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from kuzushiji.data.folds import book_id
from kuzushiji.data.label_text import csv_text, read_columns
from kuzushiji.files import atomic_write_text
from kuzushiji.forms.labelled_page import Label, LabelledPage, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.reading import number_of

ENDING = "_coordinate.csv"
COLUMNS = ("Unicode", "Image", "X", "Y", "Block ID", "Char ID", "Width", "Height")
_NEEDED = ("Unicode", "Image", "X", "Y", "Width", "Height")


def recognises(path: Path) -> bool:
    """Return whether a file is such a table."""
    return path.name.endswith(ENDING)


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the pages of a book in the table's order."""
    columns = read_columns(path, _NEEDED)
    pages: dict[str, RawPage] = {}
    for row, (code, image, *numbers) in enumerate(zip(*columns, strict=True), start=2):
        place = f"row {row}"
        try:
            x, y, w, h = map(number_of, numbers)
        except ValueError:
            notes.add(
                "rows without numbers", f"{path}, {place}", f"expected numbers, got {','.join(numbers)}; left out"
            )
            continue
        name = PurePosixPath(image.replace("\\", "/")).name
        page = pages.setdefault(image, RawPage(name, path, f"images/{image}", None, as_stored=True))
        page.labels.append(Label(code, x, y, w, h, place))
    yield from pages.values()


def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
    """Write a folder a book with its pictures and its table; return the number of pages.

    A page without characters has its picture there, and no row.
    """
    books: dict[str, list[LabelledPage]] = {}
    for page in pages:
        book = book_id(page.name)
        place(page, out / book / "images")
        books.setdefault(book, []).append(page)
    for book, of_book in books.items():
        atomic_write_text(out / book / f"{book}{ENDING}", _table(of_book))
    return sum(map(len, books.values()))


def _table(pages: list[LabelledPage]) -> str:
    return csv_text(
        COLUMNS,
        (
            (code, page.name, f"{x:g}", f"{y:g}", "B0001", f"C{number:04d}", f"{w:g}", f"{h:g}")
            for page in pages
            for number, (code, (x, y, w, h)) in enumerate(zip(page.codes, page.boxes_xywh.tolist(), strict=True), 1)
        ),
    )
