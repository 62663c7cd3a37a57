"""The machine that a run works on."""

import cv2
import torch

from kuzushiji.engine.device import resolve_device, set_benchmark
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.random_state import seed_everything
from kuzushiji.segment.config import SegmentConfig


def set_up(config: SegmentConfig, *, training: bool = False) -> Precision:
    """Choose threads, device and number format, and seed all generators.

    Raises:
        InputError: this machine lacks the device, or the device the number format.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
        cv2.setNumThreads(config.threads)
    set_benchmark(config.benchmark)
    seed_everything(config.seed)
    device = resolve_device(config.device)
    if training:
        return Precision.from_level(config.opt_level, device, config.amp_backend)
    return Precision.for_inference(config.opt_level, device)
