"""Where the model runs."""

import resource
import sys

import torch

from kuzushiji.engine.processes import local_rank, local_world_size, world_size
from kuzushiji.errors import InputError


def resolve_device(name: str) -> torch.device:
    """Return the device of that name, made ready for use.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: CUDA where there is one, else MPS, else the CPU. With
            several processes `cuda` is a GPU for each.

    Raises:
        InputError: the name is unknown, this machine lacks the device, or has fewer GPUs than processes.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device: expected auto, cpu, cuda, cuda:N or mps, got {name!r}") from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if world_size() > 1:
            device = _own_gpu(device, count)
        if (device.index or 0) >= count:
            raise InputError(f"--device: expected a device of this machine, got {name} ({count} CUDA devices here)")
        torch.cuda.set_device(device)
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("--device: expected a device of this machine, got mps (not available here)")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device: expected auto, cpu, cuda, cuda:N or mps, got {name!r}")
    return device


def _own_gpu(device: torch.device, count: int) -> torch.device:
    if device.index is not None:
        raise InputError(f"--device {device}: with several processes each has its own GPU, expected cuda or auto")
    if local_world_size() > max(count, 1):
        raise InputError(
            f"torchrun: expected at most one process a GPU, --nproc_per_node {count} here, got {local_world_size()}"
        )
    return torch.device("cuda", local_rank())


def set_benchmark(enabled: bool) -> None:
    """Let cuDNN time its algorithms for each new shape: pays when shapes repeat, costs when they do not."""
    torch.backends.cudnn.benchmark = enabled


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory that this process and the device have had in use, MiB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    memory = {"peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit}
    if device.type == "cuda":
        memory["peak_device_memory_mib"] = torch.cuda.max_memory_allocated(device) >> 20
    return memory
