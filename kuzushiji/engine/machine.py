"""The machine that a run works on: threads, device, number format, random generators."""

from typing import Protocol

import cv2
import torch

from kuzushiji.engine.device import resolve_device, set_benchmark
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.random_state import seed_everything


class MachineOptions(Protocol):
    """Options that every stage with networks has."""

    @property
    def device(self) -> str:
        """Name of the device, as `resolve_device` takes it."""
        ...

    @property
    def threads(self) -> int:
        """Threads on the CPU; 0: one a core."""
        ...

    @property
    def benchmark(self) -> bool:
        """Whether cuDNN times its algorithms."""
        ...

    @property
    def opt_level(self) -> str:
        """Number format, as `Precision.from_level` takes it."""
        ...

    @property
    def amp_backend(self) -> str:
        """What mixes the precision in training, from there too."""
        ...

    @property
    def seed(self) -> int:
        """Of everything random."""
        ...


def set_up(options: MachineOptions, *, training: bool = False) -> Precision:
    """Choose threads, device and number format, and seed all generators.

    Raises:
        InputError: this machine lacks the device, or the device the number format.
    """
    use_threads(options.threads)
    set_benchmark(options.benchmark)
    seed_everything(options.seed)
    device = resolve_device(options.device)
    if training:
        return Precision.from_level(options.opt_level, device, options.amp_backend)
    return Precision.for_inference(options.opt_level, device)


def use_threads(threads: int) -> None:
    """Let networks and pictures use so many threads on the CPU; 0 leaves it to the libraries: one a core."""
    if threads:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
