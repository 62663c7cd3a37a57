"""What lies below a folder: the pictures, and a count of what is passed over."""

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kuzushiji.data.pictures import NEW_SUFFIXES
from kuzushiji.predict.fence import Failure

_LEFT_OUT = frozenset(
    {"@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__macosx", "thumbs.db"}
)
"""Names, in lower case, that file servers and systems give to what is theirs; hidden names are left out too."""


_FOLDER, _FILE = "a folder", "a file"


@dataclass
class Below:
    """What was found below folders.

    Attributes:
        files: The pictures in the order of their paths, each with the folder from which it was found.
        failures: Folders that cannot be listed.
        passed_over: Files that are no pictures, by their suffix.
        left_out: Folders that belong to the system, and the folder of results.
    """

    files: list[tuple[Path, Path]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, folder: Path, without: Collection[Path]) -> bool:
        """Add what lies below a folder; return whether there are pictures.

        Links to folders are followed, each real folder once, so that a circle ends.

        Args:
            folder: At any depth below it.
            without: Real paths of folders that are left out.
        """
        before = len(self.files)
        for file in sorted(self._below(folder, set(without))):
            if file.suffix.lower() in NEW_SUFFIXES:
                self.files.append((file, folder))
            else:
                self.passed_over[file.suffix.lower() or "no suffix"] += 1
        return len(self.files) > before

    def counts(self) -> str:
        """Return what was passed over as one line; empty where that is nothing."""
        parts = []
        if self.passed_over:
            kinds = ", ".join(f"{suffix} {n}" for suffix, n in self.passed_over.most_common(8))
            parts.append(f"{self.passed_over.total():,} files that are no pictures ({kinds})")
        if self.left_out:
            names = ", ".join(f"{name} {n}" for name, n in self.left_out.most_common(8))
            parts.append(f"{self.left_out.total():,} files and folders of the system or of results ({names})")
        return "; ".join(parts)

    def _below(self, folder: Path, without: Collection[Path]) -> Iterator[Path]:
        seen: set[tuple[int, int]] = set()
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            folders = []
            for entry in self._entries(folder, seen):
                path, kind = folder / entry.name, _kind(entry)
                if entry.name.startswith(".") or entry.name.lower() in _LEFT_OUT:
                    self.left_out[entry.name if kind == _FOLDER else entry.name[:2] + "*"] += 1
                elif kind == _FILE:
                    yield path
                elif kind != _FOLDER:
                    self._fail(path, f"expected a page, got {kind}")
                elif path.resolve() in without:
                    self.left_out[entry.name] += 1
                else:
                    folders.append(path)
            waiting += reversed(folders)

    def _entries(self, folder: Path, seen: set[tuple[int, int]]) -> "list[os.DirEntry[str]]":
        """Return what is in a folder, by name; nothing where it was seen before or cannot be listed."""
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                return []
            seen.add((status.st_dev, status.st_ino))
            return sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._fail(folder, f"expected a folder that can be listed: {error.strerror or error}")
            return []

    def _fail(self, path: Path, reason: str) -> None:
        self.failures.append(Failure(str(path), f"{path}: {reason}"))


def _kind(entry: "os.DirEntry[str]") -> str:
    """Return what something in a folder is, in words."""
    try:
        if entry.is_dir():
            return _FOLDER
        if entry.is_file():
            return _FILE
    except OSError as error:  # a link to itself, or to where nobody may look
        return f"what cannot be read: {error.strerror or error}"
    return "a link to nothing" if entry.is_symlink() else "a pipe or device"
