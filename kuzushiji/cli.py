"""How all commands run and end: exit codes, signals, messages. Has the parser and types of `arguments` too."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from kuzushiji.arguments import (
    EXIT_USAGE,
    QUIET,
    VERBOSE,
    ArgumentParser,
    bool_flag,
    fraction,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    usage_line,
)
from kuzushiji.disks import keep_sockets_short
from kuzushiji.errors import DISK_ERRORS, LOST_DISK, InputError, UsageError
from kuzushiji.terminal import paint, printable

__all__ = [
    "EXIT_FAILED",
    "EXIT_USAGE",
    "ArgumentParser",
    "Terminated",
    "bool_flag",
    "fraction",
    "name_of",
    "non_negative_float",
    "non_negative_int",
    "positive_float",
    "positive_int",
    "run",
    "set_up_messages",
]

logger = logging.getLogger("kuzushiji.cli")

EXIT_FAILED = 1
_LIBRARY = "detection"
"""A top-level package beside kuzushiji: a user's folder of this name may hide it."""
_SIGNALLED = 128
"""Added to a signal's number, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""


def run(
    main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None, name: str | None = None
) -> NoReturn:
    """Run an entry point and leave the process with its exit code; `name` is how it is typed, if not by `python -m`.

    A mistake of the user, or a file that the system refuses, ends in one line on standard error and exit code 1 (2 for
    bad usage), Ctrl-C in 130, SIGTERM in 143. Anything else is a fault of the program and keeps its traceback.
    """
    words = sys.argv[1:] if argv is None else argv
    verbose = any(word in VERBOSE for word in words)
    set_up_messages(quiet=any(word in QUIET for word in words), verbose=verbose)
    started = time.monotonic()
    keep_sockets_short()
    try:
        with _sigterm_is_heard():
            code = _with_own_library(main, argv)
        if sys.stdout is not None:  # it is None where the caller has closed it
            sys.stdout.flush()
    except UsageError as error:
        logger.debug("the error came from here", exc_info=True)
        print(usage_line(name or name_of(main), _one_line(error)), file=sys.stderr)
        code = EXIT_USAGE
    except InputError as error:
        _print_error(_one_line(error))
        code = EXIT_FAILED
    except BrokenPipeError:
        code = EXIT_FAILED
        _forget_output()
    except OSError as error:
        if (trouble := _trouble(error)) is None:
            raise
        _print_error(trouble)
        code = EXIT_FAILED
        _forget_output()
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted: the same command goes on from the last checkpoint", file=sys.stderr)
        code = _SIGNALLED + getattr(stop, "signum", signal.SIGINT)
    if verbose:
        logger.debug("%.1f s, exit code %d%s", time.monotonic() - started, code, _memory())
    sys.exit(code)


def name_of(command: Any) -> str:
    """Return how a command is typed, given its class or its `main`: `python -m MODULE`."""
    module = getattr(command, "__self__", command).__module__
    spec = sys.modules[module].__spec__
    name = spec.name if spec is not None else module
    return f"python -m {name.removesuffix('.__main__')}"


def _with_own_library(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None) -> int:
    """Run an entry point; a folder of the user's that hides a package of ours becomes one line."""
    try:
        return main(argv)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(f"{_LIBRARY}."):
            raise
        module = sys.modules.get(_LIBRARY)
        place = next(iter(getattr(module, "__path__", [])), None) or getattr(module, "__file__", "unknown")
        raise InputError(
            f"expected kuzushiji's library {_LIBRARY}, got another of this name ({place}), which python -m finds: "
            "type kuzushiji COMMAND in place of python -m kuzushiji.COMMAND, or go to another folder"
        ) from error


def _trouble(error: OSError) -> str | None:
    """Return the line for an error of the system; None for one about neither the disk nor a file: it is our fault."""
    if error.errno in LOST_DISK:
        return f"{error.filename or 'a disk, or the network to it'}: no answer: {error.strerror}"
    if error.errno in DISK_ERRORS:
        return f"{error.filename or 'the output, or shared memory (/dev/shm)'}: cannot be written: {error.strerror}"
    return None if error.filename is None else f"{error.filename}: {error.strerror}"


def _print_error(line: str) -> None:
    logger.debug("the error came from here", exc_info=True)
    print(f"{paint('error:', 'bold', 'red', stream=sys.stderr)} {line}", file=sys.stderr)


def _forget_output() -> None:
    """Drop what could not be printed: Python would try again when it exits, and print an error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Terminated(KeyboardInterrupt):
    """SIGTERM came: temporary files and locks are removed on the way out, as after Ctrl-C."""

    signum = signal.SIGTERM


@contextmanager
def _sigterm_is_heard() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`, unless it is handled already, so that temporary files and locks are removed."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated("stopped by SIGTERM: the same command goes on from what is done")


class _Marked(logging.Formatter):
    """Marks warnings as such: the chain finds them in the logs of its jobs by their first word."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{'warning: ' if record.levelno == logging.WARNING else ''}{super().format(record)}"


def set_up_messages(*, quiet: bool = False, verbose: bool = False) -> None:
    """Send messages to standard error: plain lines, only warnings, or everything of our modules with its place."""
    style = "%(asctime)s %(name)s: %(message)s" if verbose else "%(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Marked(style))
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, handlers=[handler])
    if verbose:
        for package in ("kuzushiji", "detection"):
            logging.getLogger(package).setLevel(logging.DEBUG)
        logger.debug("Python %s, process %d: %s", sys.version.split()[0], os.getpid(), " ".join(sys.argv))


def _memory() -> str:
    """Return the largest amount of memory that this process had, as text; empty where the system has no such number."""
    try:
        import resource
    except ImportError:
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return f", at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20:,.0f} MiB of memory"


def _one_line(error: InputError) -> str:
    """Return the message on one line, without the traceback that a data loader's worker wraps around it."""
    lines = str(error).strip().splitlines()
    if len(lines) > 1 and lines[0].startswith("Caught "):
        lines = [lines[-1].partition(": ")[2]]
    return printable(" ".join(" ".join(lines).split()))
