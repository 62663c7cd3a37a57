"""Out-of-memory errors as one line with the option to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kuzushiji.errors import InputError

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
