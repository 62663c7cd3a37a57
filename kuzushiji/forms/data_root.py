"""The competition's layout: `train.csv` and `train_images/`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kuzushiji.data.labels import read_page_labels
from kuzushiji.errors import InputError
from kuzushiji.forms.labelled_page import Label, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.reading import read_any_json

HISTORY = "history.json"
"""Who read and corrected the pages, by their names; only where that is known."""


def recognises(path: Path) -> bool:
    """Return whether a file is the table of labels of a data root."""
    return path.name == "train.csv" and (path.parent / "train_images").is_dir()


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the training pages in the table's order."""
    try:
        labels = read_page_labels(path)
    except UnicodeError as error:
        raise InputError(f"{path}: expected a table of labels, got something else ({error})") from error
    history = _read_history(path.parent / HISTORY)
    for number, (image_id, boxes) in enumerate(labels.by_page(), start=2):
        page = RawPage(
            image_id, path, f"train_images/{image_id}", None, as_stored=True, history=history.get(image_id, ())
        )
        columns = (boxes[name].to_list() for name in ("code", "x", "y", "w", "h"))
        for box, (code, *numbers) in enumerate(zip(*columns, strict=True)):
            x, y, w, h = numbers
            page.labels.append(Label(code, x, y, w, h, f"row {number}, page {image_id}, box {box}"))
        yield page


def _read_history(path: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    value = read_any_json(path) if path.is_file() else {}
    if not isinstance(value, dict) or not all(isinstance(entries, list) for entries in value.values()):
        raise InputError(f"{path}: expected a list of entries for each page, got something else")
    return {page: tuple(entries) for page, entries in value.items()}
