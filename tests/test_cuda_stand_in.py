"""The stand-in for a CUDA device does what such a device does, as far as our code meets it."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.cuda_driver import CUDA
from tests.cuda_stand_in import StandIn, cuda_stand_in

N = 4


def counted(device: StandIn) -> dict[str, int]:
    found: dict[str, int] = {}
    for (operation, _), number in device.waits.items():
        found[operation] = found.get(operation, 0) + number
    return found


def test_devices_are_not_mixed() -> None:
    with cuda_stand_in():
        there, here = torch.ones(N).to("cuda"), torch.ones(N)
        assert (there.device, there.is_cuda, here.is_cuda) == (CUDA, True, False)
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(RuntimeError, match="same device"):
            nn.Linear(N, 2).to("cuda")(here)
        with pytest.raises(TypeError, match="numpy"):
            np.asarray(there)
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(2, device="cuda", generator=torch.Generator())
        with pytest.raises(ValueError, match="specified index"):
            torch.cuda.set_device(torch.device("cuda"))
        assert (there * torch.tensor(2.0)).is_cuda  # a number of no dimension may come from the CPU
        assert there[torch.tensor([0, 1])].is_cuda  # and so may indices
        assert (there.cpu() + here).tolist() == [2.0] * N


def test_where_results_are() -> None:
    with cuda_stand_in():
        there = torch.ones(N, requires_grad=True, device="cuda")
        layer = nn.Linear(N, 2).cuda()
        layer(there).sum().backward()
        made = [there.grad, layer.weight.grad, there[1:], there.new_zeros(2), torch.zeros_like(there), there.detach()]
        assert all(isinstance(each, Tensor) and each.is_cuda for each in made)
        assert all(each.is_cuda for each in copy.deepcopy(layer).parameters())
        assert torch.as_tensor(np.ones(2), device="cuda").is_cuda
        assert not torch.zeros(2).is_cuda and not torch.zeros_like(there, device="cpu").is_cuda


WAITS = [
    # (what is done with a tensor there, one here, one here in pinned memory; what waits)
    (lambda there, here, pinned: there.sum().item(), {"_local_scalar_dense": 1}),
    (lambda there, here, pinned: bool(there.any()), {"_local_scalar_dense": 1}),
    (lambda there, here, pinned: there.nonzero(), {"nonzero": 1}),
    (lambda there, here, pinned: there[there > 0], {"index by mask": 1}),
    (lambda there, here, pinned: there.masked_fill_(there > 0, 0), {}),
    (lambda there, here, pinned: there.tolist(), {"tolist": 1}),
    (lambda there, here, pinned: there.cpu(), {"copy to the CPU": 1}),
    (lambda there, here, pinned: here.copy_(there), {"copy to the CPU": 1}),
    (lambda there, here, pinned: here.to("cuda"), {"blocking copy": 1}),
    (lambda there, here, pinned: torch.tensor([1.0], device="cuda"), {"blocking copy": 1}),
    (lambda there, here, pinned: here.to("cuda", non_blocking=True), {"copy from pageable memory": 1}),
    (lambda there, here, pinned: pinned.to("cuda", non_blocking=True), {}),
    (lambda there, here, pinned: torch.zeros(N, device="cuda") + there.mean(), {}),
    (lambda there, here, pinned: here.sum().item(), {}),
]


@pytest.mark.parametrize(("work", "waits"), WAITS)
def test_what_waits(work: object, waits: dict[str, int]) -> None:
    assert callable(work)
    with cuda_stand_in() as device:
        there, here = torch.ones(N).to("cuda"), torch.ones(N)
        pinned = here.pin_memory()
        device.reset()
        work(there, here, pinned)
        assert counted(device) == waits


def test_operations_are_counted_and_the_machine_is_as_before() -> None:
    with cuda_stand_in((7, 5), devices=2) as device:
        assert torch.cuda.device_count() == 2 and torch.cuda.get_device_capability(CUDA) == (7, 5)
        there = torch.ones(N, device="cuda")
        device.reset()
        (there.view(2, 2).mul(2)).sum()
        assert {operation for operation, _ in device.launches} == {"mul", "sum"}
    assert not torch.ones(N).is_cuda
    assert type(torch.Generator()) is torch.Generator
