"""Devices by name; this machine may have any."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from kuzushiji.engine import device as device_module
from kuzushiji.engine.device import peak_memory, resolve_device, set_benchmark, shapes_vary, why_no_cuda
from kuzushiji.errors import InputError
from tests.cuda_stand_in import cuda_stand_in


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: int, mps: bool) -> AbstractContextManager[Any]:
    """Return the context of a machine with so many CUDA devices."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    if cuda:
        return cuda_stand_in(devices=cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    return nullcontext()


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "expected"),
    [
        (0, False, "auto", "cpu"),
        (0, True, "auto", "mps"),
        (2, True, "auto", "cuda:0"),  # with its number: torch.cuda.set_device takes no other
        (2, True, "cuda", "cuda:0"),
        (2, False, "cuda:1", "cuda:1"),
        (1, False, "cpu", "cpu"),
        (0, True, "mps", "mps"),
    ],
)
def test_resolve(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, name: str, expected: str) -> None:
    with machine(monkeypatch, cuda=cuda, mps=mps):
        assert resolve_device(name) == torch.device(expected)
        if expected.startswith("cuda"):
            assert torch.cuda.current_device() == torch.device(expected).index


@pytest.mark.parametrize(
    ("cuda", "name", "message"),
    [
        (0, "gpu", "expected auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
        (0, "", "expected auto, cpu, cuda"),
        (0, "meta", "expected auto, cpu, cuda, cuda:N or mps, got 'meta'"),
        (0, "cuda", "got cuda (0 CUDA devices here"),
        (0, "cuda:3", "got cuda:3 (0 CUDA devices here"),
        (2, "cuda:2", "got cuda:2 (2 CUDA devices here)"),
        (0, "mps", "got mps (not available here)"),
    ],
)
def test_what_is_not_here(monkeypatch: pytest.MonkeyPatch, cuda: int, name: str, message: str) -> None:
    with machine(monkeypatch, cuda=cuda, mps=False), pytest.raises(InputError) as error:
        resolve_device(name)
    assert str(error.value).startswith("--device: ")
    assert message in str(error.value)


TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading "
    "and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx Alternatively, go to: "
    "https://pytorch.org to install a PyTorch version that has been compiled with your version of the CUDA driver."
)


@pytest.mark.parametrize(
    ("error", "built_for", "driver", "reason"),
    [
        (
            RuntimeError(TOO_OLD),
            "13.0",
            True,
            "its NVIDIA driver is too old (for CUDA 11.4), this PyTorch needs one for CUDA 13.0: update the driver, or "
            'install a PyTorch for an older CUDA (pytorch.org, "previous versions")',
        ),
        (
            AssertionError("Torch not compiled with CUDA enabled"),
            None,
            True,
            'this PyTorch is built for the CPU alone: install one for CUDA (pytorch.org, "get started")',
        ),
        (AssertionError("Torch not compiled with CUDA enabled"), None, False, ""),  # there is no GPU
        (RuntimeError("Found no NVIDIA driver on your system. Please check"), "13.0", False, ""),
        (RuntimeError("No CUDA GPUs are available"), "13.0", True, ""),  # CUDA_VISIBLE_DEVICES is empty
        (RuntimeError("Unexpected error from cudaGetDeviceCount().\nError 803"), "13.0", True,
         "Unexpected error from cudaGetDeviceCount()."),
    ],
)  # fmt: skip
def test_a_gpu_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    built_for: str | None,
    driver: bool,
    reason: str,
) -> None:
    """`auto` would train on the CPU without a word."""

    def fail() -> None:
        raise error

    if driver:
        (tmp_path / "version").touch()
    monkeypatch.setattr(device_module, "_NVIDIA_DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.cuda, "init", fail)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    for cached in (why_no_cuda, device_module._warn_once):
        cached.cache_clear()
    try:
        with machine(monkeypatch, cuda=0, mps=False), caplog.at_level(logging.WARNING):
            assert resolve_device("auto") == resolve_device("auto") == torch.device("cpu")
            assert [record.getMessage() for record in caplog.records] == [f"the GPU is not used: {reason}"] * bool(
                reason
            )
            with pytest.raises(InputError) as caught:
                resolve_device("cuda")
            assert str(caught.value).endswith(f"(0 CUDA devices here: {reason})" if reason else "devices here)")
    finally:
        why_no_cuda.cache_clear()


def test_convolutions_and_matrix_products_in_tf32_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = products.fp32_precision, convolutions.fp32_precision
    try:
        with cuda_stand_in():
            resolve_device("cuda")
        assert (products.fp32_precision, convolutions.fp32_precision) == ("tf32", "tf32")
    finally:
        products.fp32_precision, convolutions.fp32_precision = before


def test_benchmark_mode_is_for_shapes_that_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    set_benchmark(True)
    with pytest.raises(ValueError), shapes_vary():
        assert not torch.backends.cudnn.benchmark
        raise ValueError
    assert torch.backends.cudnn.benchmark


def test_peak_memory():
    assert 10 < peak_memory(torch.device("cpu"))["peak_memory_mib"] < 100_000
