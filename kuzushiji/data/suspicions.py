"""What in a data root is well-formed and yet probably a mistake, which training would only show as a low F1."""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from kuzushiji.data.folds import book_id
from kuzushiji.data.paths import SUFFIXES

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
