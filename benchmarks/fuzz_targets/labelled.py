"""Labelled pages in the formats of other programs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_targets.target import Check, Target, require
from kuzushiji.data.characters import code_to_char
from kuzushiji.errors import InputError
from kuzushiji.forms.cleaning import Cleaner
from kuzushiji.forms.labelled_page import NO_LINE, LabelledPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Finder
from kuzushiji.forms.registry import files_of, read_pages
from kuzushiji.layout import ROLES
from tests.forms.samples import SAMPLES

_SHARE = 2
_ODD: list[Any] = [
    None, True, 0, -1, 0.5, 1e999, 10**400, "", " ", "あい", "\ud800", "a\nb", "U+110000", "../../x.jpg", "http://[a.jpg",
    [], {}, [[]], [1, "x"], {"a": {}}, "x\x00.jpg", "9" * 5000,
]  # fmt: skip
"""What takes the place of a value in JSON."""


def labelled_targets(folder: Path) -> list[Target]:
    """Return targets for the files with labels of each sample: their bytes, and of JSON the values too."""
    targets = []
    for sample, (form, write) in SAMPLES.items():
        root = folder / sample.replace(" ", "_")
        root.mkdir(parents=True)
        write(root)
        for file in sorted(root.rglob("*")):
            if file.suffix in ("", ".jpg") or file.stem == "b1_002":
                continue
            content, check = file.read_bytes(), _check(root, form, file)
            targets.append(Target(f"{sample}: {file.name}", _SHARE, [content], check))
            if file.suffix == ".json":
                seeds = [b"", bytes(4), bytes(range(64)), bytes(range(255, 0, -2))]
                targets.append(Target(f"{sample}: values of {file.name}", _SHARE, seeds, _of_values(content, check)))
    return targets


def _check(folder: Path, form: str, file: Path) -> Check:
    def check(data: bytes) -> bool:
        before = file.read_bytes()
        file.write_bytes(data)
        try:
            return _read(folder, form)
        finally:
            file.write_bytes(before)

    return check


def _read(folder: Path, form: str) -> bool:
    """Read as a conversion does; return whether nothing was left out."""
    notes = Notes()
    cleaner = Cleaner(Finder([folder], notes), notes)
    for raw in read_pages(form, files_of(folder, form, notes)[1], notes):
        try:
            _require_right(cleaner.clean(raw), folder)
        except InputError as error:
            notes.fail(str(error))
    require(all("\n" not in line and line.encode() for line in notes.lines), "notes that cannot be written")
    return not notes.failures


def _require_right(page: LabelledPage, folder: Path) -> None:
    x, y, w, h = page.boxes_xywh.T
    on_page = (x < page.width) & (y < page.height) & (x + w > 0) & (y + h > 0) & (w > 0) & (h > 0)
    require(bool(np.isfinite(page.boxes_xywh).all() and on_page.all()), "a box outside its page")
    require(all(len(code_to_char(code)) == 1 for code in page.codes), "codes")
    require(set(page.role) <= set(ROLES) and bool((page.line >= NO_LINE).all()), "lines")
    require(page.picture.resolve().is_relative_to(folder.resolve()), "a picture outside the folder")


def _of_values(content: bytes, check: Check) -> Check:
    """Return a check whose bytes, two by two, say which value of the JSON becomes which odd one."""

    def check_values(data: bytes) -> bool:
        value = json.loads(content)
        for which, odd in list(zip(data[::2], data[1::2], strict=False))[:4]:
            places = list(_places(value))
            if places:
                inside, key = places[which % len(places)]
                inside[key] = json.loads(json.dumps(_ODD[odd % len(_ODD)]))
        return check(json.dumps(value).encode())

    return check_values


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or object within a value with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
