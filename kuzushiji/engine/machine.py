"""The machine that a run works on: threads, device, number format, and the state of all random generators."""

import logging
import random
from typing import Any

import cv2
import numpy as np
import torch

from kuzushiji.engine.device import peak_memory, resolve_device, set_benchmark
from kuzushiji.engine.precision import AUTO, Precision, best_level
from kuzushiji.engine.processes import gathered, rank, world_size

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


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - libraries still draw from the global generator
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """Return the states of all generators, as tensors and plain values: fit for `torch.load(weights_only=True)`."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    version, internal, gauss_next = random.getstate()
    return {
        "python": [version, list(internal), gauss_next],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": _cuda_states(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set all generators to a state that `random_state` returned; those of devices only if this machine has them."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == len(_cuda_states()):
        for number, of_device in enumerate(state["cuda"]):
            torch.cuda.set_rng_state(of_device, number if world_size() == 1 else torch.cuda.current_device())


def _cuda_states() -> list[torch.Tensor]:
    """Return the states of all GPUs; one of several processes touches only its own."""
    if not torch.cuda.is_available():
        return []
    return torch.cuda.get_rng_state_all() if world_size() == 1 else [torch.cuda.get_rng_state()]


class RandomState:
    """The states of all generators at a chosen moment, as a part of a checkpoint; loading it sets the generators.

    With several processes it holds the states of all, and each takes its own; with another number of processes than
    before, each continues with the first one's, with its torch generator seeded again.
    """

    def __init__(self) -> None:
        self._state = random_state()

    def capture(self) -> None:
        """Choose this moment; all processes meet here."""
        states = gathered(random_state())
        self._state = states[0] if len(states) == 1 else {"processes": states}

    def state_dict(self) -> dict[str, Any]:
        """Return the states at the last `capture`."""
        return self._state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Bring all generators to these states."""
        self._state = state
        states = state.get("processes", [state])
        if len(states) == world_size():
            set_random_state(states[rank()])
        else:
            set_random_state(states[0])
            torch.manual_seed(torch.initial_seed() + rank())
