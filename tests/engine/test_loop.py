"""The loop on a network of two layers: what lands in the folder, and that an interruption leaves no trace."""

import dataclasses
import json
import math
import signal
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.loader import build_loader
from kuzushiji.engine.loop import CHECKPOINT, EVENTS, METRICS, MODEL_BEST, fit, updates_per_epoch
from kuzushiji.engine.optim import build_optimizer
from kuzushiji.engine.random_state import seed_everything
from kuzushiji.engine.sampler import EpochSampler, SampleKey, generator_of
from kuzushiji.engine.schedule import build_factor
from kuzushiji.engine.signals import Stopped
from kuzushiji.engine.training import StepOutput, Training
from kuzushiji.errors import InputError

SEED = 3


class Noisy(Dataset):
    """Ten points with noise that depends on the key alone; y = sum of the coordinates."""

    def __getitem__(self, key: SampleKey):
        noise = generator_of(SEED, key).normal(size=4)
        x = torch.arange(4) + key.sample + torch.from_numpy(noise).float()
        return x / 10, x.sum(0, keepdim=True) / 10


class Killed(Exception):
    """Stands for whatever ends a process without warning."""


def make_training(folder: Path, **changes) -> Training:
    """Return a run with everything that has a state: dropout, momentum, schedule, average."""
    seed_everything(SEED)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    sampler = EpochSampler(10, SEED, repeat=2)
    loader = build_loader(Noisy(), 3, sampler=sampler, drop_last=True)  # 6 batches an epoch
    epochs = changes.get("epochs", 4)
    training = Training(
        stage="toy.train",
        folder=folder,
        parameters={"lr": 0.1, "epochs": epochs},
        meta={"codes": ["a", "b"]},
        model=model,
        optimizer=build_optimizer(model.parameters(), "sgd", 0.1),
        factor=build_factor(updates_per_epoch(len(loader), 4) * epochs, use_cosine=True, warmup_steps=3),
        loader=loader,
        sampler=sampler,
        step=lambda batch: StepOutput(nn.functional.mse_loss(model(batch[0]), batch[1]), len(batch[0])),
        epochs=epochs,
        evaluate=lambda model: {"f1": float(model[3].weight.detach().abs().sum())},
        accumulation_steps=4,
        max_grad_norm=1.0,
        ema_decay=0.9,
        log_every=1,
    )
    return dataclasses.replace(training, **changes)


def raising_after(step, calls: int, error: BaseException | int):
    """Return `step`, but its call number `calls` raises the error or sends this process the signal."""
    count = 0

    def wrapped(argument):
        nonlocal count
        count += 1
        if count == calls:
            if isinstance(error, int):
                signal.raise_signal(error)
            else:
                raise error
        return step(argument)

    return wrapped


def events_without_seconds(folder: Path) -> list[dict]:
    lines = (folder / EVENTS).read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def assert_same_runs(one: Path, other: Path) -> None:
    for name in (CHECKPOINT, MODEL_BEST):
        a, b = load_checkpoint(one / name), load_checkpoint(other / name)
        for state in (a, b):
            state.get("progress", {}).pop("seconds", None)
        assert_equal(a, b, name)
    assert events_without_seconds(one) == events_without_seconds(other)
    a, b = (json.loads((folder / METRICS).read_text()) for folder in (one, other))
    assert a | {"seconds": 0} == b | {"seconds": 0}


def assert_equal(a, b, where: str) -> None:
    """Bit for bit."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}/{number}")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    fit(make_training(folder))
    return folder


# 6 batches an epoch, groups of 4 + 2: updates after batches 4 and 6, 10 and 12, ...
INTERRUPTIONS = [
    ("step", 1, Killed()),  # before anything is written
    ("step", 9, Killed()),  # in the middle of epoch 2: it is repeated from its start
    ("evaluate", 2, Killed()),  # between the last batch of an epoch and its checkpoint
    ("step", 8, signal.SIGTERM),  # in the middle of a group: stops after its update, within the epoch
    ("step", 12, signal.SIGINT),  # in the last batch of an epoch: nothing but the evaluation is left
    ("evaluate", 3, signal.SIGTERM),  # stops at once
    ("evaluate", 4, signal.SIGTERM),  # the last evaluation of all
    ("step", 24, signal.SIGTERM),  # the last batch of all
]


@pytest.mark.parametrize(("where", "calls", "error"), INTERRUPTIONS)
def test_fault_5_interrupted_equals_uninterrupted(tmp_path, undisturbed, where, calls, error):
    training = make_training(tmp_path)
    broken = dataclasses.replace(training, **{where: raising_after(getattr(training, where), calls, error)})
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(Killed if isinstance(error, Killed) else Stopped):
        fit(broken)
    assert before == {number: signal.getsignal(number) for number in before}
    fit(make_training(tmp_path))
    assert_same_runs(tmp_path, undisturbed)
