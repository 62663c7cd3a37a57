"""The machine that a run of the networks works on."""

import resource
import sys

import cv2
import torch

from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.engine.device import resolve_device, set_benchmark
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.random_state import seed_everything


def set_up(config: ClassifyConfig) -> Precision:
    """Choose device, threads and number format, and seed all generators."""
    if config.threads:
        torch.set_num_threads(config.threads)
        cv2.setNumThreads(config.threads)
    set_benchmark(config.benchmark)
    seed_everything(config.seed)
    return Precision.from_level(config.opt_level, resolve_device(config.device))


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory that this process and the device had in use, MiB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    memory = {"peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit}
    if device.type == "cuda":
        memory["peak_device_memory_mib"] = torch.cuda.max_memory_allocated(device) >> 20
    return memory
