"""How results and progress are shown: bars and colours on a terminal, plain text or JSON elsewhere."""

import json
import logging
import os
import sys
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

Item = TypeVar("Item")

_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows."""

_EVERY = 10.0
"""Seconds between two lines of progress."""

logger = logging.getLogger(__name__)

_STYLES = {"bold": "1", "red": "31", "green": "32", "dim": "2"}


def is_watched() -> bool:
    """Return whether progress is to be shown: standard error is a terminal, and `--quiet` was not given."""
    return sys.stderr.isatty() and logging.getLogger("kuzushiji").isEnabledFor(logging.INFO)


def progress(
    items: Iterable[Item],
    *,
    title: str,
    unit: str,
    total: int | None = None,
    show: bool = True,
    leave: bool = True,
    lines: bool = False,
) -> Iterable[Item]:
    """Yield the items and show a bar on standard error with rate and time left; without a terminal nothing is shown.

    Args:
        items: To iterate over.
        title: Of the bar.
        unit: What an item is, such as `page`.
        total: Number of items, where they have no length.
        show: False for no bar at all.
        leave: Whether the bar stays when it is full.
        lines: Whether lines with the same are printed where there is no terminal, one every ten seconds.
    """
    from tqdm import tqdm

    if lines and show and not is_watched():
        return _with_lines(items, title, unit, total)
    return tqdm(items, total=total, desc=title, unit=unit, leave=leave, disable=not (show and is_watched()))


def _with_lines(items: Iterable[Item], title: str, unit: str, total: int | None) -> Iterator[Item]:
    started = last = time.monotonic()
    for count, item in enumerate(items):
        now = time.monotonic()
        if now - last >= _EVERY:
            last, rate = now, count / (now - started)
            left = f", {max(total - count, 0) / rate / 60:.1f} minutes left" if total is not None and count else ""
            of_all = f" of {total}" if total is not None else ""
            logger.info("%s: %d%s, %.1f %ss a minute%s", title, count, of_all, 60 * rate, unit, left)
        yield item


def has_colours(stream: TextIO) -> bool:
    """Return whether escape codes may be written: to a terminal that supports them, and never under NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *styles: str, stream: TextIO | None = None) -> str:
    """Return the text in `styles` (bold, red, green, dim), or as it is where `stream` (stdout) has no colours."""
    if not has_colours(stream or sys.stdout):
        return text
    return f"\033[{';'.join(_STYLES[style] for style in styles)}m{text}\033[0m"


def format_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    to_left: Collection[str] | None = None,
    rule: bool = False,
) -> str:
    """Return a table of aligned columns: numbers to the right, all else to the left.

    Args:
        head: A title for each column.
        rows: A value for each column: floats get four digits after the point, whole numbers commas, None a dash.
        to_left: Titles of the columns that stand to the left, where numbers come as text already.
        rule: Whether a line is drawn below the titles.
    """
    values = [list(row) for row in rows]
    cells = [list(head), *([_cell(value) for value in row] for row in values)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    if to_left is None:
        right = [bool(values) and all(_is_number(row[column]) for row in values) for column in range(len(head))]
    else:
        right = [title not in to_left for title in head]
    lines = [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join([paint(lines[0], "bold"), *(["-" * len(lines[0])] if rule else []), *lines[1:]])


def printable(text: str, instead: str | None = None) -> str:
    """Return a text that a terminal shows as it is: on one line, without control characters and lone surrogates.

    Args:
        text: Such as the name of a file.
        instead: What stands for each of them; without it an escape, such as that of Python.
    """
    return "".join(char if _is_shown(char) else _escaped(char) if instead is None else instead for char in text)


def _is_shown(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char not in _DIRECTIONS


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", errors="surrogatepass").decode("ascii")


def print_result(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what a command found out on standard output: a name and a value a line, or one JSON object.

    As lines, facts within facts are named by both names: `{"test": {"pages": 3}}` is `test pages  3`.
    """
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, default=str))
        return
    lines = dict(_flat(facts))
    width = max(map(len, lines), default=0)
    for name, value in lines.items():
        print(f"{name:<{width}}  {_cell(value)}")


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", item) for inner, item in _flat(value))
        else:
            yield name, value


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
