"""What all command lines share: exit codes, types of arguments, logging."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from kuzushiji.errors import InputError

Number = TypeVar("Number", int, float)

EXIT_FAILED = 1
EXIT_USAGE = 2
_SIGNALLED = 128
"""Added to a signal's number, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""
_BOOLEANS = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}


class ArgumentParser(argparse.ArgumentParser):
    """`argparse` with defaults in the help, no abbreviations, and "did you mean" for a mistyped flag."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)

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
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message}{self._suggestion(message)} (--help lists all)\n")

    def _suggestion(self, message: str) -> str:
        import difflib

        unknown = [word for word in message.split() if word.startswith("--")] if "unrecognized" in message else []
        near = [difflib.get_close_matches(word.split("=")[0], self._option_string_actions, n=1) for word in unknown]
        names = [match[0] for match in near if match]
        return f"; did you mean {', '.join(names)}?" if names else ""


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> NoReturn:
    """Run an entry point and leave the process with its exit code.

    A mistake of the user ends in one line on standard error and exit code 1 (2 for bad usage, by the parser), Ctrl-C
    in 130, SIGTERM while training in 143. Anything else is a fault of the program and keeps its traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code = main(argv)
    except InputError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        code = EXIT_FAILED
    except BrokenPipeError:
        code = EXIT_FAILED
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted: the same command goes on from the last checkpoint", file=sys.stderr)
        code = _SIGNALLED + getattr(stop, "signum", signal.SIGINT)
    sys.exit(code)


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


def add_bool(parser: argparse.ArgumentParser | argparse._ArgumentGroup, name: str, *, default: bool, help: str) -> None:
    """Add a flag that reads `--name`, `--name 1` and `--name 0`."""
    parser.add_argument(name, type=bool_flag, nargs="?", const=True, default=default, metavar="0|1", help=help)


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


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """Add `--data-root`."""
    parser.add_argument(
        "--data-root", type=Path, default=None, metavar="DIR",
        help="folder with train.csv and the images; without it $KUZUSHIJI_DATA, else data/",
    )  # fmt: skip


def _number(text: str, kind: Callable[[str], Number], fits: Callable[[Number], bool], expected: str) -> Number:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from None
    if not fits(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text}")
    return value
