"""The device that a model runs on, and its errors of full memory."""

import functools
import logging
import re
import resource
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from kuzushiji.engine.processes import is_main, local_rank, local_world_size, world_size
from kuzushiji.errors import InputError

logger = logging.getLogger(__name__)

_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_NO_GPU = ("Found no NVIDIA driver", "No CUDA GPUs are available", "not compiled with CUDA")


def resolve_device(name: str) -> torch.device:
    """Return the device of that name, made ready for use; a CUDA device has its number.

    On GPUs from Ampere on, float32 convolutions and matrix products are computed in TF32.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`: CUDA where there is one, else MPS, else the CPU. Where there
            is a GPU that cannot be used, a warning says why. With several processes `cuda` is a GPU for each.

    Raises:
        InputError: the name is unknown, this machine lacks the device, or has fewer GPUs than processes.
    """
    if name == "auto":
        name = _best_device()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device: expected auto, cpu, cuda, cuda:N or mps, got {name!r}") from error
    if device.type == "cuda":
        device = _cuda_device(device)
        torch.cuda.set_device(device)
        _use_tf32()
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("--device: expected a device of this machine, got mps (not available here)")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device: expected auto, cpu, cuda, cuda:N or mps, got {name!r}")
    return device


def _best_device() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a paragraph on a driver that is too old
        if torch.cuda.is_available():
            return "cuda"
    if is_main() and why_no_cuda():
        _warn_once(f"the GPU is not used: {why_no_cuda()}")
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _cuda_device(device: torch.device) -> torch.device:
    """Return the device with its number: `cuda` is the GPU of this process."""
    count = torch.cuda.device_count()
    if world_size() > 1:
        _check_own_gpu(device, count)
    index = local_rank() if device.index is None else device.index
    if index >= count:
        reason = why_no_cuda()
        here = f"{count} CUDA devices here{': ' if reason else ''}{reason}"
        raise InputError(f"--device: expected a device of this machine, got {device} ({here})")
    return torch.device("cuda", index)


def _check_own_gpu(device: torch.device, count: int) -> None:
    if device.index is not None:
        raise InputError(f"--device {device}: with several processes each has its own GPU, expected cuda or auto")
    if local_world_size() > max(count, 1):
        raise InputError(
            f"torchrun: expected at most one process a GPU, --nproc_per_node {count} here, got {local_world_size()}"
        )


@functools.cache
def why_no_cuda() -> str:
    """Return why torch cannot use the GPU that is here, and what to install; empty where there is none."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return ""
    except (AssertionError, RuntimeError) as error:
        said = str(error)
    if "driver on your system is too old" in said:
        return (
            f"its NVIDIA driver is too old{_cuda_of_driver(said)}, this PyTorch needs one for CUDA "
            f"{torch.version.cuda}: update the driver, or install a PyTorch for an older CUDA (pytorch.org, "
            '"previous versions")'
        )
    if torch.version.cuda is None and torch.version.hip is None and _NVIDIA_DRIVER.exists():
        return 'this PyTorch is built for the CPU alone: install one for CUDA (pytorch.org, "get started")'
    if any(words in said for words in _NO_GPU):
        return ""
    return (said.splitlines() or ["no reason given"])[0]


def _cuda_of_driver(said: str) -> str:
    """Return the CUDA version of a driver out of torch's message: `found version 11040` is CUDA 11.4."""
    found = re.search(r"found version (\d+)", said)
    return f" (for CUDA {int(found[1]) // 1000}.{int(found[1]) % 1000 // 10})" if found else ""


@functools.cache
def _warn_once(message: str) -> None:
    logger.warning("%s", message)


def _use_tf32() -> None:
    """Compute float32 convolutions and matrix products alike: left to itself torch uses TF32 for convolutions only.

    TF32 has float32's range and 10 bits of mantissa; networks train in it as in float32 (Stosic & Micikevicius 2021,
    "Accelerating AI training with NVIDIA TF32 tensor cores"). GPUs without it compute in float32.
    """
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]
    torch.backends.cuda.matmul.fp32_precision = "tf32"


def set_benchmark(enabled: bool) -> None:
    """Let cuDNN time its algorithms for each new shape: pays when shapes repeat, costs when they do not."""
    torch.backends.cudnn.benchmark = enabled


@contextmanager
def shapes_vary() -> Iterator[None]:
    """Keep cuDNN from timing its algorithms in the block: whole pages have ever new widths."""
    before = torch.backends.cudnn.benchmark
    set_benchmark(False)
    try:
        yield
    finally:
        set_benchmark(before)


def peak_memory(device: torch.device) -> dict[str, int]:
    """Return the most memory that this process and the device have had in use, MiB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    memory = {"peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit}
    if device.type == "cuda":
        memory["peak_device_memory_mib"] = torch.cuda.max_memory_allocated(device) >> 20
    return memory


_SAYS = {
    "machine": ("can't allocate memory", "not enough memory"),
    "device": (
        "CUBLAS_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_ALLOC_FAILED",
        "unable to find an engine", "CUDA error: out of memory", "Cuda failure 2 'out of memory'",
        "Cuda failure 'out of memory'", "MPS backend out of memory",
    ),
}  # fmt: skip
"""Whose memory is full, by words of errors that have no type of their own.

cuBLAS that cannot be initialised and cuDNN that finds no engine have too little memory for their workspace; NCCL names
the CUDA call that failed.
"""

SMALLER_NETWORK = "take a smaller network or --ema 0, or free what other programs hold"
"""What to do where a network does not fit, before any batch is there."""


@contextmanager
def enough_memory(what: str, advice: str) -> Iterator[None]:
    """Turn the error of a full memory, of the device or of the machine, into one line.

    Args:
        what: What is done in the block.
        advice: What to lower.

    Raises:
        InputError: the memory does not suffice.
    """
    try:
        yield
    except RuntimeError as error:
        whose = _full_memory(error)
        if whose is None:
            raise
        raise InputError(f"{what}: the memory of the {whose} does not suffice: {advice}") from error


def _full_memory(error: RuntimeError) -> str | None:
    """Return whose memory is full by an error's message, None for other errors."""
    if isinstance(error, torch.OutOfMemoryError):
        return "device"
    return next((whose for whose, words in _SAYS.items() if any(word in str(error) for word in words)), None)
