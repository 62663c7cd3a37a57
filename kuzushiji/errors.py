"""The exceptions that stand for a mistake in the input, and the system's errors that stand for a full disk."""

import errno
from collections.abc import Sequence
from pathlib import Path

LOST_DISK = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN)
"""Numbers of an `OSError` of a disk that no longer answers, such as that of another machine."""

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, *LOST_DISK)
"""Numbers of an `OSError` that is about the disk, whether or not it names a file."""


class InputError(ValueError):
    """Data or parameters from outside are wrong.

    The message is one line that says what was expected, what came, and where (file, page, row). Command-line entry
    points print it and exit with 1; everything else that is raised is a fault of the program and keeps its traceback.
    """


class UsageError(InputError):
    """Options of a command line contradict each other, or a value cannot be one: entry points exit with 2."""


class KeptError(InputError):
    """A model or a checkpoint of another run is where this one would write: only `--force` replaces it."""

    def __init__(self, path: Path, differences: Sequence[str]) -> None:
        """Say what differs: parameters by their flags, inputs by their files."""
        super().__init__(
            f"{path}: is kept, only --force replaces it; differences: {', '.join(differences)}; "
            "another output folder keeps both"
        )
