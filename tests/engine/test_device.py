"""Devices by name; this machine may have any."""

import pytest
import torch

from kuzushiji.engine.device import peak_memory, resolve_device, set_benchmark
from kuzushiji.errors import InputError


def pretend(monkeypatch, *, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "expected"),
    [
        (0, False, "auto", "cpu"),
        (0, True, "auto", "mps"),
        (2, True, "auto", "cuda"),
        (2, False, "cuda:1", "cuda:1"),
        (1, False, "cpu", "cpu"),
        (0, True, "mps", "mps"),
    ],
)
def test_resolve(monkeypatch, cuda, mps, name, expected):
    pretend(monkeypatch, cuda=cuda, mps=mps)
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "expected auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
        ("", "expected auto, cpu, cuda"),
        ("meta", "expected auto, cpu, cuda, cuda:N or mps, got 'meta'"),
        ("cuda", "got cuda (0 CUDA devices here)"),
        ("cuda:3", "got cuda:3 (0 CUDA devices here)"),
        ("mps", "got mps (not available here)"),
    ],
)
def test_what_is_not_here(monkeypatch, name, message):
    pretend(monkeypatch, cuda=0, mps=False)
    with pytest.raises(InputError) as error:
        resolve_device(name)
    assert str(error.value).startswith("--device: ")
    assert message in str(error.value)


def test_benchmark_mode(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    set_benchmark(True)
    assert torch.backends.cudnn.benchmark


def test_peak_memory():
    assert 10 < peak_memory(torch.device("cpu"))["peak_memory_mib"] < 100_000
