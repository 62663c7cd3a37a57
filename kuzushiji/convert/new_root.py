"""A new data root: which pages become test pages, what pages are called, and its files."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from kuzushiji.data.characters import code_to_char
from kuzushiji.data.folds import book_id, spread
from kuzushiji.data.label_text import csv_text
from kuzushiji.data.labels import PageLabels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, atomic_write_text
from kuzushiji.forms.data_root import HISTORY
from kuzushiji.forms.labelled_page import LabelledPage
from kuzushiji.forms.picture_files import Placer

_NO_WORD = re.compile(r"[\W_]")


def choose_test_pages(names: Sequence[str], share: float, books: Sequence[str]) -> set[str]:
    """Return the pages to test on.

    Args:
        names: All pages.
        share: Of the pages, at most, but at least one book; whole books are taken, in an order that depends on their
            names alone. Of a single book pages are taken, evenly spread.
        books: These books in place of a share.

    Raises:
        InputError: a book is not there, or no page would be left to train on.
    """
    pages = Counter(map(book_id, names))
    unknown = [book for book in books if book not in pages]
    if unknown:
        raise InputError(f"--test-books: expected books of {', '.join(sorted(pages)[:20])}, got {unknown[0]}")
    chosen = set(books)
    if share > 0 and len(pages) == 1:
        return set(spread(names, max(1, int(share * len(names))))) if len(names) > 1 else set()
    if share > 0:
        for book in sorted(pages, key=lambda book: hashlib.sha256(book.encode()).digest()):
            fits = sum(pages[other] for other in chosen) + pages[book] <= share * len(names)
            if (fits or not chosen) and len(chosen) + 1 < len(pages):
                chosen.add(book)
    found = {name for name in names if book_id(name) in chosen}
    if found and len(found) == len(names):
        raise InputError(f"expected pages to train on, all {len(names)} are of the books to test on")
    return found


def book_prefix(name: str) -> str:
    """Return a name of a book that the rule of `book_id` gives back for `<it>_<page>`: `genji_2` -> `Genji2`.

    Raises:
        InputError: no letter or digit is in it.
    """
    plain = _NO_WORD.sub("", name)
    if not plain:
        raise InputError(f"expected the name of a book with letters or digits, got {name!r}")
    return plain if book_id(f"{plain}_1") == plain else plain[0].upper() + plain[1:]


_PLACEHOLDER = "U+003F 1 1"


def write_root(out: Path, pages: Sequence[LabelledPage], place: Placer, test: Collection[str]) -> None:
    """Write the pages into a folder in the competition's layout.

    Args:
        out: The folder.
        pages: All pages.
        place: Puts their pictures there.
        test: Names of those that become test pages: their truth is in `solution.csv`. Without any there is neither
            that nor `sample_submission.csv`. Who read and corrected the pages, if known, is in `history.json`.

    Raises:
        InputError: a picture cannot be read, or a file not be written.
    """
    root = DataRoot(out)
    for page in pages:
        place(page, root.test_images if page.name in test else root.train_images)
    write_page_labels(root.train_csv, labels_of([page for page in pages if page.name not in test]))
    codes = sorted({code for page in pages for code in page.codes})
    atomic_write_text(
        root.unicode_translation_csv, csv_text(("Unicode", "char"), [(c, code_to_char(c)) for c in codes])
    )
    history = {page.name: list(page.history) for page in pages if page.history}
    if history:
        atomic_write_json(out / HISTORY, history)
    if test:
        write_page_labels(root.solution_csv, labels_of([page for page in pages if page.name in test]))
        rows = [(page.name, _PLACEHOLDER) for page in pages if page.name in test]
        atomic_write_text(root.sample_submission_csv, csv_text(("image_id", "labels"), rows))


def labels_of(pages: Sequence[LabelledPage]) -> PageLabels:
    """Return the table of the pages' labels."""
    number = np.repeat(np.arange(len(pages)), [len(page.codes) for page in pages])
    boxes = np.concatenate([np.zeros((0, 4)), *(page.boxes_xywh for page in pages)])
    return PageLabels.from_arrays(
        [page.name for page in pages], number, [code for page in pages for code in page.codes], boxes
    )
