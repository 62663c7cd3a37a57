"""SIGTERM and Ctrl-C as a request: stop at the next safe place, with a checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from kuzushiji.engine.processes import world_size

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """The run was asked to stop and has done so.

    Args:
        signum: By which signal.
        advice: How to resume.
        whole: Whether it was between two updates: only then a run can be resumed.
    """

    def __init__(self, signum: int, advice: str = "", *, whole: bool = True) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}" + (f": {advice}" if advice else ""))
        self.signum = signum
        self.whole = whole


class StopRequest:
    """While entered, notes the first SIGTERM or Ctrl-C; a second one has its usual effect in a single process.

    Does nothing outside the main thread, where Python does not allow signal handlers.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._at_once = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block a request raises `Stopped` at once."""
        self.check()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def check(self) -> None:
        """Raise `Stopped` if a stop was requested."""
        if self.signum is not None:
            raise Stopped(self.signum)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        self.signum = signum
        if world_size() == 1:  # else a second one is torchrun's, which passes on what came to all of us already
            self._restore()
        if self._at_once:
            raise Stopped(signum)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
