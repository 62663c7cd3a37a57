"""The JSON of `kuzushiji.predict`, as it was written or corrected by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.forms.character_codes import character_of
from kuzushiji.forms.labelled_page import NO_LINE, Label, RawPage, TextLine
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.reading import number_of, read_any_json
from kuzushiji.layout import ROLES, TEXT

_FORMAT = "kuzushiji-page-"


def recognises(path: Path) -> bool:
    """Return whether a file is such JSON."""
    value = read_any_json(path)
    return isinstance(value, dict) and str(value.get("format", "")).startswith(_FORMAT)


def read(path: Path, notes: Notes) -> Iterator[RawPage]:
    """Yield the page of a file, its characters in reading order."""
    value = read_any_json(path)
    try:
        size = number_of(value["width"]), number_of(value["height"])
        page = RawPage(str(value.get("page") or path.stem), path, str(value["image"]), size)
        characters = list(value["characters"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected a page as predict writes it, got one without {error}") from error
    lines: dict[tuple[str, int], int] = {}
    texts: list[str] = []
    n_left_out = 0
    for number, item in enumerate(characters):
        place = f"character {number}"
        if isinstance(item, dict) and item.get("left_out") is True:
            n_left_out += 1
            continue
        try:
            x, y, w, h = map(number_of, item["box"])
            text, role = _text(item, f"{path}, {place}", notes), str(item.get("role", TEXT))
            column = int(item.get("column", NO_LINE))
        except (AttributeError, KeyError, TypeError, ValueError):
            notes.add("boxes without coordinates", f"{path}, {place}", "expected box with 4 numbers; left out")
            continue
        role = role if role in ROLES else TEXT
        line = lines.setdefault((role, column), len(lines))
        texts += [""] * (line + 1 - len(texts))
        texts[line] += text
        page.labels.append(Label(text, x, y, w, h, place, line, role))
    page.lines = [TextLine(text, role) for (role, _), text in zip(lines, texts, strict=True)]
    if n_left_out:
        message = f"{n_left_out} characters do not count: left_out is true, they are too improbable"
        notes.add("pages with characters that were left out", path, message)
    yield page


def _text(item: Any, place: str, notes: Notes) -> str:
    """Return the character: who corrects a file by hand may have changed it, its code, or both."""
    char, code = str(item.get("char", "")), str(item.get("code", ""))
    try:
        agree = not char or not code or character_of(code, normalise=False) == char
    except InputError:
        agree = False
    if not agree:
        notes.add("characters of another code", place, f"char {char} and code {code} differ; char is taken")
    return char or code
