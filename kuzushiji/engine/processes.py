"""Several processes that train or predict together, as `torchrun` starts them: one a GPU, on one machine or many.

A command line that was started without torchrun is one process, for which everything here does nothing. The module
imports torch only where there are others to talk to, so that entry points can ask it before their heavy imports.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from kuzushiji.errors import InputError

Result = TypeVar("Result")

_IS_ALONE: ContextVar[bool] = ContextVar("is_alone", default=False)


def world_size() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process, from 0."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def local_rank() -> int:
    """Return the number of this process among those of its machine, from 0: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world_size() > 1 else 0


def local_world_size() -> int:
    """Return the number of processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size() > 1 else 1


def is_main() -> bool:
    """Return whether this process is the one that writes files and prints."""
    return rank() == 0


def share_of_batch(batch_size: int) -> int:
    """Return how many samples of a batch this process has: a batch is divided evenly among all processes.

    Raises:
        InputError: it cannot be.
    """
    world = world_size()
    if batch_size % world:
        raise InputError(
            f"--batch-size {batch_size}: is divided among all processes, expected a multiple of their number, "
            f"got {world} processes"
        )
    return batch_size // world


@contextmanager
def processes(device_type: Callable[[], str]) -> Iterator[None]:
    """Join the other processes for the length of the block; only the main one logs more than warnings there.

    Args:
        device_type: Returns the kind of device, asked for where there are others: NCCL connects GPUs (`cuda`), gloo
            everything else.
    """
    if world_size() == 1:
        yield
        return
    import ignite.distributed as idist

    backend = "nccl" if device_type() == "cuda" else "gloo"
    root = logging.getLogger()
    level = root.level
    if not is_main():
        root.setLevel(logging.WARNING)
    idist.initialize(backend)
    try:
        yield
        # Not in a `finally`: after an error the others may wait elsewhere; torchrun ends them.
        idist.barrier()
        idist.finalize()
    finally:
        root.setLevel(level)


def on_main(function: Callable[[], Result]) -> Result:
    """Call `function` in the main process alone, and return its result in all: files have one reader or writer.

    This synchronises all processes. If `function` raises, the others end without a message, so that there is only one.

    Raises:
        RuntimeError: it is called within `function`, by the main process alone: the other processes would not join.
    """
    if world_size() == 1:
        with _alone():
            return function()
    from torch import distributed

    answer: list[Any] = [False, None]
    if not is_main():
        distributed.broadcast_object_list(answer, src=0)
        if not answer[0]:
            raise SystemExit(1)
        result: Result = answer[1]
        return result
    try:
        with _alone():
            answer = [True, function()]
    finally:
        distributed.broadcast_object_list(answer, src=0)
    return answer[1]  # type: ignore[no-any-return]


@contextmanager
def _alone() -> Iterator[None]:
    """Mark the block as run by the main process alone."""
    _check_together()
    token = _IS_ALONE.set(True)
    try:
        yield
    finally:
        _IS_ALONE.reset(token)


def _check_together() -> None:
    if _IS_ALONE.get():
        raise RuntimeError("expected all processes to meet here, got the main one alone: it is within `on_main`")


def gathered(value: Result) -> list[Result]:
    """Return the values of all processes, by rank, in all of them.

    Raises:
        RuntimeError: as `on_main`.
    """
    _check_together()
    if world_size() == 1:
        return [value]
    from torch import distributed

    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


@contextmanager
def first_of_machine_first() -> Iterator[None]:
    """Let the first process of each machine run the block before the others, which then find its downloads.

    Raises:
        RuntimeError: as `on_main`.
    """
    _check_together()
    if world_size() == 1:
        yield
        return
    from torch import distributed

    if not distributed.is_initialized():  # no other process: a model is printed
        yield
        return
    if local_rank():
        distributed.barrier()
    try:
        yield
    finally:
        if not local_rank():
            distributed.barrier()


def own_share(n: int) -> range:
    """Return which of `n` items this process works on: processes take turns, and each item belongs to one."""
    return range(rank(), n, world_size())
