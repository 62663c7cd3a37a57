"""The loop on a network of two layers: what lands in the folder, and that an interruption leaves no trace."""

import dataclasses
import json
import math
import os
import re
import signal
import threading
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.loader import EpochSampler, SampleKey, build_loader, generator_of
from kuzushiji.engine.loop import fit
from kuzushiji.engine.machine import seed_everything
from kuzushiji.engine.optim import build_factor, build_optimizer, updates_per_epoch
from kuzushiji.engine.progress import StepOutput
from kuzushiji.engine.signals import Stopped
from kuzushiji.engine.training_run import Training
from kuzushiji.errors import InputError
from kuzushiji.run_folder import CHECKPOINT, EVENTS, METRICS, MODEL_BEST

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


def test_fault_5_the_schedule_goes_on_where_it_was(tmp_path, undisturbed):
    """Rates of a run that was stopped and gone on with are those of one cosine over all epochs, warmed up once."""
    training = make_training(tmp_path)
    with pytest.raises(Stopped):
        fit(dataclasses.replace(training, step=raising_after(training.step, 13, signal.SIGTERM)))
    fit(make_training(tmp_path))
    rates = [event["lr"] for event in events_without_seconds(tmp_path) if event["kind"] == "train"]
    assert rates == [pytest.approx(0.1 * training.factor(step), rel=1e-6) for step in range(8)]
    assert rates == [event["lr"] for event in events_without_seconds(undisturbed) if event["kind"] == "train"]


def test_progress_means_the_next_epoch(undisturbed):
    progress = load_checkpoint(undisturbed / CHECKPOINT)["progress"]
    assert (progress["epoch"], progress["batches"], progress["updates"]) == (4, 0, 8)


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = fit(make_training(tmp_path, epochs=1))

    def fails(_):
        raise AssertionError("called")

    again = fit(make_training(tmp_path, epochs=1, step=fails, evaluate=fails))
    assert again == first


def test_fresh_starts_anew(tmp_path, undisturbed):
    other = make_training(tmp_path, parameters={"lr": 0.7})
    fit(dataclasses.replace(other, epochs=1))
    fit(make_training(tmp_path, fresh=True))
    assert_same_runs(tmp_path, undisturbed)


def test_checkpoints_say_what_they_are_of(tmp_path):
    """So that another run can tell, `checkpoint.may_go_on`."""
    fit(make_training(tmp_path, epochs=1, inputs={"in.csv": "0"}))
    for name in (CHECKPOINT, MODEL_BEST):
        meta = load_checkpoint(tmp_path / name)["meta"]
        assert meta["stage"] == "toy.train"
        assert (meta["parameters"], meta["inputs"]) == ({"lr": 0.1, "epochs": 1}, {"in.csv": "0"})


def test_any_number_of_workers_gives_the_same(tmp_path, undisturbed):
    training = make_training(tmp_path)
    loader = build_loader(Noisy(), 3, sampler=training.sampler, drop_last=True, workers=2)
    fit(dataclasses.replace(training, loader=loader))
    assert_same_runs(tmp_path, undisturbed)


# Accumulation, schedule


def plain_training(folder: Path, batch_size: int, accumulation_steps: int) -> Training:
    """Return a run without what depends on the batch size by design: batch norm, dropout."""
    training = make_training(folder)
    torch.manual_seed(SEED)
    model = nn.Linear(4, 1)
    return dataclasses.replace(
        training,
        model=model,
        optimizer=build_optimizer(model.parameters(), "sgd", 0.05),
        factor=build_factor(100, warmup_steps=2),
        loader=build_loader(Noisy(), batch_size, sampler=training.sampler, drop_last=True),
        step=lambda batch: StepOutput(nn.functional.mse_loss(model(batch[0]), batch[1]), len(batch[0])),
        evaluate=None,
        ema_decay=None,
        accumulation_steps=accumulation_steps,
    )


@pytest.mark.parametrize(("batch_size", "accumulation_steps"), [(1, 20), (2, 10), (5, 4), (2, 11)])
def test_fault_6_accumulation_equals_the_large_batch(tmp_path, batch_size, accumulation_steps):
    large = plain_training(tmp_path / "large", 20, 1)
    small = plain_training(tmp_path / "small", batch_size, accumulation_steps)
    fit(large)
    fit(small)
    torch.testing.assert_close(small.model.state_dict(), large.model.state_dict(), rtol=1e-5, atol=1e-6)


def test_fault_6_the_last_group_of_an_epoch_may_be_smaller(tmp_path):
    training = plain_training(tmp_path, 3, 4)  # 6 batches: groups of 4 and 2
    fit(training)
    steps = [event["step"] for event in events_without_seconds(tmp_path) if event["kind"] == "train"]
    assert steps == list(range(1, 9))


def test_fault_6_warm_up_happens_once(tmp_path):
    """An epoch is two passes over the samples: the second does not warm up again, nor does the second epoch."""
    training = plain_training(tmp_path, 5, 1)
    fit(dataclasses.replace(training, factor=build_factor(100, warmup_steps=4), epochs=2))
    rates = [event["lr"] / 0.05 for event in events_without_seconds(tmp_path) if event["kind"] == "train"]
    assert rates == pytest.approx([0.001, 0.25075, 0.5005, 0.75025, 1, 1, 1, 1], rel=1e-5)


# The best epoch


def scored(values: list[float], folder: Path, **changes) -> Training:
    """Return a run whose evaluations give these values; the metric `weight` identifies the evaluated model."""
    remaining = iter(values)

    def evaluate(model):
        return {"f1": next(remaining), "weight": float(model[0].weight.sum())}

    return make_training(folder, epochs=len(values), evaluate=evaluate, **changes)


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.5, 0.9, 0.7], 1),
        ([0.5, 0.9, 0.9], 1),  # of equals the first
        ([0.0, 0.0], 0),  # the first epoch is the best so far, however bad
        ([math.nan, 0.1], 1),
        ([0.1, math.nan], 0),
    ],
)
def test_fault_9_last_and_best_are_reported_side_by_side(tmp_path, values, best):
    result = fit(scored(values, tmp_path))
    assert (result.best_epoch, result.last_epoch) == (best, len(values) - 1)
    assert result.best["f1"] == values[best]
    assert result.last["f1"] == pytest.approx(values[-1], nan_ok=True)
    report = json.loads((tmp_path / METRICS).read_text())
    assert report["best"]["f1"] == values[best]
    assert report["last_epoch"] == len(values) - 1
    content = load_checkpoint(tmp_path / MODEL_BEST)
    assert content["meta"]["epoch"] == best
    assert content["meta"]["metrics"]["f1"] == values[best]
    assert content["meta"]["codes"] == ["a", "b"]
    assert float(content["model"]["0.weight"].sum()) == pytest.approx(result.best["weight"])


@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_the_evaluated_weights_are_those_that_are_kept(tmp_path, ema_decay):
    training = scored([0.1, 0.2], tmp_path, ema_decay=ema_decay)
    result = fit(training)
    kept = float(load_checkpoint(tmp_path / MODEL_BEST)["model"]["0.weight"].sum())
    raw = float(training.model[0].weight.detach().sum())
    assert kept == pytest.approx(result.last["weight"])
    assert (kept == pytest.approx(raw)) is (ema_decay is None)


def test_without_evaluation_the_last_epoch_is_the_best(tmp_path):
    training = make_training(tmp_path, evaluate=None, ema_decay=None)
    result = fit(training)
    assert (result.best_epoch, result.best, result.last_epoch, result.last) == (3, {}, 3, {})
    torch.testing.assert_close(load_checkpoint(tmp_path / MODEL_BEST)["model"], training.model.state_dict())


def test_evaluates_every_few_epochs_and_always_the_last(tmp_path):
    training = make_training(tmp_path, evaluate_every=3)
    fit(training)
    events = [event for event in events_without_seconds(tmp_path) if event["kind"] == "epoch"]
    assert [event["epoch"] for event in events if "valid_f1" in event] == [2, 3]


def test_evaluation_sees_eval_mode_and_training_train_mode(tmp_path):
    modes = []
    training = make_training(tmp_path, epochs=2, ema_decay=None)
    step = training.step

    def watching(batch):
        modes.append(training.model.training)
        return step(batch)

    def evaluate(model):
        modes.append(model.training)
        assert not torch.is_grad_enabled()
        return {"f1": 0.0}

    fit(dataclasses.replace(training, step=watching, evaluate=evaluate))
    assert modes == [True] * 6 + [False] + [True] * 6 + [False]


# What goes wrong


def test_a_loss_that_is_not_finite_stops_and_leaves_the_best_weights(tmp_path):
    fit(make_training(tmp_path, epochs=1))
    best = (tmp_path / MODEL_BEST).read_bytes()
    training = make_training(tmp_path, parameters={"lr": 0.1, "epochs": 1}, epochs=2)
    nan = StepOutput(torch.tensor(math.nan, requires_grad=True), samples=["page_7", "page_9"])
    with pytest.raises(InputError, match=r"finite loss, got nan in epoch 2, step 3 .* samples page_7, page_9.*--lr"):
        fit(dataclasses.replace(training, step=lambda _: nan))
    assert (tmp_path / MODEL_BEST).read_bytes() == best


def test_a_loss_that_is_not_finite_is_found_before_anything_is_written(tmp_path):
    """Losses are looked at every 50 updates here, and at the end of an epoch: before its evaluation."""
    training = make_training(tmp_path, log_every=50)
    bad = dataclasses.replace(training, step=nan_at(training.step, 3))
    with pytest.raises(InputError, match=r"finite loss, got nan in epoch 1, step 1 .* samples page_3\)"):
        fit(bad)
    assert not (tmp_path / MODEL_BEST).exists() and not (tmp_path / CHECKPOINT).exists()


def test_what_a_loss_that_is_not_finite_breaks_is_not_what_is_reported(tmp_path):
    """A detector may fail on what weights without a value propose, before the loss is looked at."""
    training = make_training(tmp_path, log_every=50)
    step = raising_after(nan_at(training.step, 3), 5, RuntimeError("boxes without a size"))
    with pytest.raises(InputError, match="finite loss, got nan in epoch 1"):
        fit(dataclasses.replace(training, step=step))


def nan_at(step, calls: int):
    """Return `step`, but its call number `calls` has a loss that is not finite."""
    count = 0

    def wrapped(batch):
        nonlocal count
        count += 1
        output = step(batch)
        return (
            dataclasses.replace(output, loss=output.loss * math.nan, samples=["page_3"]) if count == calls else output
        )

    return wrapped


@pytest.mark.parametrize("log_every", [1, 3, 100])
def test_when_losses_are_looked_at_changes_nothing(tmp_path, undisturbed, log_every):
    fit(make_training(tmp_path, log_every=log_every))
    own, other = (load_checkpoint(folder / CHECKPOINT) for folder in (tmp_path, undisturbed))
    assert_equal(own["model"], other["model"], "model")
    epochs = [[event for event in events_without_seconds(folder) if event["kind"] == "epoch"]
              for folder in (tmp_path, undisturbed)]  # fmt: skip
    assert epochs[0] == epochs[1]


def test_too_little_memory_says_what_to_lower(tmp_path):
    training = make_training(tmp_path)
    with pytest.raises(InputError, match="toy.train: the memory of the device does not suffice: lower --batch"):
        fit(dataclasses.replace(training, step=raising_after(training.step, 1, torch.OutOfMemoryError("no"))))


def test_a_network_that_cannot_be_compiled(tmp_path):
    from torch._dynamo.exc import TorchDynamoException

    training = make_training(tmp_path)
    error = TorchDynamoException(
        "CppCompileError: C++ compile error\n\nCommand:\ng++ a.cpp\n\nOutput:\na.cpp:1:2: fatal error: Python.h: No "
        'such file\ncompilation terminated.\n\n\nSet TORCHDYNAMO_VERBOSE=1. For more set TORCH_LOGS="+dynamo"\n'
    )
    said = "a.cpp:1:2: fatal error: Python.h: No such file"
    expected = f"toy.train: --compile: CppCompileError: C++ compile error: {said}"
    with pytest.raises(InputError, match=rf"^{re.escape(expected)}: train without it$"):
        fit(dataclasses.replace(training, step=raising_after(training.step, 1, error)))


@pytest.mark.parametrize("calls", [1, 8, 9])  # at once, in a second epoch within an update, at one's beginning
def test_fault_5_a_signal_that_ends_the_compiler(tmp_path, undisturbed, calls):
    """Ctrl-C is heard by the compiler too, whose failure is no failure; the torn update is not gone on from."""
    from torch._dynamo.exc import TorchDynamoException

    def step_of(training):
        step = raising_after(training.step, calls, TorchDynamoException("CppCompileError: g++ died with SIGINT"))
        return raising_after(step, calls, signal.SIGINT)

    training = make_training(tmp_path)
    with pytest.raises(Stopped) as stopped:
        fit(dataclasses.replace(training, step=step_of(training)))
    there = (tmp_path / CHECKPOINT).exists()
    assert there is (calls > 6)
    assert str(stopped.value) == "stopped by SIGINT: the same command " + (
        f"goes on from {tmp_path / CHECKPOINT} (epoch 2)" if there else "starts anew"
    )
    fit(make_training(tmp_path))
    assert_same_runs(tmp_path, undisturbed)


class Deadly(Noisy):
    def __getitem__(self, key):
        os._exit(1)


def test_a_worker_that_dies_ends_in_one_line(tmp_path):
    training = make_training(tmp_path)
    loader = build_loader(Deadly(), 3, sampler=training.sampler, drop_last=True, workers=1)
    with pytest.raises(InputError, match="worker of the data loader ended.*lower --workers"):
        fit(dataclasses.replace(training, loader=loader))


class Wrong(Noisy):
    def __getitem__(self, key):
        raise InputError("images/page_1.jpg: expected a JPEG")


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_data_set_raises_comes_through(tmp_path, workers):
    training = make_training(tmp_path)
    loader = build_loader(Wrong(), 3, sampler=training.sampler, drop_last=True, workers=workers)
    with pytest.raises(InputError, match="page_1.jpg: expected a JPEG"):
        fit(dataclasses.replace(training, loader=loader))


def test_fewer_samples_than_a_batch(tmp_path):
    training = make_training(tmp_path)
    with pytest.raises(InputError, match="toy.train: expected at least one whole batch"):
        fit(dataclasses.replace(training, loader=build_loader(Noisy(), 30, sampler=training.sampler, drop_last=True)))


def test_a_metric_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="expected 'f1' among the metrics"):
        fit(make_training(tmp_path, evaluate=lambda model: {"accuracy": 1.0}))


def test_a_damaged_checkpoint(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"PK\x03\x04 not all of it")
    with pytest.raises(InputError, match=r"checkpoint.pth: .* damaged"):
        fit(make_training(tmp_path))


def test_outside_the_main_thread_signals_are_left_alone(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(fit(make_training(tmp_path, epochs=1))))
    thread.start()
    thread.join()
    assert results[0].last_epoch == 0


def test_events_for_tensorboard_are_those_of_the_json_lines(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fit(make_training(tmp_path, tensorboard=True))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    expected = [event["loss"] for event in events_without_seconds(tmp_path) if event["kind"] == "epoch"]
    assert [event.value for event in events.Scalars("epoch/loss")] == pytest.approx(expected)
