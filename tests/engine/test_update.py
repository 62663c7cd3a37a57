"""Several batches make the update of one large batch."""

import numpy as np
import pytest
import torch
from torch import nn

from kuzushiji.engine.precision import Precision
from kuzushiji.engine.update import WeightUpdate, averaged_with_start

X = torch.arange(12.0).reshape(6, 2) / 10
Y = X.sum(dim=1, keepdim=True) + torch.tensor([[0.1], [-0.2], [0.3], [0.0], [0.5], [-0.4]])


class CpuFloat16(Precision):
    """Scales the loss as float16 needs it, on the CPU."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)


def weights_after(batches: list[slice], precision: Precision | None = None, **options) -> torch.Tensor:
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    update = WeightUpdate(optimizer, precision or Precision(torch.device("cpu")), **options)
    for _ in range(3):
        for part in batches:
            update.add(nn.functional.mse_loss(model(X[part]), Y[part]), len(X[part]))
            assert update.is_open
        update.finish()
        assert not update.is_open
    return torch.cat([p.detach().flatten() for p in model.parameters()])


GROUPS = [
    [slice(0, 3), slice(3, 6)],  # equal
    [slice(0, 1), slice(1, 6)],  # with different numbers of targets
    [slice(0, 5), slice(5, 6)],
    [slice(i, i + 1) for i in range(6)],
]


@pytest.mark.parametrize("batches", GROUPS)
@pytest.mark.parametrize("precision", [None, CpuFloat16()])
@pytest.mark.parametrize("options", [{}, {"max_grad_norm": 0.1}])
def test_fault_6_a_group_equals_the_large_batch(batches, precision, options):
    whole = weights_after([slice(0, 6)], **options)
    torch.testing.assert_close(weights_after(batches, precision, **options), whole, rtol=1e-4, atol=1e-6)


def test_batches_without_targets_change_nothing():
    def zero_loss(model):
        return model(X).sum() * 0

    model = nn.Linear(2, 1)
    before = model.weight.detach().clone()
    update = WeightUpdate(torch.optim.SGD(model.parameters(), lr=0.1), Precision(torch.device("cpu")))
    for weights in ([0], [0, 0]):
        for weight in weights:
            update.add(zero_loss(model), weight)
        update.finish()
    torch.testing.assert_close(model.weight.detach(), before)


def test_a_first_batch_without_targets_does_not_spoil_the_group():
    def updated(weights: list[int]) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        update = WeightUpdate(torch.optim.SGD(model.parameters(), lr=0.1), Precision(torch.device("cpu")))
        for weight in weights:
            update.add(nn.functional.mse_loss(model(X), Y) if weight else model(X).sum() * 0, weight)
        update.finish()
        return model.weight.detach()

    torch.testing.assert_close(updated([0, 6]), updated([6]))


def test_float16_skips_an_update_that_overflowed():
    model = nn.Linear(1, 1)
    before = model.weight.detach().clone()
    precision = CpuFloat16()
    update = WeightUpdate(torch.optim.SGD(model.parameters(), lr=0.1), precision)
    update.add(model(torch.ones(1, 1)).sum() * 3e38, 1)
    update.finish()
    torch.testing.assert_close(model.weight.detach(), before)
    assert precision.scaler.get_scale() == 512


def test_what_is_kept_is_the_average_with_the_start() -> None:
    """The trained model stays as it is, new rows of the head are kept as trained, counters are not averaged."""
    model = nn.Module()
    model.body, model.head = nn.BatchNorm1d(2), nn.Sequential(nn.Linear(2, 3))
    nn.init.zeros_(model.head[0].weight)
    kept = averaged_with_start(model, 0.25, np.array([False, False, True]))
    assert kept is not None
    nn.init.ones_(model.head[0].weight)
    model.body.running_mean.fill_(4)
    model.body.num_batches_tracked.fill_(7)
    for _ in range(2):  # as after each epoch
        found = kept(model).state_dict()
        assert found["head.0.weight"].tolist() == [[0.75, 0.75], [0.75, 0.75], [1, 1]]
        assert found["body.running_mean"].tolist() == [3, 3] and found["body.num_batches_tracked"] == 7
    assert model.head[0].weight.min() == 1 and not kept(model).training
    assert averaged_with_start(model, 0.0) is None
