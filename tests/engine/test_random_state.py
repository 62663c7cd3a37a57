"""All generators go on where they were, also after a trip through a file without pickled code."""

import random

import numpy as np
import pytest
import torch

from kuzushiji.engine.machine import RandomState, random_state, seed_everything, set_random_state

DRAWS = {
    "python": random.random,
    "python, normal": lambda: random.gauss(0, 1),  # keeps every second number for later
    "numpy": lambda: float(np.random.rand()),  # noqa: NPY002
    "numpy, normal": lambda: float(np.random.randn()),  # noqa: NPY002
    "torch": lambda: float(torch.rand(())),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("before", [0, 1, 2])
def test_goes_on(tmp_path, draw, before):
    seed_everything(7)
    for _ in range(before):
        draw()
    torch.save(random_state(), tmp_path / "state.pth")
    expected = [draw() for _ in range(3)]
    set_random_state(torch.load(tmp_path / "state.pth", weights_only=True))
    assert [draw() for _ in range(3)] == expected


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_seed(draw):
    seed_everything(2**40 + 1)  # more than NumPy takes
    first = draw()
    seed_everything(2**40 + 1)
    assert draw() == first


def test_the_captured_moment_is_what_is_kept():
    state = RandomState()
    state.capture()
    expected = torch.rand(2)
    torch.rand(5)
    state.load_state_dict(state.state_dict())
    torch.testing.assert_close(torch.rand(2), expected)


def test_one_of_several_processes_touches_only_its_own_gpu(monkeypatch):
    """Each look at a GPU's generator would take half a gigabyte of it."""
    looked_at: list[object] = []
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: torch.tensor([7], dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: looked_at.append((int(state), device)))
    state = random_state()
    assert [int(of_device) for of_device in state["cuda"]] == [7]
    set_random_state(state)
    assert looked_at == [(7, 2)]
