"""Files are known by their contents: a single file, or of a folder of images those that tables name.

Neither other files of the folder nor times nor places count: a copy, an unpacked archive, a moved folder are the same.
"""

import csv
import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, read_json, sha256_of_file

_OF_IMAGES = "images:"
"""The digest of a folder begins with this; without it, it is one of names, sizes and times (`digest_of_times`)."""

_SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was read may change again at the same time by the file system's clock:
its digest is not remembered."""


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder that tables name, as an input of a stage.

    Attributes:
        folder: Holds the images.
        tables: CSV files, also `.gz`, with a column `image_id`.
        suffixes: Endings of the image's name after the id; the first for which there is a file counts.
    """

    folder: Path
    tables: tuple[Path, ...]
    suffixes: tuple[str, ...] = (".jpg",)

    def __str__(self) -> str:
        return str(self.folder)

    def names(self) -> list[str]:
        """Return the file names of the images, sorted; of a table that cannot be read none: its reader says why."""
        there = set(os.listdir(self.folder))
        image_ids = {image_id for table in self.tables for image_id in _image_ids(table)}
        names = [[f"{image_id}{suffix}" for suffix in self.suffixes] for image_id in image_ids]
        return sorted(next((name for name in group if name in there), group[0]) for group in names)


Input = Path | ImageFolder
"""What a stage reads."""


class Contents:
    """The inputs of a stage and their digests, as they were when they were first asked for."""

    def __init__(self, given: Iterable[Input]) -> None:
        self._given = {str(item): item for item in given}

    @cached_property
    def digests(self) -> dict[str, str]:
        """The path and digest of each input, in the order given.

        Raises:
            InputError: an input does not exist.
        """
        with ThreadPoolExecutor() as pool:  # digests are taken without Python's lock
            return dict(zip(self._given, pool.map(digest_of, self._given.values()), strict=True))

    def changed(self, then: Mapping[str, Any]) -> list[str]:
        """Return the paths of the inputs that differ from those of an earlier run.

        They are the same if their contents are, in the order given or else by their names: a file that was renamed is
        the same, and two that changed places are not.

        Args:
            then: `digests` of that run, wherever its files lay.
        """

        def same(name: str, digest: Any) -> bool:
            return name in self.digests and is_same(self._given[name], digest, self.digests[name])

        if len(then) == len(self.digests) and all(map(same, self.digests, then.values())):
            return []
        before = by_end(then, self.digests)
        return sorted(name for name in {*before, *self.digests} if not same(name, before.get(name)))


def digest_of(given: Input) -> str:
    """Return the digest of a file's content, or of the names, sizes and contents of a folder's images.

    An image that a table names and the folder lacks is a difference as well.

    Raises:
        InputError: the file or folder does not exist, or cannot be read.
    """
    try:
        if isinstance(given, ImageFolder):
            return _OF_IMAGES + _digest_of_images(given)
        return sha256_of_file(given)
    except OSError as error:
        raise InputError(
            f"{error.filename or given}: expected an input file, got none ({error.strerror or error})"
        ) from error


def digest_of_all(given: Iterable[Input]) -> str:
    """Return one digest of several inputs, in their order, wherever they lie.

    For "is the data unchanged since it passed the check": `digest_of_all(DataRoot(...).inputs())`.

    Raises:
        InputError: as `digest_of`.
    """
    return hashlib.sha256("\n".join(map(digest_of, given)).encode()).hexdigest()


def is_same(given: Input, then: Any, now: str) -> bool:
    """Return whether a recorded digest is that of an input.

    Args:
        given: The input.
        then: The recorded digest; of a folder also in the form of earlier versions, as long as no time has changed.
        now: The input's digest.
    """
    if then == now or not isinstance(given, ImageFolder):
        return bool(then == now)
    return isinstance(then, str) and not then.startswith(_OF_IMAGES) and then == digest_of_times(given.folder)


def digest_of_times(folder: Path) -> str:
    """Return a digest of the names, sizes and modification times of a folder's files, as records had it before."""
    digest = hashlib.sha256()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file():
            status = entry.stat()
            digest.update(f"{entry.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def by_end(then: Mapping[str, Any], now: Iterable[str]) -> dict[str, Any]:
    """Return `then` with its files under the paths that they have now: a run in a folder that was moved is the same.

    Files are the same by the shortest ends of their paths that tell those of now apart, such as
    `clf-fold0/detailed.parquet` where there are several `detailed.parquet`; what has no counterpart keeps its path.
    """
    names = list(now)
    for length in range(1, max((len(Path(name).parts) for name in names), default=0) + 1):
        ends = {Path(name).parts[-length:]: name for name in names}
        if len(ends) == len(names):
            renamed = [ends.get(Path(name).parts[-length:], name) for name in then]
            return dict(zip(renamed, then.values(), strict=True)) if len({*renamed}) == len(renamed) else {**then}
    return {**then}


def _image_ids(table: Path) -> set[str]:
    open_it: Callable[..., TextIO] = gzip.open if table.suffix == ".gz" else open
    try:
        with open_it(table, "rt", encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            column = next(rows, []).index("image_id")
            return {row[column] for row in rows if len(row) > column}
    except (OSError, EOFError, zlib.error, csv.Error, ValueError):  # ValueError: no such column, or no UTF-8
        return set()


def _digest_of_images(images: ImageFolder) -> str:
    known = _Known(images.folder)
    with ThreadPoolExecutor() as pool:  # digests are taken without Python's lock
        lines = [f"{name}\0{found}\n" for name, found in known.digests(images.names(), pool.map)]
    known.remember()
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class _Known:
    """Digests of a folder's files, kept from one process to the next in the user's cache folder.

    A file is known by its name, size, times of change and inode. Processes may read and write the cache at the same
    time: each writes it whole, and what one of them leaves out is read again. Where the cache folder cannot be written
    every file is read each time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.there = set(os.listdir(folder))
        place = os.path.realpath(folder)
        self.path = cache_folder() / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.json"
        self.found = self._read()
        self.new: dict[str, str] = {}

    def digests(self, names: Iterable[str], each: Callable[..., Iterable[str]] = map) -> list[tuple[str, str]]:
        """Return names with size and digest of the files; `each` is `map`, or that of a pool."""
        names = list(names)
        return list(zip(names, each(self._digest, names), strict=True))

    def remember(self) -> None:
        """Write what was not known before."""
        if self.new:
            with suppress(InputError, OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write_json(self.path, {**self._read(), **self.new})

    def _digest(self, name: str) -> str:
        path, now = self.folder / name, time.time_ns()
        if name not in self.there or not path.exists():  # a link may lead nowhere
            return "missing"
        status = path.stat()
        facts = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} "
        known = self.found.get(name)
        if isinstance(known, str) and known.startswith(facts):
            return f"{status.st_size} {known.removeprefix(facts)}"
        digest = sha256_of_file(path)
        if max(status.st_mtime_ns, status.st_ctime_ns) < now - _SETTLED_NS:
            self.new[name] = facts + digest
        return f"{status.st_size} {digest}"

    def _read(self) -> dict[str, Any]:
        with suppress(InputError):
            found = read_json(self.path)
            return found if isinstance(found, dict) else {}
        return {}


def cache_folder() -> Path:
    """Return the folder of the remembered digests: `kuzushiji/digests` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "kuzushiji" / "digests"
