"""Files on disk: a file is there whole or not at all, and has a digest."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kuzushiji.errors import InputError

_CHUNK = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` when the block ends well.

    The temporary file has the same suffixes, is flushed to disk before the rename, and is removed when the block
    raises: whoever reads `path` sees the old content or the new one, never a part.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name.split('.')[0]}-", suffix="".join(path.suffixes) or ".tmp", dir=path.parent
        )
    except OSError as error:
        raise InputError(f"{path}: cannot write there: {error.strerror or error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


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
    """Write `value` as readable JSON to `path`, whole or not at all; paths become strings."""
    atomic_write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


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


def digest_of_folder(folder: Path) -> str:
    """Return a digest of the names, sizes and modification times of the files in `folder`.

    The competition's images are 10 GB: reading them all before every stage would cost more than it protects.
    """
    digest = hashlib.sha256()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file():
            status = entry.stat()
            digest.update(f"{entry.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def first_missing(paths: Iterable[Path], exists: Callable[[Path], bool] = Path.exists) -> Path | None:
    """Return the first of `paths` that is not there, or None."""
    return next((path for path in paths if not exists(path)), None)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
