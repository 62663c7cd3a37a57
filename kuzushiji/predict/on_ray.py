"""Pages over a Ray cluster: each lane is an actor, which Ray puts on a machine that has room."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from typing import Any

from kuzushiji.errors import InputError
from kuzushiji.predict.config import PredictConfig
from kuzushiji.predict.lanes import LaneLostError, Make, attempt, value_of

logger = logging.getLogger(__name__)


class Actor:
    """What runs on a machine of the cluster: answers tasks in the folder in which the command was typed."""

    def start(self, make: Make, folder: str) -> tuple[Any, Exception | None]:
        """Get ready; return what `attempt` does."""
        os.chdir(folder)
        self._work, error = attempt(make)
        return None, error

    def answer(self, task: Any) -> tuple[Any, Exception | None]:
        """Return what `attempt` does."""
        return attempt(self._work, task)


class OnRay:
    """A lane in an actor (`lanes.Lane`).

    Args:
        make: As of each lane.
        options: Of the actor, such as its cores.
    """

    def __init__(self, make: Make, options: dict[str, Any]) -> None:
        import ray

        self._ray = ray
        self._actor = ray.remote(Actor).options(max_restarts=0, **options).remote()
        self.started: Future[None] = self._future(self._actor.start.remote(make, os.getcwd()))

    def submit(self, task: Any) -> "Future[Any]":
        """Send a task."""
        return self._future(self._actor.answer.remote(task))

    def close(self) -> None:
        """End the actor."""
        self._ray.kill(self._actor)

    def _future(self, reference: Any) -> "Future[Any]":
        found: Future[Any] = Future()

        def hand_over(answer: Any) -> None:
            try:
                found.set_result(value_of(answer.result()))
            except self._ray.exceptions.RayActorError as error:
                found.set_exception(LaneLostError(str(error).partition("\n")[0].rstrip(".")))
            except Exception as error:
                found.set_exception(error)

        reference.future().add_done_callback(hand_over)
        return found


@contextmanager
def lanes(
    config: PredictConfig, make: Callable[[PredictConfig], Any], n_pages: int
) -> Iterator[tuple[int, Callable[[], OnRay]]]:
    """Connect to a cluster; yield how many lanes it has for so many pages, and what opens one.

    The cluster is that of `RAY_ADDRESS`, else the one that runs on this machine, else one that is started here.

    Args:
        config: `workers` is the number of lanes; without it one a GPU, or one for `threads` cores.
        make: Gives a lane's work for a config.
        n_pages: To read.

    Raises:
        InputError: Ray is not installed, or does not answer.
    """
    with _connected() as ray:
        cluster = ray.cluster_resources()
        threads = config.threads or 1
        on_gpus = config.device != "cpu" and cluster.get("GPU", 0) >= 1
        options = {"num_gpus": 1, "num_cpus": 1} if on_gpus else {"num_cpus": threads}
        room = cluster.get("GPU", 0) if on_gpus else cluster.get("CPU", 1) // threads
        n = min(config.workers or max(1, int(room)), n_pages)
        logger.info("%d processes read side by side on the %d machines of Ray", n, len(ray.nodes()))
        yield n, partial(OnRay, make(replace(config, threads=threads)), options)


@contextmanager
def _connected() -> Iterator[Any]:
    """Yield the module `ray`, connected; a connection that was there before stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    try:
        import ray
    except ImportError as error:
        raise InputError("--engine ray: expected Ray, it is not installed (pip install kuzushiji[ray])") from error
    with redirect_stdout(sys.stderr):  # where results are printed, Ray prints messages
        if ray.is_initialized():
            yield ray
        else:
            with _begun(ray):
                yield ray


@contextmanager
def _begun(ray: Any) -> Iterator[None]:
    """Connect in the block."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # of several types
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"--engine ray: expected a Ray cluster that answers, got: {reason}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray has put its own
    try:
        yield
    finally:
        ray.shutdown()
