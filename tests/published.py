"""Weights files as they are published, made here: each tensor holds one number of its own, and takes a few bytes."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn


def write_published(path: Path, name: str) -> dict[str, float]:
    """Write a file with all layers of a torchvision network, and return the number in each."""
    with torch.device("meta"):
        whole = torchvision.models.get_model(name).state_dict()
    numbers = {key: float(place + 1) / 8 for place, key in enumerate(whole) if not key.endswith("num_batches_tracked")}
    torch.save({key: torch.tensor(value).expand(whole[key].shape) for key, value in numbers.items()}, path)
    return numbers


def assert_filled(module: nn.Module, numbers: dict[str, float]) -> None:
    """Every parameter and buffer of the module holds the number that the file has under its name."""
    state = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert state
    for key, value in state.items():
        assert torch.equal(value, torch.full_like(value, numbers[key])), key


def without_random_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the random numbers that a large network begins with."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_", "trunc_normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)
