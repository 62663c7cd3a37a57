"""Norms over all processes: here one, which must compute what torch's own does; `tests/test_torchrun.py` has two."""

from collections.abc import Iterator

import pytest
import timm
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from kuzushiji.engine import assembly
from kuzushiji.engine.assembly import with_common_statistics
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import Precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def group(tmp_path) -> Iterator[None]:
    """A group of one process."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def trained(model: nn.Module, inputs: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], dict[str, torch.Tensor]]:
    """The outputs, the gradients, and the state after one forward and backward pass."""
    outputs = model(inputs)
    outputs = outputs if isinstance(outputs, torch.Tensor) else outputs[-1]
    outputs.square().mean().backward()
    return outputs.detach(), [p.grad for p in model.parameters() if p.grad is not None], model.state_dict()


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5), norm1d())


def norm1d() -> nn.Module:
    return nn.BatchNorm1d(5, momentum=0.3)


def with_activation() -> nn.Module:
    """timm's norms bring their activation along."""
    return timm.create_model("mobilenetv4_conv_small", features_only=True, out_indices=[0, 1])


@pytest.mark.parametrize("build", [small, with_activation])
def test_one_process_computes_what_torch_does(build):
    inputs = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    results = []
    for convert in (lambda model: model, lambda model: with_common_statistics(model, CPU)):
        torch.manual_seed(0)
        model = build()
        with torch.no_grad():
            model(inputs[:2])
        results.append(trained(convert(model).train(), inputs))
    (outputs, gradients, state), (own_outputs, own_gradients, own_state) = results
    torch.testing.assert_close(own_outputs, outputs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own_gradients, gradients, rtol=1e-3, atol=1e-5)
    assert list(own_state) == list(state)  # a checkpoint does not tell how many processes made it
    torch.testing.assert_close(own_state, state, rtol=1e-3, atol=1e-5)


def test_frozen_norms_stay_as_they_are():
    model = with_common_statistics(small(), CPU)
    model(torch.randn(2, 3, 8, 8))
    model[1].eval()
    before = model[1].running_mean.clone()
    model(torch.randn(2, 3, 8, 8))
    assert torch.equal(model[1].running_mean, before)


def test_buffers_are_the_same_in_all_processes_without_being_sent_at_every_step(monkeypatch):
    monkeypatch.setattr(assembly, "world_size", lambda: 2)
    model = small()
    model(torch.randn(2, 3, 32, 32))
    network, _ = assembly.assemble(model, build_optimizer(model.parameters(), "sgd", 0.1), Precision(CPU))
    assert isinstance(network, DistributedDataParallel) and not network.will_sync_module_buffers()
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == 2 and all(type(norm).__name__ == "_CommonBatchNorm" for norm in norms)
