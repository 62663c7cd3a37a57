"""One chain at a time does a part of a run.

Whoever runs the whole chain holds the run folder alone; those who run a part of it (`--fold`, `--stage`) share the
folder, and each holds its part alone. Jobs inherit the locks on purpose: a chain that was killed is over only when its
last job is.
"""

import logging
import os
import time
from pathlib import Path

from kuzushiji import locks
from kuzushiji.errors import InputError

logger = logging.getLogger(__name__)

WHOLE = ".chain.lock"


def hold_part(runs: Path, part: str, command: str) -> tuple[int, ...]:
    """Take the locks until this process and all its jobs have ended; return the descriptors that jobs are to inherit.

    Args:
        runs: The run folder.
        part: Name of the part; empty for the whole.
        command: What the user typed, for those who come later.

    Raises:
        InputError: somebody else has them, or they cannot be made.
    """
    paths = [runs / WHOLE, *([runs / f".chain-{part}.lock"] if part else [])]
    try:
        handles = tuple(os.open(path, os.O_RDWR | os.O_CREAT, 0o666) for path in paths)
    except OSError as error:
        raise InputError(f"{runs}: cannot write there: {error.strerror or error}") from error
    end = time.monotonic() + locks.PATIENCE
    said = False
    while not _take(handles):
        holder = _find_holder(runs, part)
        if not locks.is_dead(locks.read_holder(holder)) or time.monotonic() > end:
            raise InputError(f"{runs}: {locks.describe_holder(holder)} is at work there; one chain at a time")
        if not said:
            logger.info("%s: waiting for the jobs of a chain that was killed", runs)
            said = True
        time.sleep(0.2)
    locks.note_holder(handles[-1], command=command)
    return handles


def _take(handles: tuple[int, ...]) -> bool:
    """Lock the whole or, where a part is given too, share the whole and lock the part; return whether that went."""
    whole, *parts = handles
    return locks.take(whole, shared=bool(parts)) and all(locks.take(part, shared=False) for part in parts)


def _find_holder(runs: Path, part: str) -> Path:
    """Return the file of the lock that is in the way: of the same part, of any part, or of the whole."""
    parts = [runs / f".chain-{part}.lock"] if part else sorted(runs.glob(".chain-*.lock"))
    return next((path for path in parts if path.is_file() and locks.is_taken(path)), runs / WHOLE)
