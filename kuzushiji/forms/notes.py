"""Everything odd about a source: named where it is, counted at the end."""

import logging
from collections import Counter
from pathlib import Path

logger = logging.getLogger(__name__)

SUMMARY, LIST = "conversion.json", "conversion.log"
"""What a conversion leaves beside what it writes: counts, and everything odd."""

SHOWN = 10
"""Notes of one kind that are printed; all of them are in the list."""


class Notes:
    """What was odd, and what was done about it.

    Attributes:
        counts: How many notes there are of each kind.
        lines: All of them, one line each.
        failures: The files and pages that were left out, one line each.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.failures: list[str] = []

    def add(self, kind: str, place: str | Path, message: str) -> None:
        """Note something.

        Args:
            kind: What kind it is of, in the plural: `boxes of no area`.
            place: File and element.
            message: What is odd, and what was done.
        """
        line = _one_line(f"{place}: {message}")
        self.counts[kind] += 1
        self.lines.append(line)
        if self.counts[kind] <= SHOWN:
            logger.warning("%s", line)
        elif self.counts[kind] == SHOWN + 1:
            logger.warning("… and more %s", kind)

    def fail(self, message: str) -> None:
        """Note a file or page that is left out; the message names it."""
        line = _one_line(message)
        self.failures.append(line)
        self.lines.append(f"left out: {line}")
        logger.error("left out: %s", line)


def _one_line(text: str) -> str:
    """Return a text on one line, with what UTF-8 cannot write (halves of surrogate pairs) as escapes."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
