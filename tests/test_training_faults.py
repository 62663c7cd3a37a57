"""What goes wrong in a training, from the command lines of both stages: one line that says what, exit code 1."""

import os
import pkgutil
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kuzushiji import cli
from kuzushiji.classify import outputs as classify_outputs
from kuzushiji.classify import train as classify_train
from kuzushiji.classify.main import main as classify
from kuzushiji.engine.progress import StepOutput
from kuzushiji.segment import outputs as segment_outputs
from kuzushiji.segment import train as segment_train
from kuzushiji.segment.main import main as segment
from tests.published import write_published

COMMON = "--fold 0 --n-folds 3 --threads 1 --device cpu --epochs 2 --lr 0.001 --evaluate-every 1"
SEGMENT = """--model fasterrcnn_resnet18_fpn --norm batch --long-side 240 --crop-width 64 --crop-height 48
    --crop-min-height 48 --crop-max-height 60 --anchor-sizes 12 16 24 32 48 --fpn-channels 8 --box-head-size 8
    --rois-per-image 16 --anchors-per-image 16 --proposals-train 20 --proposals-test 20 --test-long-side 96
    --repeat-train-step 1 --batch-size 2 --warmup-steps 0"""
CLASSIFY = """--base resnet18 --head-size 8 --test-height 96 --crop-width 64 --crop-height 64 --batch-size 4
    --repeat-train 1 --n-tta 1"""


@dataclass(frozen=True)
class Stage:
    """One of the two stages, with a command line that trains for a moment."""

    main: Callable[[Any], int]
    words: str
    table: bool
    name: str


BOTH = (
    Stage(segment, SEGMENT, table=False, name="segment.train"),
    Stage(classify, CLASSIFY, table=True, name="classify.train"),
)


@pytest.fixture(params=BOTH, ids=[stage.name for stage in BOTH])
def stage(request: pytest.FixtureRequest) -> Stage:
    return request.param


@pytest.fixture
def failure(tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: Stage) -> Callable[..., str]:
    """Run the stage, which must fail; return its one line."""

    def run(*words: str) -> str:
        given = [*shlex.split(f"{COMMON} {stage.words} --data-root {tiny_root}"), "--output-dir", str(tmp_path / "run")]
        start = [] if "--weights" in words else ["--pretrained", "0"]
        workers = [] if "--workers" in words else ["--workers", "0"]
        table = [str(tiny_root / "train.csv")] if stage.table else []
        with pytest.raises(SystemExit) as caught:
            cli.run(stage.main, [*table, *given, *start, *workers, *words])
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert caught.value.code == 1
        assert len(lines) == 1, lines
        return lines[0]

    return run


def change_steps(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, StepOutput], StepOutput]) -> None:
    """Pass the output of each step of both stages, with its number, through `change`."""
    numbers = iter(range(1000))
    of_classify, of_segment = classify_train.Step.__call__, segment_train.build_step
    monkeypatch.setattr(
        classify_train.Step, "__call__", lambda step, batch: change(next(numbers), of_classify(step, batch))
    )

    def changed(*arguments: Any) -> Callable[[Any], StepOutput]:
        step = of_segment(*arguments)
        return lambda batch: change(next(numbers), step(batch))

    monkeypatch.setattr(segment_train, "build_step", changed)


def test_a_loss_that_is_not_finite(
    stage: Stage, failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the second epoch: it stops, says step and pages, and what the first epoch left stays."""
    best: list[bytes] = []
    steps_of_an_epoch: list[int] = []

    def change(number: int, output: StepOutput) -> StepOutput:
        if not (tmp_path / "run" / "model_best.pth").exists():
            steps_of_an_epoch.append(number)
            return output
        best.append((tmp_path / "run" / "model_best.pth").read_bytes())
        return replace(output, loss=output.loss * float("nan"))

    change_steps(monkeypatch, change)
    line = failure()
    assert f"{stage.name}: expected a finite loss, got nan in epoch 2, step {len(steps_of_an_epoch) + 1} (" in line
    assert "samples " in line and ("hnsd" in line or "umgy" in line or "brsk" in line or "10000000" in line)
    assert "the best weights so far are intact" in line
    assert (tmp_path / "run" / "model_best.pth").read_bytes() == best[0]


def test_too_little_memory_in_training(
    stage: Stage, failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int, _output: StepOutput) -> StepOutput:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    change_steps(monkeypatch, full)
    assert f"{stage.name}: the memory of the device does not suffice: lower --batch-size" in failure()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("torch.optim.SGD", "step"), "{stage}: the memory of the device does not suffice: lower --batch-size"),
        (("kuzushiji.engine.loop.Ema", "update"), "{stage}: the memory of the device does not suffice: lower --batch"),
        (("kuzushiji.engine.loop.Ema", "__init__"), "{stage}: the memory of the device does not suffice: take a small"),
        (("torch.nn.Module", "to"), "the network on cpu: the memory of the device does not suffice: take a smaller"),
        (("kuzushiji.engine.assembly", "world_size"), "what a network trains with: the memory of the device does not"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_too_little_memory_beside_the_batches(
    stage: Stage, failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch, place: tuple[str, str], message: str
) -> None:
    """Of the optimizer's first step, of the average, of the network itself, of what is put around it."""
    owner: Any = pkgutil.resolve_name(place[0])
    before = getattr(owner, place[1])

    def full(*arguments: Any, **options: Any) -> Any:
        if owner is torch.nn.Module and len(arguments) == 1:
            return before(*arguments, **options)  # another layout in memory, on the CPU still
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(owner, place[1], full)
    assert message.format(stage=stage.name) in failure("--ema", "0.9", "--optimizer", "sgd")


def test_too_little_memory_for_whole_pages(
    stage: Stage, failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(classify_outputs, "predict_detailed", full)
    monkeypatch.setattr(segment_outputs, "predict_pages", full)
    line = failure()
    assert "held-out pages: the memory of the device does not suffice: lower --test-" in line
    assert "--opt-level O1" in line


def test_a_worker_that_dies(stage: Stage, failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        os._exit(1)

    monkeypatch.setattr(classify_train.CropDataset, "__getitem__", die)
    monkeypatch.setattr(segment_train.TrainCrops, "__getitem__", die)
    line = failure("--workers", "1")
    assert "a worker of the data loader ended (too little memory, or shared memory: /dev/shm?): lower --workers" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--opt-level O2", "--opt-level O2: weights in float16 are apex's alone, expected --amp-backend apex"),
        ("--opt-level O1 --amp-backend apex", "--amp-backend apex: expected a CUDA device, got cpu"),
        ("--opt-level O1 --device meta", "--device: expected auto, cpu, cuda, cuda:N or mps, got 'meta'"),
    ],
)
def test_precision_that_is_not_there(failure: Callable[..., str], words: str, message: str) -> None:
    assert message in failure(*words.split())


def test_precision_that_the_gpu_lacks(failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.amp.autocast_mode, "is_autocast_available", lambda device: False)
    assert "--opt-level O1: cpu does not compute in half precision, expected --opt-level O0" in failure(
        "--opt-level", "O1"
    )


def test_weights_of_another_architecture(failure: Callable[..., str], tmp_path: Path) -> None:
    write_published(tmp_path / "resnet34.pth", "resnet34")
    line = failure("--weights", str(tmp_path / "resnet34.pth"))
    assert "resnet34.pth: expected weights of resnet18, got" in line


def test_an_average_of_weights_in_float16(stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Contradicting options are bad usage: exit code 2."""
    words = ["--output-dir", str(tmp_path), *["--opt-level", "O2", "--amp-backend", "apex", "--ema", "0.99"]]
    with pytest.raises(SystemExit) as caught:
        cli.run(stage.main, ["clf_gt.csv", *words] if stage.table else words)
    assert caught.value.code == 2
    expected = "--ema: averages weights of float32, with --opt-level O2 they are float16"
    assert expected in " ".join(capsys.readouterr().err.split())
