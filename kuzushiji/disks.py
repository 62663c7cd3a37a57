"""Disks as they are: some are full, some cannot flush, some lie behind long paths."""

import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from kuzushiji.errors import DISK_ERRORS, InputError

_CHUNK = 1 << 20
_NO_SPACE = 1 << 20
"""A disk with less free space than this is full."""

_NO_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What some file systems (FUSE, network) answer to `fsync`: they have none."""


_LONGEST_TMPDIR = 64
"""Bytes. A socket's path has about 100, of which Python's processes need 32 below the folder for temporary files."""


def keep_sockets_short() -> None:
    """Let the processes of this program talk through sockets in `/tmp` where `TMPDIR` is too long for sockets.

    Newer versions of Python do this by themselves.
    """
    given = max((os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")), key=len)
    if len(os.fsencode(given)) <= _LONGEST_TMPDIR or not os.access("/tmp", os.W_OK):
        return
    from multiprocessing import util

    before, tempfile.tempdir = tempfile.tempdir, "/tmp"
    try:
        util.get_temp_dir()  # is kept, also by processes that are started
    finally:
        tempfile.tempdir = before


def flush(path: Path) -> None:
    """Flush a file to disk, where the system can."""
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_FLUSH:
                raise


def flush_folder(folder: Path) -> None:
    """Flush a rename to disk, where the system can; some network file systems refuse it for folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def free_bytes(folder: Path) -> int | None:
    """Return how much is free where a folder is or will be; None where the disk does not say.

    Some file systems (FUSE, network) cannot say it, and some answer that they hold nothing at all.
    """
    try:
        usage = shutil.disk_usage(
            next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
        )
    except OSError:
        return None
    return usage.free if usage.total else None


def disk_trouble(error: Exception, temporary: Path) -> str | None:
    """Return why the disk did not take a file; None where the error is about something else.

    Libraries that write by themselves have errors of their own, with the system's words in them (safetensors, which may
    leave no trace of what it wrote) or not (torch, LightGBM, XGBoost): then the disk is looked at.
    """
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno in DISK_ERRORS else None
    if isinstance(error, InputError):
        return None
    told = [reason for reason in map(os.strerror, DISK_ERRORS) if reason in str(error)]
    if told:
        return told[0]
    free = free_bytes(temporary.parent)
    if free is not None and free < _NO_SPACE:
        return os.strerror(errno.ENOSPC)
    try:
        size = temporary.stat().st_size
    except OSError:
        return None
    limit = _largest_file()
    return os.strerror(errno.EFBIG) if limit is not None and size >= limit - _CHUNK else None


def _largest_file() -> int | None:
    """Return the limit on a file's size that this process has, if any."""
    try:
        import resource
    except ImportError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit
