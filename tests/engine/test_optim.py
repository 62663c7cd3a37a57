"""Optimizers by name; clipping."""

import pytest
import torch
from torch import nn

from kuzushiji.engine.optim import build_optimizer, clip_gradients, gradients_of
from kuzushiji.errors import InputError


def net() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    model[2].requires_grad_(False)
    return model


def test_sgd_lets_everything_decay_as_the_reference_does():
    optimizer = build_optimizer(net().parameters(), "sgd", 0.1, momentum=0.8, weight_decay=1e-4)
    assert [(len(g["params"]), g["lr"], g["momentum"], g["weight_decay"]) for g in optimizer.param_groups] == [
        (4, 0.1, 0.8, 1e-4)
    ]


def test_adamw_spares_biases_and_norms():
    optimizer = build_optimizer(net().parameters(), "adamw", 0.1, weight_decay=0.05)
    assert [(len(g["params"]), g["weight_decay"]) for g in optimizer.param_groups] == [(1, 0.05), (3, 0.0)]


def test_frozen_parameters_are_left_out():
    model = net()
    optimizer = build_optimizer(model.parameters(), "sgd", 0.1)
    assert not any(p is q for q in model[2].parameters() for g in optimizer.param_groups for p in g["params"])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_all_weights_are_updated_by_one_kernel_where_the_device_has_one(name):
    assert build_optimizer(net().parameters(), name, 0.1).defaults["fused"] is True
    on_meta = net().to("meta")  # stands for a device that has none
    assert build_optimizer(on_meta.parameters(), name, 0.1).defaults["fused"] is False


def test_unknown_name():
    with pytest.raises(InputError, match="--optimizer: expected one of sgd, adamw, got 'adam'"):
        build_optimizer(net().parameters(), "adam", 0.1)


@pytest.mark.parametrize(("limit", "length"), [(2.5, 2.5), (10.0, 5.0)])  # short gradients stay as they are
def test_clip_by_the_common_norm(limit, length):
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    optimizer = torch.optim.SGD([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=1)
    assert float(clip_gradients(optimizer, limit)) == pytest.approx(5)
    assert len(gradients_of(optimizer)) == 2
    assert float(torch.cat(gradients_of(optimizer)).norm()) == pytest.approx(length)
