"""The machine that a run works on."""

import cv2
import torch

from kuzushiji.engine.device import resolve_device, set_benchmark
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.random_state import seed_everything
from kuzushiji.segment.config import SegmentConfig


def set_up(config: SegmentConfig) -> Precision:
    """Choose threads, device and number format, and seed all generators."""
    if config.threads:
        torch.set_num_threads(config.threads)
        cv2.setNumThreads(config.threads)
    set_benchmark(config.benchmark)
    seed_everything(config.seed)
    return Precision.from_level(config.opt_level, resolve_device(config.device))
