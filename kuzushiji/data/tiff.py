"""Which pictures a TIFF file has, by its directories: one that cannot be read does not hide those before it."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SUBFILE, _OLD_SUBFILE = 254, 255
_BITS, _SAMPLES = 258, 277
_WANTED = (_SUBFILE, _OLD_SUBFILE, _BITS, _SAMPLES)
_REDUCED, _MASK = 1, 4
_OLD_REDUCED = 2
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of whole numbers, and how `struct` reads them."""

_MOST_PICTURES = 100_000
_MOST_VALUES = 64


@dataclass(frozen=True)
class Directory:
    """A picture in a TIFF file.

    Attributes:
        head: First bytes of a file of the same content that begins with this directory.
        tags: Values of the tags that are looked at.
        fault: Why the directory cannot be read; nothing follows it then. Empty where it can.
    """

    head: bytes
    tags: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    fault: str = ""

    @property
    def is_page(self) -> bool:
        """Whether this is a picture of its own: no thumbnail, no smaller copy in a pyramid, no mask."""
        kind = (self.tags.get(_SUBFILE) or (0,))[0]
        old_kind = (self.tags.get(_OLD_SUBFILE) or (0,))[0]
        return not kind & (_REDUCED | _MASK) and old_kind != _OLD_REDUCED

    @property
    def is_deep_colour(self) -> bool:
        """Whether several channels have more than 8 bits."""
        return (self.tags.get(_SAMPLES) or (1,))[0] > 1 and max(self.tags.get(_BITS) or (8,)) > 8


class _DirectoryError(ValueError):
    pass


def is_tiff(start: bytes) -> bool:
    """Return whether a file that begins so is meant to be a TIFF."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def pages_of(path: Path) -> list[Directory]:
    """Return the directories that are pages, and a broken one at the end; nothing for a file of another kind.

    Thumbnails, smaller copies and masks are left out, unless the file has nothing else.

    Raises:
        OSError: the file cannot be read.
    """
    found = directories(path)
    return [directory for directory in found if directory.is_page] or found[:1]


def directories(path: Path) -> list[Directory]:
    """Return the directories of a TIFF file in the order of their chain; directories below others are left out.

    The last one has a `fault` where the chain is broken. A file of another kind has none.

    Raises:
        OSError: the file cannot be read.
    """
    found: list[Directory] = []
    with path.open("rb") as file:
        start = file.read(16)
        if not is_tiff(start):
            return []
        order = "<" if start[:2] == b"II" else ">"
        big = start[2:4] in (b"+\0", b"\0+")
        pointer, kept = ("Q", 8) if big else ("I", 4)
        seen: set[int] = set()
        try:
            (position,) = struct.unpack(order + pointer, start[kept : 2 * kept])
        except struct.error:
            return [Directory(start, fault="the file ends in its first bytes")]
        while position and position not in seen and len(found) < _MOST_PICTURES:
            seen.add(position)
            head = start[:kept] + struct.pack(order + pointer, position)
            try:
                tags, position = _read_directory(file, position, order, big=big)
            except (struct.error, _DirectoryError, OverflowError) as error:
                reason = f"its directory at byte {position} cannot be read: {error}; what follows it is lost"
                return [*found, Directory(head, fault=reason)]
            found.append(Directory(head, tags))
    return found or [Directory(start[: 2 * kept], fault="the file has no picture")]


def file_at(path: Path, head: bytes) -> io.FileIO:
    """Open a TIFF file as if it began with `head`: of a `Directory`, so that readers meet that picture first."""
    return _WithHead(path, head)


class _WithHead(io.FileIO):
    def __init__(self, path: Path, head: bytes) -> None:
        super().__init__(path)
        self._head = head

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        content: bytes = super().read(-1 if size is None else size) or b""
        if start < len(self._head):
            covered = self._head[start : start + len(content)]
            content = covered + content[len(covered) :]
        return content


def _read_directory(
    file: io.BufferedReader, position: int, order: str, *, big: bool
) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return the wanted tags of a directory, and where the next one begins (0: nowhere)."""
    n_format, entry_format, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    file.seek(0, 2)
    if position >= file.tell():
        raise _DirectoryError(f"the file ends at byte {file.tell()}")
    file.seek(position)
    (n_entries,) = _unpack(file, order + n_format)
    entries = [_unpack(file, order + entry_format) for _ in range(n_entries)]
    (following,) = _unpack(file, order + pointer)
    tags = {}
    for tag, kind, count, value in entries:
        if tag in _WANTED and kind in _NUMBERS and 0 < count <= _MOST_VALUES:
            values = f"{order}{count}{_NUMBERS[kind]}"
            if struct.calcsize(values) <= len(value):
                tags[tag] = struct.unpack_from(values, value)
            else:
                file.seek(struct.unpack(order + pointer, value)[0])
                tags[tag] = _unpack(file, values)
    return tags, following


def _unpack(file: io.BufferedReader, form: str) -> tuple[Any, ...]:
    content = file.read(struct.calcsize(form))
    if len(content) < struct.calcsize(form):
        raise _DirectoryError("the file ends within it")
    return struct.unpack(form, content)
