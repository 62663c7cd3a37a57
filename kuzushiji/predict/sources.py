"""Which pages are meant: files, folders, names on standard input."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.data.images import SUFFIXES
from kuzushiji.data.pictures import Picture, pictures_in
from kuzushiji.errors import InputError
from kuzushiji.predict.config import STDIN


@dataclass(frozen=True)
class Page:
    """A page to read.

    Attributes:
        name: Its own among all pages; the beginning of its outputs' names.
        picture: Where it is.
    """

    name: str
    picture: Picture


@dataclass(frozen=True)
class Failure:
    """A page that could not be read.

    Attributes:
        where: The file or folder.
        message: One line.
    """

    where: str
    message: str


def find_pages(words: Sequence[str], stdin: Iterable[str]) -> tuple[list[Page], list[Failure]]:
    """Return the pages in the order given, a folder's by name, and what is none.

    A folder's pictures are found below it at any depth; hidden ones are left out. A page that is meant twice is read
    once. A page is named for its file; below a folder for the way there, and with its own folder's name before it
    where two would have the same.

    Args:
        words: Files and folders; `-` stands for the lines of `stdin`.
        stdin: Names, one a line; empty lines are left out.

    Raises:
        InputError: there is nothing to read, or two pages cannot be told apart by their names.
    """
    failures: list[Failure] = []
    named: dict[Path, str] = {}
    for path in _paths(words, stdin):
        found = _files_below(path) if path.is_dir() else [(path, path.stem)]
        if not found:
            failures.append(Failure(str(path), f"{path}: expected pages in it ({', '.join(SUFFIXES)}), found none"))
        for file, name in found:
            named.setdefault(file, name)
    if not named:
        raise InputError(failures[0].message if failures else "expected pages to read, got no names")
    pictures: list[tuple[str, Picture]] = []
    for file, name in named.items():
        try:
            pictures += [(f"{name}{picture.number}", picture) for picture in pictures_in(file)]
        except InputError as error:
            failures.append(Failure(str(file), str(error)))
    return _with_names_of_their_own(pictures), failures


def _paths(words: Sequence[str], stdin: Iterable[str]) -> list[Path]:
    names: list[str] = []
    for word in dict.fromkeys(words):
        names += [line.strip() for line in stdin if line.strip()] if word == STDIN else [word]
    return [Path(name) for name in names]


def _files_below(folder: Path) -> list[tuple[Path, str]]:
    """Return the pictures below a folder with their names: `book/1.jpg` is `book_1`."""
    found = []
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).with_suffix("").parts
        if file.suffix.lower() in SUFFIXES and file.is_file() and not any(part.startswith(".") for part in parts):
            found.append((file, "_".join(parts)))
    return found


def _with_names_of_their_own(pictures: list[tuple[str, Picture]]) -> list[Page]:
    names = [name for name, _ in pictures]
    pages = [
        Page(name if names.count(name) == 1 else f"{picture.path.resolve().parent.name}_{name}", picture)
        for name, picture in pictures
    ]
    seen: dict[str, Picture] = {}
    for page in pages:
        other = seen.setdefault(page.name, page.picture)
        if other is not page.picture:
            raise InputError(f"{page.picture}: expected pages of different names, got {page.name} twice (also {other})")
    return pages
