"""The machine that a run works on: threads, device, number format, random generators."""

import logging
from typing import Any

import cv2
import torch

from kuzushiji.engine.device import peak_memory, resolve_device, set_benchmark
from kuzushiji.engine.precision import AUTO, Precision, best_level
from kuzushiji.engine.random_state import seed_everything

logger = logging.getLogger(__name__)


def set_up(options: Any, *, training: bool = False) -> Precision:
    """Choose threads, device and number format, and seed all generators.

    Args:
        options: A config with the options of `kuzushiji.training_options`.
        training: Whether a network is trained.

    Raises:
        InputError: this machine lacks the device, or the device the number format.
    """
    use_threads(options.threads)
    set_benchmark(training and options.benchmark)
    seed_everything(options.seed)
    device = resolve_device(options.device)
    if options.opt_level == AUTO:
        logger.info("--opt-level auto: %s on %s", best_level(device), device)
    if training:
        return Precision.from_level(options.opt_level, device, options.amp_backend)
    return Precision.for_inference(options.opt_level, device)


def machine_facts(precision: Precision) -> dict[str, Any]:
    """Return the number format, and the most memory in use so far; see `peak_memory`."""
    return {"precision": precision.name, **peak_memory(precision.device)}


def use_threads(threads: int) -> None:
    """Let networks and pictures use so many threads on the CPU; 0 leaves it to the libraries: one a core."""
    if threads:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
