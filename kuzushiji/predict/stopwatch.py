"""Seconds that pages take, by what they are spent on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("read", "detect", "classify", "level 2", "write")
"""What the time of a page is spent on."""


class Stopwatch:
    """Seconds by stage, of the stages that pages went through."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage, in the order of `STAGES`."""
        return {stage: self._seconds[stage] for stage in STAGES if stage in self._seconds}

    def take(self) -> dict[str, float]:
        """Return `seconds`, and begin anew."""
        seconds, self._seconds = self.seconds, {}
        return seconds

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count the time of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - started
