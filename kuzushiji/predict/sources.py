"""Which pages are meant: files, folders, names on standard input."""

import logging
import os
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from kuzushiji.data.pictures import NEW_SUFFIXES, Picture, pictures_in
from kuzushiji.errors import InputError
from kuzushiji.files import fitting_name
from kuzushiji.predict import iiif
from kuzushiji.predict.config import STDIN
from kuzushiji.predict.fence import Failure, fence
from kuzushiji.predict.folders import Below
from kuzushiji.terminal import printable

logger = logging.getLogger(__name__)

_LONGEST_ENDING = 40
"""Bytes that the name of a page leaves for the endings of its files and for temporary names."""

_ENCODINGS = ("utf-8", "cp932", "euc_jp")
"""Of names of files, as they are tried: Shift_JIS with Windows' characters, and the one of old Unix machines."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending."""

_NOT_ADMITTED = str.maketrans(dict.fromkeys('/\\<>:"|?*', "_"))
"""Signs that one file system or another does not admit in names."""

_ZEROS_OF_UTF16 = 0.25
"""Least share of zero bytes in a list of names in UTF-16; names that end in zeros have fewer."""


@dataclass(frozen=True)
class PageToRead:
    """A page to read.

    Attributes:
        name: Its own among all pages; the beginning of its outputs' names.
        picture: Where it is.
        url: Where it is fetched from first; empty where it is there.
    """

    name: str
    picture: Picture
    url: str = ""

    @property
    def place(self) -> str:
        """Where the page comes from, for messages."""
        return self.url or str(self.picture)


def find_pages(
    words: Sequence[str], stdin: "Iterable[str] | IO[str] | None", without: Collection[Path] = ()
) -> tuple[list[PageToRead], list[Failure]]:
    """Return the pages in the order given, a folder's by name, and what is none.

    A folder's pictures are found below it at any depth (`folders.Below`); how many files are passed over is logged. A
    page that is meant twice is read once. A page is named for its file; below a folder for the way there; with its own
    folder's name before it, its ending or a number after it where two would have the same name.

    Args:
        words: Files and folders, addresses and files of IIIF manifests; `-` stands for the lines of `stdin`.
        stdin: Names, one a line; empty lines are left out. None where it is closed.
        without: Folders that are left out below others, such as that of the results. Pictures of manifests are put
            into the first of them, else into the folder for temporary files.

    Raises:
        InputError: there is nothing to read.
    """
    below = Below()
    failures: list[Failure] = []
    named: dict[Path, str] = {}
    remote: list[PageToRead] = []
    left_out = {path.resolve() for path in without}
    for word in _words(words, stdin):
        path = Path(word)
        with fence(word, failures):
            if iiif.is_meant(word):
                remote += _of_manifest(word, next(iter(without), Path(tempfile.gettempdir()) / "kuzushiji") / "iiif")
                continue
            if not path.is_dir():
                named.setdefault(path, path.stem)
                continue
            first, first_failure = len(below.files), len(below.failures)
            if not below.add(path, left_out) and len(below.failures) == first_failure:
                raise InputError(f"{path}: expected pages in it ({', '.join(NEW_SUFFIXES)}), found none")
            for file, folder in below.files[first:]:
                named.setdefault(file, "_".join(file.relative_to(folder).with_suffix("").parts))
    failures += below.failures
    if below.counts():
        logger.info("passed over: %s", below.counts())
    if not named and not remote:
        raise InputError(failures[0].message if failures else "expected pages to read, got no names")
    pages: list[PageToRead] = []
    for file, name in named.items():
        with fence(str(file), failures):
            pages += [PageToRead(f"{name}{picture.number}", picture) for picture in pictures_in(file)]
    return _with_names_of_their_own([*pages, *remote]), failures


def names_of(stdin: "Iterable[str] | IO[str] | None") -> list[str]:
    """Return the names on standard input: a line each, or each before a zero byte; in UTF-8, UTF-16 or as they are.

    Raises:
        InputError: standard input is closed.
    """
    if stdin is None or getattr(stdin, "closed", False):
        raise InputError("expected names of pages on standard input (-), it is closed")
    buffer = getattr(stdin, "buffer", None)
    text = _decoded(buffer.read()) if buffer is not None else "".join(stdin)
    return [line.strip() for line in text.replace("\0", "\n").removeprefix("\ufeff").split("\n") if line.strip()]


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if content.count(0) > _ZEROS_OF_UTF16 * len(content):
        order = "le" if content[1::2].count(0) > content[::2].count(0) else "be"
        return content.decode(f"utf-16-{order}", errors="replace")
    return os.fsdecode(content.removeprefix(b"\xef\xbb\xbf"))


def _words(words: Sequence[str], stdin: "Iterable[str] | IO[str] | None") -> list[str]:
    names: list[str] = []
    for word in dict.fromkeys(words):
        names += names_of(stdin) if word == STDIN else [word]
    return names


def _of_manifest(word: str, folder: Path) -> list[PageToRead]:
    """Return the pages of an IIIF manifest, named for it and by their labels; their pictures are not fetched yet."""
    canvases = iiif.canvases_of(word)
    parts = [part for part in word.split("?")[0].split("/") if part]
    is_book = parts[-1] not in ("manifest.json", "info.json", "manifest")
    name = (Path(parts[-1]).stem if is_book else parts[-2]) or "book"
    pages = []
    for frame, canvas in enumerate(canvases):
        picture = Picture(iiif.path_of(canvas.url, folder), frame, len(canvases))
        label = f"_{canvas.label}" if canvas.label else ""
        pages.append(PageToRead(f"{name}{picture.number}{label}", picture, canvas.url))
    return pages


def _with_names_of_their_own(pages: list[PageToRead]) -> list[PageToRead]:
    """Return pages whose files can be told apart, also where case or the form of Unicode do not count."""
    pages = [replace(page, name=_file_name(page.name)) for page in pages]
    for more in (_with_folder, _with_ending):
        count = Counter(_folded(page.name) for page in pages)
        pages = [page if count[_folded(page.name)] == 1 else more(page) for page in pages]
    taken: set[str] = set()
    for number, page in enumerate(pages):
        name, n = page.name, 1
        while _folded(name) in taken:
            n += 1
            name = f"{page.name}_{n}"
        taken.add(_folded(name))
        pages[number] = replace(page, name=name)
    return pages


def _folded(name: str) -> str:
    """Return what is the same of names that some file system takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def _with_folder(page: PageToRead) -> PageToRead:
    return replace(page, name=_file_name(f"{page.picture.path.resolve().parent.name}_{page.name}"))


def _with_ending(page: PageToRead) -> PageToRead:
    return replace(page, name=_file_name(f"{page.name}_{page.picture.path.suffix.removeprefix('.').lower()}"))


def readable_name(name: str) -> str:
    """Return a file's name as text, whatever the encoding of its bytes, with escapes for what cannot be shown."""
    content = os.fsencode(name)
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return printable(name)


def _file_name(name: str) -> str:
    """Return a name that every file system and every format takes: text, without control characters, not too long."""
    safe = printable(readable_name(name).translate(_NOT_ADMITTED), instead="_").rstrip(" .") or "page"
    if _RESERVED.match(safe):
        safe = f"_{safe}"
    return fitting_name(safe, "", spare=_LONGEST_ENDING)
