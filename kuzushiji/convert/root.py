"""Writes a data root: pictures, labels, characters; test pages where some are wanted."""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from kuzushiji.data.characters import code_to_char
from kuzushiji.data.labels import PageLabels, write_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.files import atomic_write_json, atomic_write_text
from kuzushiji.forms.data_root import HISTORY
from kuzushiji.forms.page import LabelledPage
from kuzushiji.forms.pictures import Placer

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
    atomic_write_text(root.unicode_translation_csv, _csv(("Unicode", "char"), [(c, code_to_char(c)) for c in codes]))
    history = {page.name: list(page.history) for page in pages if page.history}
    if history:
        atomic_write_json(out / HISTORY, history)
    if test:
        write_page_labels(root.solution_csv, labels_of([page for page in pages if page.name in test]))
        rows = [(page.name, _PLACEHOLDER) for page in pages if page.name in test]
        atomic_write_text(root.sample_submission_csv, _csv(("image_id", "labels"), rows))


def labels_of(pages: Sequence[LabelledPage]) -> PageLabels:
    """Return the table of the pages' labels."""
    number = np.repeat(np.arange(len(pages)), [len(page.codes) for page in pages])
    boxes = np.concatenate([np.zeros((0, 4)), *(page.boxes_xywh for page in pages)])
    return PageLabels.from_arrays(
        [page.name for page in pages], number, [code for page in pages for code in page.codes], boxes
    )


def _csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
