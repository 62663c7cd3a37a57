"""Runs jobs side by side, in their order, and ends them all when one fails or the chain is to end."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from kuzushiji.chain.display import Display
from kuzushiji.chain.executors import Executor, Running
from kuzushiji.chain.listing import Job, ListedStage
from kuzushiji.cli import Terminated
from kuzushiji.errors import InputError

PATIENCE = 60.0
"""Seconds that jobs have to end after a signal: training writes a checkpoint."""

_TICK = 0.1


class Pool:
    """The places for jobs and what runs there.

    Args:
        executor: Starts jobs and stops them.
        logs: Folder of the jobs' output.
        display: Is told what happens.
        is_done: Returns why a job need not start, or nothing.
        on_success: Is called after a job went well.
    """

    def __init__(
        self,
        executor: Executor,
        logs: Path,
        display: Display,
        is_done: Callable[[Job], str | None] = lambda job: None,
        on_success: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self._executor, self._logs, self._display = executor, logs, display
        self._is_done, self._on_success = is_done, on_success
        self._running: dict[int, Running] = {}  # by place
        self._signal: signal.Signals | None = None

    def run(self, stages: Sequence[ListedStage]) -> None:
        """Run all jobs of these stages.

        Raises:
            InputError: a job failed; the others were ended.
            KeyboardInterrupt: a signal came; the jobs were ended.
        """
        with self._signals_are_noted():
            try:
                self._run(stages)
            except BaseException as error:
                self._stop(getattr(error, "signum", signal.SIGINT if isinstance(error, KeyboardInterrupt) else None))
                raise

    def _run(self, stages: Sequence[ListedStage]) -> None:
        was_alone = False
        for stage in stages:
            for place_in_stage, job in enumerate(stage.jobs):
                if job.alone or was_alone or (place_in_stage == 0 and not stage.beside):
                    self._wait_until(lambda: not self._running)
                self._wait_until(lambda: len(self._running) < self._executor.places.jobs)
                self._start(stage, job)
                was_alone = job.alone
        self._wait_until(lambda: not self._running)

    def _start(self, stage: ListedStage, job: Job) -> None:
        reason = self._is_done(job)
        if reason:
            self._display.ended(stage, job, 0.0, reason)
            return
        place = next(place for place in range(self._executor.places.jobs) if place not in self._running)
        log = self._logs / f"{job.name}.log"
        running = Running(job, stage, self._executor.start(job, place, log), log)
        self._running[place] = running
        self._display.started(running)

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        while True:
            self._look()
            if is_so():
                return
            time.sleep(_TICK)

    def _look(self) -> None:
        """Free the places of jobs that have ended.

        Raises:
            InputError: one failed.
            KeyboardInterrupt: a signal came.
        """
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signal is not None:
            raise Terminated("stopped by a signal: the same command goes on from what is done")
        for place, running in list(self._running.items()):
            code = running.process.poll()
            if code is None:
                continue
            del self._running[place]
            self._executor.ended(running)
            if code:
                why = self._display.failed(running)
                raise InputError(f"{running.job.name} failed with exit code {code}{why}; its output: {running.log}")
            self._on_success(running.job)
            self._display.ended(running.stage, running.job, running.seconds)
        self._display.look(list(self._running.values()))

    def _stop(self, number: int | None) -> None:
        """Ask the jobs to end (training writes a checkpoint), and end those that have not after a while."""
        self._display.clear()
        end = time.monotonic() + PATIENCE
        for running in self._running.values():
            self._executor.stop(running, signal.Signals(number or signal.SIGTERM))
        for running in self._running.values():
            while running.process.poll() is None:
                time.sleep(_TICK)
                if time.monotonic() > end:
                    self._executor.stop(running, signal.SIGKILL)
            self._executor.ended(running)
        self._running.clear()

    @contextmanager
    def _signals_are_noted(self) -> Iterator[None]:
        """Note signals, and look at them between two steps: a job that is started is always known here."""

        def note(number: int, _frame: FrameType | None) -> None:
            self._signal = self._signal or signal.Signals(number)

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
