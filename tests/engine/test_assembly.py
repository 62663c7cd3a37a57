"""What is put around a model; several processes are tested in `tests/test_torchrun.py`."""

import copy

import pytest
import torch
from torch import nn

from kuzushiji.engine.assembly import assemble, bare_model, gradients_stay, uncompiled
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.precision import Precision
from kuzushiji.engine.update import Ema

CPU = Precision(torch.device("cpu"))


class Backbone(nn.Module):
    """A class of its own: the oldest torch compiles no bare `nn.Sequential`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).relu()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))


def test_one_process_trains_the_model_itself():
    model = Net()
    optimizer = build_optimizer(model.parameters(), "sgd", 0.1)
    assert assemble(model, optimizer, CPU) == (model, optimizer)
    with gradients_stay(model):
        model(torch.ones(1, 3)).sum().backward()
    assert model.head.weight.grad is not None


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Calls of torch.compile, which here compiles nothing but counts how often the result is called."""
    calls: list[dict[str, object]] = []

    def record(function, **options):
        calls.append({"called": 0, **options})

        def counted(*args):
            calls[-1]["called"] += 1
            return function(*args)

        return counted

    monkeypatch.setattr(torch, "compile", record)
    return calls


def test_compile_is_of_the_backbone_and_of_one_shape(compiled):
    model = Net()
    names, x = list(model.state_dict()), torch.ones(2, 3)
    expected = model(x)
    network, _ = assemble(model, build_optimizer(model.parameters(), "sgd", 0.1), CPU, compiled=True)
    torch.testing.assert_close(network(x), expected)
    assert [call["dynamic"] for call in compiled] == [False] and compiled[0]["called"] == 1
    assert list(network.state_dict()) == names  # a checkpoint does not tell
    assert bare_model(network) is model


def test_the_average_is_not_compiled(compiled):
    model, _ = assemble(net := Net(), build_optimizer(net.parameters(), "sgd", 0.1), CPU, compiled=True)
    Ema(model, 0.9).model(torch.ones(1, 3))
    copy.deepcopy(model)(torch.ones(1, 3))
    assert compiled[0]["called"] == 0


def test_torch_compiles_the_backbone_for_training_and_not_for_evaluation():
    """With the real one, and a backend that needs no C++ compiler."""
    graphs: list[object] = []

    def backend(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    model = Net()
    x = torch.ones(2, 3)
    expected = model(x)
    model.backbone.compile(backend=backend, dynamic=False)
    with uncompiled(model):
        torch.testing.assert_close(model(torch.ones(5, 3))[:2], expected)
    assert not graphs
    torch.testing.assert_close(model(x), expected)
    assert len(graphs) == 1
