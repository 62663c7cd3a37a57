"""The machine that a run works on: threads, device, number format, random generators."""

import cv2
import torch

from kuzushiji.engine.device import resolve_device, set_benchmark
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.random_state import seed_everything
from kuzushiji.machine_options import MachineOptions


def set_up(options: MachineOptions, *, training: bool = False) -> Precision:
    """Choose threads, device and number format, and seed all generators.

    Raises:
        InputError: this machine lacks the device, or the device the number format.
    """
    use_threads(options.threads)
    set_benchmark(training and options.benchmark)
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
