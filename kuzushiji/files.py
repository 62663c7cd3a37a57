"""Files on disk: a file is there whole or not at all, and has a digest."""

import csv
import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kuzushiji.disks import disk_trouble, flush, flush_folder
from kuzushiji.errors import InputError

FORMATS = {".csv": 1, ".gz": 1, ".json": 1, ".parquet": 1, ".pth": 1, ".safetensors": 1, ".txt": 1}
"""Version of what the stages mean by their files of each kind: raised when the same columns, fields or tensors come to
mean something else. Files of an older version are made again."""

LONGEST_FIELD = 1 << 30
"""Bytes of a field of CSV; Python's limit of 128 KiB is that of a page of 6,000 labels."""
csv.field_size_limit(LONGEST_FIELD)

_CHUNK = 1 << 20
_MARK = ".tmp-"
"""Stands in the names of temporary files, which are hidden: `.<name>.tmp-<random><suffixes>`."""

_LONGEST_NAME = 255
"""Bytes that file systems admit in a file's name."""

_LONGEST_SUFFIX = 16
_RANDOM = 8
"""Characters that `tempfile` puts into a name."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` when the block ends well.

    The temporary file has the same suffixes, is flushed to disk before the rename, as the rename is afterwards, and is
    removed when the block raises: whoever reads `path` sees the old content or the new one, never a part. A path that
    came from here is yielded as it is: the writer of a table may be given it.

    Raises:
        InputError: the folder cannot be made or written to; the disk is full, or the file would be larger than the
            system allows.
    """
    if is_temporary(path):
        yield path
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long fails here
        suffix = _suffix(path)
        prefix = fitting_name(f".{path.name}", _MARK, spare=_RANDOM + len(suffix.encode()))
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot write there: {error.strerror or error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        with suppress(OSError):  # disks of other systems, or of other users, have no permissions to give
            temporary.chmod(0o666 & ~_umask())
        _replace(temporary, path)
        flush_folder(path.parent)
    except Exception as error:
        reason = disk_trouble(error, temporary)
        if reason is None:
            raise
        raise InputError(f"{path}: cannot be written: {reason}; what was there before is untouched") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(folder: Path, last: str) -> Iterator[Path]:
    """Yield a temporary folder within `folder`, whose files move into `folder` when the block ends well.

    What the block raises leaves `folder` as it was. As long as files move, the one that says what the others are is not
    there: the old one is removed first, and the new one moves last. Files that the block does not write stay.

    Args:
        folder: Made if need be; for whoever is alone in writing there (`locks.hold`).
        last: Name of the file that moves last.

    Raises:
        InputError: the folder cannot be made or written to; of the block, with the place where its file was to be.
    """
    new = not folder.exists()
    make_folder(folder)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=fitting_name(f".{folder.name}", _MARK, spare=_RANDOM), dir=folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror or error}") from error
    try:
        yield temporary
        _move_files(temporary, folder, last)
    except InputError as error:
        raise InputError(str(error).replace(str(temporary), str(folder))) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if new:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def _move_files(source: Path, folder: Path, last: str) -> None:
    """Move all files below `source` to the same places below `folder`, that of the name `last` after the others."""
    try:
        (folder / last).unlink(missing_ok=True)
        for path in sorted(source.rglob("*"), key=lambda path: path.name == last):
            target = folder / path.relative_to(source)
            if path.is_dir():
                target.mkdir(exist_ok=True)
            else:
                path.replace(target)
        flush_folder(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error


def is_temporary(path: Path) -> bool:
    """Return whether a file or folder is a temporary one of `atomic_path` or `atomic_folder`."""
    return path.name.startswith(".") and _MARK in path.name


def remove_leftovers(target: Path) -> None:
    """Remove the temporary files that a killed process left: those of a file, or of all files in a folder.

    For whoever is alone in writing there (`locks.hold`): the temporary files of a process at work look the same.
    """
    whole = target.is_dir()
    folder = target if whole else target.parent
    begin = "." if whole else fitting_name(f".{target.name}", _MARK, spare=_RANDOM + len(_suffix(target).encode()))
    for path in folder.glob(f"{glob.escape(begin)}*"):
        if not is_temporary(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def fitting_name(name: str, ending: str, *, spare: int = 0) -> str:
    """Return `<name><ending>`; where that is too long for a file, the end of the name gives way to a digest of it.

    Args:
        name: Of a file or folder.
        ending: Stays whole.
        spare: Bytes that the caller adds.
    """
    room = _LONGEST_NAME - len(ending.encode()) - spare
    if len(name.encode()) > room:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = name.encode()[: room - len(digest)].decode(errors="ignore") + digest
    return name + ending


def _suffix(path: Path) -> str:
    """Return what writers know a format by: the last two suffixes of a file's name, unless they are long."""
    return next((suffix for n in (2, 1) if 0 < len(suffix := "".join(path.suffixes[-n:])) < _LONGEST_SUFFIX), ".tmp")


def _replace(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be written: {reason}; what was there before is untouched") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: expected a folder to write to, cannot make it: {error.strerror}") from error


def atomic_write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def atomic_write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON to `path`, whole or not at all.

    Paths become strings; numbers that are not finite become null: JSON has neither NaN nor Infinity.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, default=str, allow_nan=False)
    atomic_write_text(path, text + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Return the JSON value in `path`.

    Raises:
        InputError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, got something else ({error})") from error


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
