"""Losses are read late and counted as if each had been read at once."""

import math

import pytest
import torch

from kuzushiji.engine.progress import Losses, Progress, StepOutput
from kuzushiji.errors import InputError


def output(loss: float, weight: float = 2, **metrics: float) -> StepOutput:
    values = {name: torch.tensor(value) for name, value in metrics.items()}
    return StepOutput(torch.tensor(loss, requires_grad=True), weight, values, [f"page_{loss}"])


def test_counted_as_if_read_at_once():
    batches = [output(0.1, 3, accuracy=0.5), output(0.7, 1, accuracy=1.0), output(0.3, 7, accuracy=0.2)]
    at_once, late = Progress(), Progress()
    losses = Losses("toy", at_once)
    for number, batch in enumerate(batches):
        losses.add(batch, number, 0.1)
        losses.read()
    losses = Losses("toy", late)
    for number, batch in enumerate(batches):
        losses.add(batch, number, 0.1)
    assert late.means() == {}
    assert losses.values() == pytest.approx([0.1, 0.7, 0.3])
    losses.read()
    assert late.state_dict() == at_once.state_dict()  # bit for bit
    assert losses.values() == []


def test_nothing_to_read():
    progress = Progress()
    assert Losses("toy", progress).read() is False
    assert progress.means() == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_loss_that_is_not_finite_is_named(bad):
    losses = Losses("toy", Progress(epoch=2))
    for number, loss in enumerate([0.1, bad, math.nan]):
        losses.add(output(loss), 40 + number, 0.01)
    expected = rf"toy: expected a finite loss, got {bad} in epoch 3, step 42 \(learning rate 0.01, samples page_{bad}\)"
    with pytest.raises(InputError, match=expected):
        losses.read()


def test_nothing_waits_for_the_device_before_it_is_read(monkeypatch):
    """No value leaves the device at a step."""

    def forbidden(*_: object) -> None:
        raise AssertionError("a value was read")

    losses = Losses("toy", Progress())
    with monkeypatch.context() as patch:
        for name in ("item", "tolist", "cpu", "__float__", "__bool__"):
            patch.setattr(torch.Tensor, name, forbidden)
        for number in range(5):
            losses.add(output(0.5, accuracy=1.0), number, 0.1)
    assert losses.values() == [0.5] * 5


def test_asked_to_stop():
    assert Losses("toy", Progress()).read(stop=True) is True
