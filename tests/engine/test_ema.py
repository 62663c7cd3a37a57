"""The averaged weights, worked by hand."""

import pytest
import torch
from torch import nn

from kuzushiji.engine.update import Ema


def test_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    ema = Ema(model, 0.2)
    expected = 0.0
    for update, value in enumerate([1.0, 3.0, -2.0], start=1):
        nn.init.constant_(model.weight, value)
        ema.update()
        decay = min(0.2, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * value
    assert float(ema.model.weight) == pytest.approx(expected)


def test_the_first_weights_are_soon_forgotten():
    """With a decay of 0.999 alone, 90 % of the random start would remain after 100 updates."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 100.0)
    ema = Ema(model, 0.999)
    nn.init.constant_(model.weight, 0.0)
    for _ in range(100):
        ema.update()
    assert abs(float(ema.model.weight)) < 0.1


def test_statistics_follow_and_counters_are_copied():
    model = nn.BatchNorm1d(2)
    ema = Ema(model, 0.5)
    model(torch.randn(8, 2) + 5)
    ema.update()
    assert 0 < float(ema.model.running_mean[0]) <= float(model.running_mean[0])
    assert int(ema.model.num_batches_tracked) == int(model.num_batches_tracked) == 1


def test_the_average_is_in_eval_mode_without_gradients_and_apart():
    model = nn.Linear(2, 2).train()
    ema = Ema(model, 0.9)
    assert not ema.model.training
    assert not any(p.requires_grad for p in ema.model.parameters())
    assert all(p.requires_grad for p in model.parameters())
    assert ema.model.weight.data_ptr() != model.weight.data_ptr()


def test_state_round_trip():
    model = nn.Linear(2, 2)
    ema, other = Ema(model, 0.9), Ema(nn.Linear(2, 2), 0.9)
    ema.update()
    other.load_state_dict(ema.state_dict())
    assert other.updates == 1
    torch.testing.assert_close(other.model.state_dict(), ema.model.state_dict())


@pytest.mark.parametrize("decay", [0, 1, -0.5])
def test_refuses(decay):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Ema(nn.Linear(1, 1), decay)
