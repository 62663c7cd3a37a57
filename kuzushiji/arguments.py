"""The parser of all command lines, and the types of their options."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

Number = TypeVar("Number", int, float)

EXIT_USAGE = 2
QUIET = ("-q", "--quiet")
VERBOSE = ("-v", "--verbose")
_BOOLEANS = {"1": True, "0": False, "true": True, "false": False, "yes": True, "no": False}


class HelpFormatter(argparse.HelpFormatter):
    """Help with a short usage line, metavars by the kind of value, and defaults."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Name only required options: the others are listed below, on several screens in some commands."""
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
    """A flag that `cli.run` has read already: it leaves nothing in the namespace."""

    def __call__(self, *_: Any) -> None:
        """Do nothing."""


class ArgumentParser(argparse.ArgumentParser):
    """`argparse` with help in groups, no abbreviations, "did you mean", and the options of every command.

    These are `--help`, and `--quiet` and `--verbose`, which `cli.run` reads. A shell completes options (argcomplete).
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
            *QUIET, action=_SeenByRun, nargs=0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS,
            help="no progress and no messages but warnings and errors; results are printed all the same",
        )  # fmt: skip
        either.add_argument(
            *VERBOSE, action=_SeenByRun, nargs=0, dest=argparse.SUPPRESS, default=argparse.SUPPRESS,
            help="messages with time and module, seconds and memory at the end, the traceback of an error",
        )  # fmt: skip

    def format_help(self) -> str:
        """List the options of every command after those of this one."""
        self._action_groups.sort(key=lambda group: group is self._general)
        return super().format_help()

    def parse_intermixed_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse as argparse does; where the shell asks for completions, print these."""
        if "_ARGCOMPLETE" in os.environ:
            import argcomplete

            argcomplete.autocomplete(self)
        return super().parse_intermixed_args(args, namespace)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        """Parse as argparse does, but do not read a file name after a plain `--flag` as its 0 or 1."""
        words = list(sys.argv[1:] if args is None else args)
        if any(not action.option_strings for action in self._actions):
            flags = {name for name, action in self._option_string_actions.items() if action.type is bool_flag}
            for i, word in enumerate(words[:-1]):
                if word in flags and ("/" in words[i + 1] or "." in words[i + 1]):
                    words[i] += "=1"
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(EXIT_USAGE, usage_line(self.prog, f"{message}{self._suggestion(message)}") + "\n")

    def _suggestion(self, message: str) -> str:
        import difflib

        unknown = [word for word in message.split() if word.startswith("--")] if "unrecognized" in message else []
        near = [difflib.get_close_matches(word.split("=")[0], self._option_string_actions, n=1) for word in unknown]
        names = [match[0] for match in near if match]
        return f"; did you mean {', '.join(names)}?" if names else ""


def usage_line(command: str, message: str) -> str:
    """Return the message of bad usage, as the parser and configs whose options contradict each other print it."""
    return f"{command}: error: {message} (--help lists all)"


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
