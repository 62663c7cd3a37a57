"""A page as a file has it -> one whose every box has a character and lies on its picture; the rest is noted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kuzushiji.data.characters import char_to_code
from kuzushiji.errors import InputError
from kuzushiji.files import sha256_of_file
from kuzushiji.forms.character_codes import character_of
from kuzushiji.forms.labelled_page import NO_LINE, Label, LabelledPage, RawPage
from kuzushiji.forms.notes import Notes
from kuzushiji.forms.picture_files import Finder, Header, read_picture_header


@dataclass
class Cleaner:
    """Settles what is odd about pages.

    Attributes:
        finder: Finds their pictures.
        notes: Are told of everything odd.
        table: New character of each old one.
        normalise: Whether characters are brought to Unicode form C without variation selectors.
        changed: How often one character became another.
    """

    finder: Finder
    notes: Notes
    table: Mapping[str, str] = field(default_factory=dict)
    normalise: bool = True
    changed: dict[tuple[str, str], int] = field(default_factory=dict)

    def clean(self, raw: RawPage) -> LabelledPage:
        """Return the page; boxes that are none, or without one readable character, are left out and noted.

        Raises:
            InputError: its picture is missing or cannot be read, or is not the one that the file describes.
        """
        picture = self.finder.find(raw)
        if raw.sha256 and sha256_of_file(picture) != raw.sha256:
            raise InputError(
                f"{raw.file}, page {raw.name}: expected the picture that was corrected (SHA-256 {raw.sha256[:12]}…), "
                f"got another one, {picture}"
            )
        header = read_picture_header(picture)
        turned = header.orientation != 1 and not raw.as_stored and not _counts_stored_pixels(raw, header)
        width, height = header.upright if turned else (header.width, header.height)
        where = f"{raw.file}, page {raw.name}"
        if turned:
            self.notes.add("pictures that were turned", where, f"{picture} is written upright, as its EXIF data say")
        if raw.sha256 and raw.size != (width, height):
            got = "none" if raw.size is None else f"{raw.size[0]:g} x {raw.size[1]:g}"
            raise InputError(f"{where}: expected the size of {picture}, {width} x {height} pixels, got {got}")
        scale_x, scale_y = self._scale(raw, width, height, where)
        kept: list[tuple[str, float, float, float, float, Label]] = []
        seen: set[tuple[object, ...]] = set()
        for label in raw.labels:
            character = self._character(raw, label)
            box = (label.x * scale_x, label.y * scale_y, label.w * scale_x, label.h * scale_y)
            if character is None or not self._is_box(raw, label, box, (width, height)):
                continue
            if (character, *box) in seen:
                self.notes.add("boxes twice", _place(raw, label), "the same box and character came before; left out")
                continue
            seen.add((character, *box))
            kept.append((character, *box, label))
        lines = np.array([item[5].line for item in kept], np.int64)
        return LabelledPage(
            raw.name, picture, turned, width, height,
            np.array([char_to_code(item[0]) for item in kept], object),
            np.array([item[1:5] for item in kept], np.float64).reshape(-1, 4),
            _numbered(lines), np.array([item[5].role for item in kept], object), raw.history,
        )  # fmt: skip

    def _scale(self, raw: RawPage, width: int, height: int, where: str) -> tuple[float, float]:
        if raw.size is None:
            return 1.0, 1.0
        if raw.in_pixels and raw.size != (width, height):
            said = f"{raw.size[0]:g} x {raw.size[1]:g}"
            message = f"the file says {said} pixels, the picture has {width} x {height}; boxes are scaled"
            self.notes.add("pages of another size", where, message)
        return width / raw.size[0], height / raw.size[1]

    def _character(self, raw: RawPage, label: Label) -> str | None:
        """Return the character of a label, None where it has none."""
        try:
            plain = character_of(label.text, normalise=False) if not self.normalise else character_of(label.text)
        except InputError as error:
            shown = label.text.strip()
            several = len(shown) > 1 and not shown.upper().startswith("U+")
            kind = "boxes of several characters" if several else "boxes without a character"
            self.notes.add(kind, _place(raw, label), f"{error} ({ascii(shown[:20])}); left out")
            return None
        character = self.table.get(plain, plain)
        written = _as_written(label.text)
        if written != character:
            self.changed[written, character] = self.changed.get((written, character), 0) + 1
        return character

    def _is_box(
        self, raw: RawPage, label: Label, box: tuple[float, float, float, float], size: tuple[int, int]
    ) -> bool:
        x, y, w, h = box
        if w <= 0 or h <= 0:
            got = f"{label.w:g} x {label.h:g}"
            self.notes.add(
                "boxes of no area", _place(raw, label), f"expected a width and height above 0, got {got}; left out"
            )
            return False
        if x >= size[0] or y >= size[1] or x + w <= 0 or y + h <= 0:
            message = f"expected a box on the page of {size[0]} x {size[1]}, got {x:g} {y:g} {w:g} {h:g}; left out"
            self.notes.add("boxes outside the page", _place(raw, label), message)
            return False
        return True


def _place(raw: RawPage, label: Label) -> str:
    return f"{raw.file}, {label.place}"


def _as_written(text: str) -> str:
    """Return a label as characters, whichever way it is written."""
    try:
        return character_of(text, normalise=False)
    except InputError:
        return text.strip()


def _counts_stored_pixels(raw: RawPage, header: Header) -> bool:
    """Return whether the file's size is that of the pixels as stored, and not of the picture as it is shown."""
    stored = (header.width, header.height)
    return raw.in_pixels and raw.size == stored and header.upright != stored


def _numbered(lines: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return lines numbered from 0 without gaps; all `NO_LINE` where one has none."""
    if not len(lines) or (lines == NO_LINE).any():
        return np.full(len(lines), NO_LINE, np.int64)
    return np.unique(lines, return_inverse=True)[1].astype(np.int64)
