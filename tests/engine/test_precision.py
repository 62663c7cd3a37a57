"""Number formats by level."""

import pytest
import torch
from torch import nn

from kuzushiji.engine import precision as of_precision
from kuzushiji.engine.precision import Precision, best_level, place
from kuzushiji.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("level", "dtype"), [("O0", torch.float32), ("O1", torch.bfloat16)])
def test_levels_on_the_cpu(level, dtype):
    precision = Precision.from_level(level, CPU)
    assert precision.dtype == dtype
    assert not precision.scaler.is_enabled()
    with precision.autocast():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype
    assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)])
def test_float16_with_a_scaler_where_the_device_only_emulates_bfloat16(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    precision = Precision.from_level("O1", torch.device("cuda"))
    assert precision.dtype == dtype
    assert precision.scaler.is_enabled() == (dtype == torch.float16)


def test_a_scale_that_a_checkpoint_lacks_starts_anew(caplog):
    """O1 is bfloat16, without a scale, on one device and float16 on another, where the run goes on; and back."""
    without, with_scale = Precision(CPU, torch.bfloat16), Precision(CPU, torch.float16)
    with caplog.at_level("INFO"):
        with_scale.scaler.load_state_dict(without.scaler.state_dict())
    assert [record.message for record in caplog.records] == [
        "the checkpoint is of a device with another number format: the gradients' scale starts anew"
    ]
    caplog.clear()
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    with_scale.backward(weight.sum())
    with_scale.step(optimizer)
    assert weight.tolist() == [0.5, 0.5]
    other = Precision(CPU, torch.float16)
    other.scaler.load_state_dict({**with_scale.scaler.state_dict(), "scale": 8.0})
    assert other.scaler.get_scale() == 8.0
    without.scaler.load_state_dict(with_scale.scaler.state_dict())
    assert not without.scaler.is_enabled() and not caplog.records


def test_a_gpu_that_does_not_compute_in_half_precision(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (3, 5))
    with pytest.raises(InputError, match="--opt-level O1: cuda does not compute in half precision, expected --opt-le"):
        Precision.from_level("O1", torch.device("cuda"))


def test_a_device_without_autocast():
    with pytest.raises(InputError, match="--opt-level O1: meta does not compute in half precision"):
        Precision.from_level("O1", torch.device("meta"))


@pytest.mark.parametrize(("level", "dtype"), [("O0", torch.float32), ("O1", torch.bfloat16), ("O3", torch.bfloat16)])
def test_models_of_apex_are_applied_under_autocast(level, dtype):
    assert Precision.for_inference(level, CPU).dtype == dtype


@pytest.mark.parametrize("level", ["O4", "o1", ""])
def test_unknown_levels(level):
    with pytest.raises(InputError, match="--opt-level: expected one of auto, O0, O1"):
        Precision.from_level(level, CPU)


def test_place_lays_convolutions_out_with_the_channels_last():
    model = place(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(2, 2)), CPU)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert model[1].weight.is_contiguous()


@pytest.mark.parametrize(
    ("has_amx", "gain", "capability", "device", "level"),
    [
        (True, None, None, "cpu", "O1"),
        (False, 1.9, None, "cpu", "O1"),
        (False, 0.6, None, "cpu", "O0"),  # some processors with AVX-512-BF16 are slower in mixed precision
        (False, None, None, "cpu", "O0"),  # without it all are
        (False, None, (9, 0), "cuda:0", "O1"),
        (False, None, (6, 1), "cuda:0", "O0"),
        (True, None, None, "mps", "O0"),
    ],
)
def test_the_machine_chooses(monkeypatch, has_amx, gain, capability, device, level):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: gain is not None)
    monkeypatch.setattr(of_precision, "_trial_gain", lambda: gain)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert best_level(torch.device(device)) == level
    if device == "cpu":
        name = {"O0": "float32", "O1": "bfloat16"}[level]
        assert Precision.from_level("auto", torch.device(device)).name == name
        assert Precision.for_inference("auto", torch.device(device)).name == name


def test_the_trial_of_a_processor_leaves_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with torch.no_grad():
        assert of_precision._trial_gain.__wrapped__() > 0
    assert torch.equal(torch.rand(4), expected)
