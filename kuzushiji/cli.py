"""What all command lines share: exit codes, types of arguments, logging."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from kuzushiji.errors import DISK_ERRORS, InputError, UsageError
from kuzushiji.terminal import paint

logger = logging.getLogger("kuzushiji.cli")

Number = TypeVar("Number", int, float)

EXIT_FAILED = 1
EXIT_USAGE = 2
_SIGNALLED = 128
"""Added to a signal's number, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""
_QUIET = ("-q", "--quiet")
_VERBOSE = ("-v", "--verbose")
_BOOLEANS = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}


class HelpFormatter(argparse.HelpFormatter):
    """A short usage line; metavars that say the kind of value; a default wherever there is one."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Name only what must be given: the rest is listed below, and has several screens in some commands."""
        if usage is None:
            needed = [action for action in actions if action.required or not action.option_strings]
            words = [self._prog, "[options]", *map(self._usage_of, needed)]
            usage = " ".join(words).replace("%", "%%")
        super().add_usage(usage, [], [], prefix)

    def _usage_of(self, action: argparse.Action) -> str:
        default = self._get_default_metavar_for_optional if action.option_strings else lambda action: str(action.dest)
        arguments = self._format_args(action, default(action))
        return " ".join([*action.option_strings[-1:], arguments]).strip()

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return _METAVARS.get(action.type, action.dest.upper())

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if action.nargs == 0 or not action.option_strings or action.default in (None, argparse.SUPPRESS, (), ""):
            return text
        return f"{text} (default: {_default_text(action.default)})"


def _default_text(value: Any) -> str:
    """Return a default as it would be typed."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple | list):
        return " ".join(map(_default_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value).replace("%", "%%")


class _SeenByRun(argparse.Action):
    """A flag that `run` has looked at before the command did: it leaves nothing in the namespace."""

    def __call__(self, *_: Any) -> None:
        """Do nothing."""


class ArgumentParser(argparse.ArgumentParser):
    """`argparse` with help by subject, no abbreviations, "did you mean", and what every command has.

    That is `--help`, `--quiet` and `--verbose`, which `run` looks at, and completion by the shell (argcomplete).
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", HelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options, add_help=False)
        self._positionals.title = "arguments"
        self._general = self.add_argument_group("help and messages")
        self._general.add_argument("-h", "--help", action="help", help="show this help and leave")
        either = self._general.add_mutually_exclusive_group()
        either.add_argument(
            *_QUIET, action=_SeenByRun, nargs=0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS,
            help="no progress and no messages but warnings and errors; results are printed all the same",
        )  # fmt: skip
        either.add_argument(
            *_VERBOSE, action=_SeenByRun, nargs=0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS,
            help="messages with time and module, seconds and memory at the end, the traceback of an error",
        )  # fmt: skip

    def format_help(self) -> str:
        """List what every command has after what this one has."""
        self._action_groups.sort(key=lambda group: group is self._general)
        return super().format_help()

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse as argparse does, or tell the shell how the line may go on, if it is that which asks."""
        self._complete()
        return super().parse_args(args, namespace)

    def parse_intermixed_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse as argparse does, or tell the shell how the line may go on, if it is that which asks."""
        self._complete()
        return super().parse_intermixed_args(args, namespace)

    def _complete(self) -> None:
        if "_ARGCOMPLETE" in os.environ:
            import argcomplete

            argcomplete.autocomplete(self)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """Parse as argparse does, but do not take a file that stands after a plain `--flag` for its 0 or 1."""
        words = list(sys.argv[1:] if args is None else args)
        if any(not action.option_strings for action in self._actions):
            flags = {name for name, action in self._option_string_actions.items() if action.type is bool_flag}
            for i, word in enumerate(words[:-1]):
                if word in flags and ("/" in words[i + 1] or "." in words[i + 1]):
                    words[i] += "=1"
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(EXIT_USAGE, _usage_line(self.prog, f"{message}{self._suggestion(message)}") + "\n")

    def _suggestion(self, message: str) -> str:
        import difflib

        unknown = [word for word in message.split() if word.startswith("--")] if "unrecognized" in message else []
        near = [difflib.get_close_matches(word.split("=")[0], self._option_string_actions, n=1) for word in unknown]
        names = [match[0] for match in near if match]
        return f"; did you mean {', '.join(names)}?" if names else ""


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> NoReturn:
    """Run an entry point and leave the process with its exit code.

    A mistake of the user, or a full disk, ends in one line on standard error and exit code 1 (2 for bad usage), Ctrl-C
    in 130, SIGTERM in 143. Anything else is a fault of the program and keeps its traceback.
    """
    words = sys.argv[1:] if argv is None else argv
    verbose = any(word in _VERBOSE for word in words)
    set_up_messages(quiet=any(word in _QUIET for word in words), verbose=verbose)
    started = time.monotonic()
    try:
        with _sigterm_is_heard():
            code = main(argv)
        sys.stdout.flush()
    except UsageError as error:
        logger.debug("the error came from here", exc_info=True)
        print(_usage_line(_command(main), _one_line(error)), file=sys.stderr)
        code = EXIT_USAGE
    except InputError as error:
        _print_error(_one_line(error))
        code = EXIT_FAILED
    except BrokenPipeError:
        code = EXIT_FAILED
        _forget_output()
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        _print_error(f"{error.filename or 'the output'}: cannot be written: {error.strerror}")
        code = EXIT_FAILED
        _forget_output()
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted: the same command goes on from the last checkpoint", file=sys.stderr)
        code = _SIGNALLED + getattr(stop, "signum", signal.SIGINT)
    if verbose:
        logger.debug("%.1f s, exit code %d%s", time.monotonic() - started, code, _memory())
    sys.exit(code)


def _usage_line(command: str, message: str) -> str:
    """Return how bad usage is told, whoever finds it: the parser, or a config whose options contradict each other."""
    return f"{command}: error: {message} (--help lists all)"


def _command(main: Callable[..., int]) -> str:
    """Return how the command of an entry point is typed, which is what its parser is called."""
    spec = sys.modules[main.__module__].__spec__
    name = spec.name if spec is not None else main.__module__
    return f"python -m {name.removesuffix('.__main__')}"


def _print_error(line: str) -> None:
    logger.debug("the error came from here", exc_info=True)
    print(f"{paint('error:', 'bold', 'red', stream=sys.stderr)} {line}", file=sys.stderr)


def _forget_output() -> None:
    """Let go of what could not be printed: Python would try again at its end, and then complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what was begun is put away on the way out, as with Ctrl-C."""

    signum = signal.SIGTERM


@contextmanager
def _sigterm_is_heard() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`, where nobody else handles it: temporary files and locks do not stay behind."""
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


def set_up_messages(*, quiet: bool = False, verbose: bool = False) -> None:
    """Send messages to standard error: plain lines, only warnings, or everything of our modules with its place."""
    style = "%(asctime)s %(name)s: %(message)s" if verbose else "%(message)s"
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format=style, stream=sys.stderr)
    if verbose:
        for package in ("kuzushiji", "detection"):
            logging.getLogger(package).setLevel(logging.DEBUG)
        logger.debug("Python %s, process %d: %s", sys.version.split()[0], os.getpid(), " ".join(sys.argv))


def _memory() -> str:
    """Return the largest amount of memory that this process had, as text; nothing where the system does not tell."""
    try:
        import resource
    except ImportError:
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return f", at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20:,.0f} MiB of memory"


def _one_line(error: InputError) -> str:
    """Return the message on one line; what a data loader's worker raised comes wrapped in its traceback."""
    lines = str(error).strip().splitlines()
    if len(lines) > 1 and lines[0].startswith("Caught "):
        lines = [lines[-1].partition(": ")[2]]
    return " ".join(" ".join(lines).split())


def bool_flag(text: str) -> bool:
    """Parse 0/1 (also true/false, yes/no)."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise argparse.ArgumentTypeError(f"expected 0 or 1, got {text!r}")
    return value


def positive_int(text: str) -> int:
    """Parse an integer of at least 1."""
    return _number(text, int, lambda value: value >= 1, "a whole number of at least 1")


def non_negative_int(text: str) -> int:
    """Parse an integer of at least 0."""
    return _number(text, int, lambda value: value >= 0, "a whole number of at least 0")


def positive_float(text: str) -> float:
    """Parse a finite number above 0."""
    return _number(text, float, lambda value: 0 < value < float("inf"), "a number above 0")


def non_negative_float(text: str) -> float:
    """Parse a finite number of at least 0."""
    return _number(text, float, lambda value: 0 <= value < float("inf"), "a number of at least 0")


def fraction(text: str) -> float:
    """Parse a number between 0 and 1."""
    return _number(text, float, lambda value: 0 <= value <= 1, "a number between 0 and 1")


_METAVARS: dict[Any, str] = {
    int: "N", positive_int: "N", non_negative_int: "N", float: "X", positive_float: "X", non_negative_float: "X",
    fraction: "X", Path: "PATH",
}  # fmt: skip


def _number(text: str, kind: Callable[[str], Number], fits: Callable[[Number], bool], expected: str) -> Number:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from None
    if not fits(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text}")
    return value
