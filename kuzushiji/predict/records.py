"""Records of pages that are done: the reason to skip one, its line of the table of all pages; the summary of a call."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kuzushiji.data.labels import PagePoints
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path, atomic_write_json, make_folder, read_json, sha256_of_file
from kuzushiji.predict.fence import Failure
from kuzushiji.terminal import printable

FOLDER = "records"
FORMAT = 2


@dataclass(frozen=True)
class PageSource:
    """What the results of a page depend on.

    Attributes:
        image: SHA-256 of the picture's file.
        frame: Number of the picture in it.
        models: Digest of the models.
        settings: What else decides.
    """

    image: str
    frame: int
    models: str
    settings: Mapping[str, Any]


def shard_place(folder: Path, number: int, count: int) -> Path:
    """Return what a process that reads a shard of the pages into a folder holds, so that no other reads it too."""
    place = folder.resolve()
    return place.with_name(f"{place.name}.shard-{number}-of-{count}")


@dataclass(frozen=True)
class Output:
    """The folder of results: `NAME.txt` and the like, a record of each page in `records/`.

    Attributes:
        folder: The folder.
    """

    folder: Path

    def prepare(self, *, resume: bool, force: bool, shared: bool = False) -> None:
        """Make the folder, and see that it may be written to.

        Args:
            resume: Whether it may hold results.
            force: Whether it may hold anything.
            shared: Whether others write into it at the same time: then it may hold results.

        Raises:
            InputError: it has something in it, and neither `resume` nor `force` is given; it is no folder; it cannot
                be written to; with `resume`, it is not one of results.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder}: expected a folder for the results, got a file")
        # Files alone count: a call that could not read its models leaves the empty folder of records.
        filled = any(path.is_file() for path in self.folder.rglob("*"))
        resume = resume or (shared and (self.folder / FOLDER).is_dir())
        if filled and not (resume or force):
            raise InputError(f"{self.folder}: exists and is not empty; --resume goes on in it, --force writes into it")
        if filled and not force and not (self.folder / FOLDER).is_dir():
            raise InputError(f"{self.folder}: --resume: expected a folder of results, got one without {FOLDER}/")
        make_folder(self.folder / FOLDER)
        self._probe()

    def takes_files(self) -> bool:
        """Return whether a file can be written to the folder."""
        try:
            self._probe()
        except (InputError, OSError):
            return False
        return True

    def _probe(self) -> None:
        name = f"probe-{os.getpid()}"  # others may probe at the same time
        with atomic_path(self.folder / FOLDER / name) as temporary:
            temporary.touch()
        (self.folder / FOLDER / name).unlink()

    def path(self, name: str) -> Path:
        """Return the path of a file of results."""
        return self.folder / name

    def is_done(self, page: str, source: PageSource, files: Sequence[str]) -> bool:
        """Return whether a page was read from this source, and these files of it are as they were written."""
        record = self._read(page)
        outputs = record.get("outputs", {})
        return (
            record.get("format") == FORMAT
            and record.get("source") == asdict(source)
            and set(files) <= set(outputs)
            and all(self.path(name).is_file() and sha256_of_file(self.path(name)) == outputs[name] for name in files)
        )

    def write(self, page: str, source: PageSource, contents: Mapping[str, bytes], points: PagePoints) -> None:
        """Write the files of a page, and then its record.

        Args:
            page: The page's name.
            source: What the files depend on.
            contents: By file name.
            points: Its characters, as a submission has them.

        Raises:
            InputError: a file cannot be written.
        """
        for name, content in contents.items():
            with atomic_path(self.path(name)) as temporary:
                temporary.write_bytes(content)
        record = {
            "format": FORMAT,
            "source": asdict(source),
            "outputs": {name: sha256_of_file(self.path(name)) for name in contents},
            "points": points.points[["code", "x", "y"]].to_numpy().tolist(),
        }
        atomic_write_json(self._record(page), record)

    def points(self, pages: Sequence[str]) -> PagePoints:
        """Return the characters of pages that are done, as a submission has them."""
        rows = [(number, *point) for number, page in enumerate(pages) for point in self._read(page)["points"]]
        page, codes = [row[0] for row in rows], [row[1] for row in rows]
        numbers = np.array([row[2:] for row in rows], np.float64).reshape(-1, 2)
        return PagePoints.from_arrays(pages, np.array(page, np.int64), codes, numbers)

    def _record(self, page: str) -> Path:
        return self.folder / FOLDER / f"{page}.json"

    def _read(self, page: str) -> dict[str, Any]:
        path = self._record(page)
        try:
            value = read_json(path) if path.is_file() else {}
        except InputError:  # a damaged record: the page is read again
            return {}
        return value if isinstance(value, dict) else {}


@dataclass
class Summary:
    """What became of the pages.

    Attributes:
        read: Pages that were read.
        skipped: Pages that were done before.
        failures: Pages that could not be read.
        characters: Read on all of them but the skipped ones.
        doubtful: Names of pages whose reading is doubtful as a whole.
        seconds: By stage, of the pages that were read, together; processes side by side count each.
        loading: Seconds that loading the models took.
        notes: What is odd about pages that were read, a line each.
    """

    read: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    characters: int = 0
    doubtful: list[str] = field(default_factory=list)
    seconds: Mapping[str, float] = field(default_factory=dict)
    loading: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "read": self.read,
            "skipped": self.skipped,
            "failed": [{"page": failure.where, "error": failure.message} for failure in self.failures],
            "notes": [printable(note) for note in self.notes],
            "characters": self.characters,
            "doubtful": self.doubtful,
            "seconds": {stage: round(value, 3) for stage, value in self.seconds.items()},
            "loading": round(self.loading, 3),
        }
