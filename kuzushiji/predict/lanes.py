"""Tasks side by side: each lane works on one at a time, in this process, in one of its own, or elsewhere.

Where the process of a lane ends, the task that it had is given to another lane, once; nothing else is lost.
"""

import logging
import multiprocessing
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from kuzushiji.errors import InputError

logger = logging.getLogger(__name__)

Work: TypeAlias = Callable[[Any], Any]
"""Turns a task into its answer."""

Make: TypeAlias = Callable[[], Work]
"""Makes that ready, such as by loading models. It travels to another process: a function of a module, or a partial."""


class LaneLostError(Exception):
    """The process of a lane ended; the message says how."""


class Lane(Protocol):
    """Where one task at a time is worked on.

    Attributes:
        started: Is done when the lane takes tasks; has the exception of what makes it ready.
    """

    started: "Future[None]"

    def submit(self, task: Any) -> "Future[Any]":
        """Begin a task; the future raises `LaneLostError` where the lane's process ends."""
        ...

    def close(self) -> None:
        """End the lane at once, whatever it does."""
        ...


class Here:
    """A lane in this process: a task is done when `submit` returns."""

    def __init__(self, make: Make) -> None:
        self._work = make()
        self.started: Future[None] = Future()
        self.started.set_result(None)

    def submit(self, task: Any) -> "Future[Any]":
        """Do a task."""
        future: Future[Any] = Future()
        future.set_result(self._work(task))
        return future

    def close(self) -> None:
        """Do nothing."""


class OwnProcess:
    """A lane in a process of its own, which ends with this one, however that ends."""

    def __init__(self, make: Make) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        level = logging.getLogger("kuzushiji").getEffectiveLevel()
        self._process = context.Process(target=_serve, args=(theirs, make, level), daemon=True)
        with _interrupts_are_ours():
            self._process.start()
        theirs.close()
        self._thread = ThreadPoolExecutor(1)
        self.started: Future[None] = self._thread.submit(self._receive)

    def submit(self, task: Any) -> "Future[Any]":
        """Send a task."""
        return self._thread.submit(self._ask, task)

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._thread.shutdown()

    def _ask(self, task: Any) -> Any:
        try:
            self._connection.send(task)
        except OSError as error:
            raise self._lost() from error
        return self._receive()

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        return value_of(answer)

    def _lost(self) -> LaneLostError:
        self._process.join()
        code = self._process.exitcode or 0
        return LaneLostError(f"signal {-code}" if code < 0 else f"exit code {code}")


def spread(tasks: Sequence[Any], open_lane: Callable[[], Lane], n_lanes: int) -> Generator[tuple[Any, Any]]:
    """Yield each task with its answer as soon as that is there; with `LaneLostError` where two lanes ended with it.

    At most `n_lanes` tasks and answers are under way at any time.

    Args:
        tasks: In the order in which they are begun; as text, a task is its name in messages.
        open_lane: Opens a lane.
        n_lanes: How many are open at a time.

    Raises:
        InputError: all lanes ended before they had begun.
        Exception: what makes a lane ready, or a task, has raised it.
    """
    state = _Spread(tasks, open_lane)
    try:
        for _ in range(min(n_lanes, len(tasks))):
            state.open()
        while state.is_at_work:
            for future in wait(state.busy, return_when=FIRST_COMPLETED).done:
                lane, task = state.busy.pop(future)
                try:
                    answer = future.result()
                except LaneLostError as error:
                    if state.lost(lane, task, error):
                        yield task, error
                    continue
                if task is not None:
                    yield task, answer
                state.go_on(lane)
    finally:
        for lane in state.lanes:
            lane.close()


class _Spread:
    """Which tasks wait, and which lanes are busy with what; None stands for a lane's start."""

    def __init__(self, tasks: Sequence[Any], open_lane: Callable[[], Lane]) -> None:
        self._open_lane = open_lane
        self._waiting = deque(tasks)
        self._again: list[Any] = []
        self.busy: dict[Future[Any], tuple[Lane, Any]] = {}
        self.lanes: set[Lane] = set()

    @property
    def is_at_work(self) -> bool:
        """Whether there is a task left."""
        if self._waiting and not self.busy:
            raise InputError("the processes that read pages ended while they loaded the models: lower --workers")
        return bool(self._waiting) or any(task is not None for _, task in self.busy.values())

    def open(self) -> None:
        """Open a lane."""
        lane = self._open_lane()
        self.lanes.add(lane)
        self.busy[lane.started] = lane, None

    def go_on(self, lane: Lane) -> None:
        """Give a lane its next task, if there is one."""
        if self._waiting:
            task = self._waiting.popleft()
            self.busy[lane.submit(task)] = lane, task

    def lost(self, lane: Lane, task: Any, error: LaneLostError) -> bool:
        """Take note of a lane that ended, open another one, and return whether its task is given up."""
        self.lanes.discard(lane)
        lane.close()
        if task is None:  # the next one would end so too
            logger.warning("a process ended while it loaded the models (%s)", error)
            return False
        given_up = any(task is other for other in self._again)
        if not given_up:
            logger.warning("%s: the process that read it ended (%s); it is read again", task, error)
            self._again.append(task)
            self._waiting.append(task)
        if self._waiting:
            self.open()
        return given_up


def attempt(call: Callable[..., Any], *arguments: Any) -> tuple[Any, Exception | None]:
    """Return what a call returns, or what it raises in a form that another process understands."""
    try:
        return call(*arguments), None
    except InputError as error:
        return None, InputError(str(error))
    except Exception:
        return None, RuntimeError(traceback.format_exc())


def value_of(answer: tuple[Any, Exception | None]) -> Any:
    """Return the value of what `attempt` returned, or raise its exception."""
    value, error = answer
    if error is not None:
        raise error
    return value


def _serve(connection: Any, make: Make, level: int) -> None:
    """Answer the tasks of another process until it closes the connection or ends."""
    from kuzushiji import cli

    cli.set_up_messages(quiet=level > logging.DEBUG, verbose=level <= logging.DEBUG)
    work, error = attempt(make)
    try:
        connection.send((None, error))
        while error is None:
            connection.send(attempt(work, connection.recv()))
    except (EOFError, OSError):
        return


@contextmanager
def _interrupts_are_ours() -> Iterator[None]:
    """Let processes that are started in the block ignore Ctrl-C: this one ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
