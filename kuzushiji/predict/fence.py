"""One page never ends the run: whatever goes wrong with it becomes its line at the end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kuzushiji.errors import DISK_ERRORS, InputError
from kuzushiji.terminal import printable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A page that could not be read.

    Attributes:
        where: The file or folder.
        message: One line.
    """

    where: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", printable(self.where))
        object.__setattr__(self, "message", printable(self.message))


class OutputError(InputError):
    """The results cannot be written, of this page as of every other: the run ends."""


@contextmanager
def fence(where: str, failures: list[Failure]) -> Iterator[None]:
    """Turn whatever the block raises into a failure of this page; the run goes on.

    A fault that is not an `InputError` is named with its type; `--verbose` shows where it came from. An `OutputError`
    concerns all pages and passes.

    Args:
        where: The page's file.
        failures: Receives it.
    """
    try:
        yield
    except OutputError:
        raise
    except InputError as error:
        logger.debug("%s", where, exc_info=True)
        failures.append(Failure(where, str(error)))
    except Exception as error:
        logger.debug("%s", where, exc_info=True)
        failures.append(Failure(where, f"{where}: {_reason(error)}"))


def concerns_all(error: BaseException) -> bool:
    """Return whether an error while results are written is one of the disk, which the next page would meet too."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_ERRORS:
            return True
        cause = cause.__cause__
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "the memory of the machine does not suffice: give a smaller picture"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return f"cannot be read: {type(error).__name__}: {str(error)[:200]}"
