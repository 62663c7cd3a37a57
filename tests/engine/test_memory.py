"""Too little memory: which errors are meant."""

import pytest
import torch

from kuzushiji.engine.device import enough_memory
from kuzushiji.errors import InputError


@pytest.mark.parametrize(
    ("error", "of"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "device"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), "machine"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), "machine"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "device"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "device"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), "device"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), "device"),
        (RuntimeError("GET was unable to find an engine to execute this computation"), "device"),
        (
            RuntimeError(
                "NCCL error in: NCCLUtils.hpp:317, unhandled cuda error, NCCL version 2.21.5\nncclUnhandledCudaError: "
                "Call to CUDA function failed.\nLast error:\nCuda failure 2 'out of memory'"
            ),
            "device",
        ),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB, max allowed: 9.07 GB)"), "device"),
    ],
)
def test_one_line_that_says_what_to_lower(error, of):
    expected = f"^pages: the memory of the {of} does not suffice: lower it$"
    with pytest.raises(InputError, match=expected), enough_memory("pages", "lower it"):
        raise error


def test_the_real_allocator():
    with pytest.raises(InputError, match="does not suffice"), enough_memory("pages", "lower it"):
        torch.empty(1 << 52, dtype=torch.uint8)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("pages", "lower it"):
        raise RuntimeError("shapes do not fit")
