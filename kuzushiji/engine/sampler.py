"""The order of samples as a pure function of seed and epoch, so that a restart loses and repeats none."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler


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
