"""Batches of samples, made by worker processes, in an order that is a pure function of seed and epoch.

A restart loses and repeats no sample.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.queues import Queue
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from kuzushiji.errors import InputError

_CHECK_SECONDS = 1.0

_ENDINGS = (
    (
        "DataLoader worker (pid",
        "a worker of the data loader ended (too little memory, or shared memory: /dev/shm?): lower --workers",
    ),
    (
        "Pin memory thread exited",
        "the thread that copies batches for the GPU ended (too little memory?): lower --workers",
    ),
    (
        "in pin memory thread",
        "too little memory that the GPU can copy from (ulimit -l?): lower --workers or --batch-size",
    ),
    ("Too many open files", "the data loader has too many files open: raise the limit (ulimit -n) or lower --workers"),
)
"""What the loader's errors mean, by words in them."""


def build_loader(
    dataset: Dataset[Any],
    batch_size: int,
    *,
    sampler: Sampler[Any] | Iterable[Any] | None = None,
    collate: Callable[[list[Any]], Any] | None = None,
    workers: int = 0,
    device: torch.device | None = None,
    drop_last: bool = False,
) -> DataLoader[Any]:
    """Return a loader of `dataset`.

    Args:
        dataset: With `EpochSampler` as the sampler its `__getitem__` gets a `SampleKey`.
        batch_size: Samples a batch.
        sampler: Order of the samples; without one, from first to last.
        collate: List of samples -> batch; torch's own without one.
        workers: Processes; 0 works in this one.
        device: Where the batches will go: memory is pinned for CUDA.
        drop_last: Leave out a last batch that is not full: for training.

    Iterating raises InputError when a worker dies, and whatever the data set raises.
    """
    return _Loader(
        dataset,
        multiprocessing_context=_start_method() if workers else None,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        pin_memory=device is not None and device.type == "cuda",
        drop_last=drop_last,
        persistent_workers=workers > 0,
        worker_init_fn=_start_worker if workers else None,
        # Its own generator: the loader draws a number for each epoch, which must not move torch's global one.
        generator=torch.Generator(),
    )


def _start_method() -> str | None:
    """Return how workers start; None leaves it to Python.

    A fork has all modules loaded; another way imports torch in each worker, about ten seconds. It is Python's default
    up to 3.13 on Linux, and not safe on macOS.
    """
    return "fork" if sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods() else None


class _Loader(DataLoader[Any]):
    """A loader that explains the end of a worker in one line."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return self._explained(super().__iter__())

    @staticmethod
    def _explained(batches: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from batches
        except RuntimeError as error:
            meaning = next((said for words, said in _ENDINGS if words in str(error)), None)
            if meaning is None:
                raise
            raise InputError(f"{meaning}; the same command goes on from the last checkpoint") from error


def stop_workers(loader: DataLoader[Any]) -> None:
    """End the worker processes of a loader whose iteration was left early.

    They would live on as long as anything refers to the iterator, such as the traceback of an error; and where the
    garbage collector finds it in a cycle, their queues may go first, and each worker is waited for in vain.
    """
    iterator = loader._iterator
    if iterator is not None and hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()
    loader._iterator = None


def _start_worker(_worker: int) -> None:
    """Keep a worker to one core, since there are as many workers as cores are to be used, and to its parent's life."""
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    Queue._on_queue_feeder_error = staticmethod(_end_of_worker)  # type: ignore[attr-defined]
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_of_worker(_error: Exception, _batch: Any) -> NoReturn:
    """End this process where a batch cannot be handed over, as when shared memory is full (64 MB in some containers).

    Python would print a traceback and go on with the next batch, and the parent wait for this one for ever.
    """
    os._exit(1)


def _end_with_parent(parent: int) -> None:
    """End this process when its parent has ended.

    Torch's own check is made between two samples. A worker whose parent was killed while it handed over a sample waits
    for ever: somebody must read the pipe, and the pipe stays open, because the workers themselves hold its other end.
    """
    while os.getppid() == parent:
        time.sleep(_CHECK_SECONDS)
    os._exit(1)


class SampleKey(NamedTuple):
    """The argument of a dataset's `__getitem__`: a sample and its occurrence in the run.

    Attributes:
        epoch: From 0.
        draw: Pass over the samples within the epoch, from 0.
        sample: Number of the sample.
    """

    epoch: int
    draw: int
    sample: int


class EpochSampler(Sampler[SampleKey]):
    """Yields the keys of an epoch: every sample once a pass, each pass in an order of its own.

    Processes share one order and take turns in it (process r takes positions r, r + world, ...): the same samples
    meet in a global batch whatever the number of processes. The last positions that do not fill a turn are left out.

    Args:
        n: Number of samples.
        seed: Of the run.
        repeat: Passes over the samples in an epoch.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(self, n: int, seed: int, *, repeat: int = 1, rank: int = 0, world: int = 1) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"expected a rank from 0 to {world - 1}, got {rank}")
        self.n, self.seed, self.repeat, self.rank, self.world = n, seed, repeat, rank, world
        self._epoch = 0
        self._skip = 0

    def set_epoch(self, epoch: int, skip: int = 0) -> None:
        """Choose the epoch, and how many of this process's samples of it are already done."""
        self._epoch, self._skip = epoch, skip

    def __len__(self) -> int:
        return self.n * self.repeat // self.world - self._skip

    def __iter__(self) -> Iterator[SampleKey]:
        order = np.concatenate([self._order(draw) for draw in range(self.repeat)])
        whole = len(order) // self.world * self.world
        for position in range(self.rank + self._skip * self.world, whole, self.world):
            yield SampleKey(self._epoch, position // self.n, int(order[position]))

    def _order(self, draw: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.random.default_rng((self.seed, self._epoch, draw)).permutation(self.n)


def generator_of(seed: int, key: SampleKey) -> np.random.Generator:
    """Return the generator for everything random about one sample: crop, augmentation, noise.

    It depends on nothing but the seed and the key: the same with any number of workers, and after a restart.
    """
    return np.random.default_rng((seed, key.epoch, key.draw, key.sample))
