"""`corrections.json` of `kuzushiji edit`: the pages of a book as somebody has corrected them.

`corrections.schema.json` in `kuzushiji/predict/formats` describes every field.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kuzushiji import __version__
from kuzushiji.data.characters import code_to_char
from kuzushiji.data.labels import whole_pixels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, sha256_of_file
from kuzushiji.forms.labelled_page import Label, LabelledPage, RawPage, TextLine
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Placer
from kuzushiji.forms.reading import number_of, read_any_json
from kuzushiji.layout import ROLES

FORMAT = "kuzushiji-corrections-1"
FILE = "corrections.json"
NO_TEXT = "none"
"""Role of a box in which there is no character."""

HUMAN = "human"
_BY = ("model", HUMAN)
_TYPES: Mapping[str, type] = {
    "page": str, "image": str, "frame": int, "sha256": str, "width": int, "height": int, "reading": str,
    "revision": int, "done": bool, "history": list, "characters": list,
}  # fmt: skip
_OF_CHARACTER: Mapping[str, type] = {
    "box": list, "code": str, "char": str, "role": str, "column": int, "doubtful": bool, "by": str,
}  # fmt: skip


def recognises(path: Path) -> bool:
    """Return whether a file is such JSON."""
    value = read_any_json(path)
    return isinstance(value, dict) and value.get("format") == FORMAT


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the pages of a file, their characters in reading order; a damaged page is noted and left out."""
    for value in pages_of(read_any_json(path), path):
        try:
            yield raw_page(checked_page(value, str(path)), path, notes)
        except InputError as error:
            notes.fail(str(error))


def pages_of(value: Any, where: str | Path) -> list[Any]:
    """Return the pages of the content of a file, unchecked.

    Raises:
        InputError: it is no content of such a file.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("pages"), list):
        raise InputError(f"{where}: expected corrections ({FORMAT}) with a list of pages, got something else")
    pages: list[Any] = value["pages"]
    return pages


def content_of(pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of a file with these pages."""
    return {"format": FORMAT, "version": __version__, "pages": list(pages)}


def checked_page(value: Any, where: str) -> dict[str, Any]:
    """Return a page of such a file as it is, if it is one.

    Raises:
        InputError: a field is missing or of another type; a box is none; a character has no code or an unknown role.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a page of corrections, got {type(value).__name__}")
    where = f"{where}, page {value.get('page')}"
    _check_types(value, _TYPES, where)
    if value["width"] < 1 or value["height"] < 1:
        raise InputError(f"{where}: expected a width and height above 0, got {value['width']} x {value['height']}")
    for number, item in enumerate(value["characters"]):
        place = f"{where}, character {number}"
        _check_types(item, _OF_CHARACTER, place)
        numbers = [edge for edge in item["box"] if isinstance(edge, int | float) and abs(edge) <= 1e6]
        if len(numbers) != 4 or len(item["box"]) != 4 or min(numbers[2:]) <= 0:
            raise InputError(f"{place}: expected a box of x, y, width and height, got {item['box']}")
        if item["role"] not in (*ROLES, NO_TEXT) or item["by"] not in _BY:
            raise InputError(f"{place}: expected a role of {', '.join((*ROLES, NO_TEXT))}, got {item['role']!r}")
        if item["role"] != NO_TEXT and not item["char"]:
            raise InputError(f"{place}: expected a character, got none")
    return value


def _check_types(value: Any, types: Mapping[str, type], where: str) -> None:
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object, got {type(value).__name__}")
    for name, expected in types.items():
        found = value.get(name)
        if not isinstance(found, expected) or (isinstance(found, bool) and expected is int):
            raise InputError(f"{where}: expected {name} as {expected.__name__}, got {found!r:.60}")


def raw_page(value: Mapping[str, Any], path: Path, notes: Notes) -> RawPage:
    """Return a checked page; boxes without text are left out, doubtful characters are kept and noted."""
    page = RawPage(
        value["page"], path, value["image"], (value["width"], value["height"]), sha256=value["sha256"],
        done=value["done"], history=tuple(value["history"]),
    )  # fmt: skip
    lines: dict[tuple[str, int], int] = {}
    texts: list[str] = []
    for number, item in enumerate(value["characters"]):
        if item["role"] == NO_TEXT:
            continue
        place = f"character {number}"
        if item["doubtful"]:
            notes.add("doubtful characters", f"{path}, page {page.name}, {place}", f"{item['char']} is kept")
        line = lines.setdefault((item["role"], item["column"]), len(lines))
        texts += [""] * (line + 1 - len(texts))
        texts[line] += item["char"]
        x, y, w, h = map(number_of, item["box"])
        page.labels.append(Label(item["char"], x, y, w, h, place, line, item["role"]))
    page.lines = [TextLine(text, role) for (role, _), text in zip(lines, texts, strict=True)]
    return page


def write(out: Path, pages: Iterable[LabelledPage], place: Placer) -> int:
    """Write `corrections.json` and the picture of each page beside it; return the number of pages."""
    values = [_value_of(page, place(page, out)) for page in pages]
    atomic_write_json(out / FILE, content_of(values))
    return len(values)


def _value_of(page: LabelledPage, picture: Path) -> dict[str, Any]:
    layout = page.layout()
    boxes = whole_pixels(page.boxes_xywh).tolist()
    characters = [
        {
            "box": boxes[i], "code": page.codes[i], "char": code_to_char(page.codes[i]), "role": layout.role[i],
            "column": int(layout.column[i]), "doubtful": False, "by": HUMAN,
        }
        for i in layout.order.tolist()
    ]  # fmt: skip
    return {
        "page": page.name, "image": picture.name, "frame": 0, "sha256": sha256_of_file(picture), "width": page.width,
        "height": page.height, "reading": "", "revision": 1, "done": True,
        "history": list(page.history) or [{"by": HUMAN}], "characters": characters,
    }  # fmt: skip
