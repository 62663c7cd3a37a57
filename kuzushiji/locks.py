"""One process at a time writes a place: the folder of a run, or a file where the user wants it.

The locks are the system's (`flock`): they end with the process that holds them, however it ends, so that what a killed
process leaves is taken over. Who holds a lock stands in its file.
"""

import json
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.files import fitting_name, remove_leftovers

logger = logging.getLogger(__name__)

PATIENCE = 90.0
"""Seconds to wait for what a killed holder has left running; training then writes a checkpoint and ends."""

_held: set[int] = set()
_forks_are_watched = False


@contextmanager
def hold(target: Path) -> Iterator[None]:
    """Be the only process that writes `target`, a file or a folder, as long as the block runs.

    What a killed process has left there of its temporary files is removed, unless the disk has no locks: then they may
    be those of a process at work. Of processes that work together (torchrun) the first one holds the place for all.

    Raises:
        InputError: another process is at it: names it; or the lock cannot be made.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and os.environ.get("RANK", "0") != "0":
        yield
        return
    path, handle, alone = _acquire(target)
    try:
        note_holder(handle)
        if alone:
            remove_leftovers(target)
        yield
    finally:
        _let_go(handle, path)


def lock_paths(target: Path) -> tuple[Path, Path]:
    """Return the lock's file: beside the place, so that the place need not exist; and the second choice, within it.

    The second is for a folder in one that may not be written to, as a folder that is mounted into a container.
    """
    place = target.resolve()
    name = fitting_name(f".{place.name}", ".lock")
    return place.with_name(name), place / name


def take(handle: int, *, shared: bool) -> bool:
    """Lock an open file, and return whether that went; True also where the system has no locks.

    Args:
        handle: The file's descriptor: the lock is of the open file, and so of all processes that inherited it.
        shared: Whether others may hold it too, as long as they share it.
    """
    return _take(handle, shared=shared) is not False


def is_taken(path: Path) -> bool:
    """Return whether somebody holds the lock of this file alone."""
    with path.open("rb") as file:
        return not take(file.fileno(), shared=True)


def note_holder(handle: int, pid: int | None = None, command: str | None = None) -> None:
    """Write into a lock's file who holds it: this process, unless another is named."""
    facts = {
        "pid": pid or os.getpid(),
        "host": platform.node(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": command or " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
    }
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(facts).encode(), 0)


def describe_holder(path: Path) -> str:
    """Return words for who holds a lock."""
    facts = read_holder(path)
    if not facts:
        return "another process"
    return f"process {facts.get('pid')} on {facts.get('host')}, since {facts.get('since')} ({facts.get('command')}),"


def read_holder(path: Path) -> dict[str, Any]:
    """Return what `note_holder` wrote; nothing where it was not written yet."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def is_dead(facts: dict[str, Any]) -> bool:
    """Return whether the holder is known to be no more: what it started may still hold its lock."""
    pid = facts.get("pid")
    if facts.get("host") != platform.node() or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _take(handle: int, *, shared: bool) -> bool | None:
    """Lock an open file, and return whether that went; None where the system has no locks."""
    fcntl = _fcntl()
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        _warn(error.strerror or str(error))
        return None
    return True


@cache
def _warn(reason: str) -> None:
    """Say once that there are no locks."""
    logger.warning("no locks on this file system (%s): start nothing twice", reason)


def _acquire(target: Path) -> tuple[Path, int, bool]:
    """Return the lock's file, its descriptor, locked, and whether that keeps others away."""
    while True:
        path, handle = _open(target)
        taken = _take(handle, shared=False)
        if taken is False:
            os.close(handle)
            raise _is_busy(target, path)
        if _is_still(path, handle):
            break
        os.close(handle)  # its holder removed it between our opening and our locking
    _watch_forks()
    _held.add(handle)
    # Another user may have rights that lead to the other file.
    for other in lock_paths(target):
        if other != path and _is_taken(other):
            _let_go(handle, path)
            raise _is_busy(target, other)
    return path, handle, taken is True


def _is_busy(target: Path, path: Path) -> InputError:
    return InputError(f"{target}: {describe_holder(path)} writes there; one process at a time can")


def _is_taken(path: Path) -> bool:
    try:
        return is_taken(path)
    except OSError:  # it is not there, usually
        return False


def _open(target: Path) -> tuple[Path, int]:
    """Return the first of the lock's files that can be opened, and its descriptor."""
    beside, within = lock_paths(target)
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        return beside, os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        with suppress(OSError):
            return within, os.open(within, os.O_RDWR | os.O_CREAT, 0o666)
        raise InputError(f"{target}: cannot write there: {error.strerror or error}") from error


def _is_still(path: Path, handle: int) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _let_go(handle: int, path: Path) -> None:
    if handle in _held:  # not in a forked process, which has closed it
        _held.discard(handle)
        with suppress(OSError):  # some disks (shared folders of virtual machines) do not remove what is open
            path.unlink()  # before the lock ends: whoever waits for this file sees that it is gone
        os.close(handle)


def _watch_forks() -> None:
    """Let go of the locks in processes that are forked from this one: a worker may outlive it for a while."""
    global _forks_are_watched
    if not _forks_are_watched and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_all)
        _forks_are_watched = True


def _forget_all() -> None:
    for handle in _held:
        os.close(handle)
    _held.clear()


def _fcntl() -> ModuleType | None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return None
    return fcntl
