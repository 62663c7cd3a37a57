"""Two processes on the CPU, as torchrun starts them, against one: the same losses, the same predictions, one writer."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kuzushiji.classify import train
from kuzushiji.classify.main import main as classify
from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.signals import Stopped
from kuzushiji.run_folder import CHECKPOINT, HEAD_FEATURES
from kuzushiji.segment.main import main as segment

ROOT = Path(__file__).parent.parent
HERE = "--fold 0 --n-folds 3 --workers 0 --threads 1 --device cpu --data-root {root}"

# Norms of each crop by itself: shared statistics (the classifier has them) differ by rounding, after which other
# proposals of an untrained detector, whose scores are nearly the same, are the best.
SEGMENT = """--model fasterrcnn_resnet18_fpn --pretrained 0 --norm group --long-side 240 --crop-width 96
    --crop-height 72 --crop-min-height 64 --crop-max-height 80 --anchor-sizes 12 16 24 32 48 --fpn-channels 8
    --box-head-size 16 --rois-per-image 16 --anchors-per-image 32
    --proposals-train 30 --proposals-test 30 --score-threshold 0.05
    --test-long-side 120 --epochs 1 --repeat-train-step 1 --batch-size 2 --accumulation-steps 2 --warmup-steps 0
    --lr 0.001 --ema 0.9 --with-test 1"""
CLASSIFY = """--base resnet10t --pretrained 0 --head-size 16 --head-dropout 0 --test-height 120 --crop-width 64
    --crop-height 64 --batch-size 4 --repeat-train 2 --epochs 1 --lr 0.001 --n-tta 1 --with-test 1 --save-features 1
    --test-boxes {root}/solution.csv"""


def torchrun(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module in two processes."""
    return in_two_processes("-m", module, *words)


def in_two_processes(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a module or a script in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def segmented(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a detector trained by two processes in `two`, and by one in `one`."""
    folder = tmp_path_factory.mktemp("segment")
    words = shlex.split(f"{HERE} {SEGMENT}".format(root=tiny_root))
    done = torchrun("kuzushiji.segment.main", *words, "--output-dir", str(folder / "two"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("held out: f1") == 1  # the other process is silent
    segment([*words, "--output-dir", str(folder / "one")])
    return folder


@pytest.fixture(scope="module")
def classified(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the classifier."""
    folder = tmp_path_factory.mktemp("classify")
    words = [str(tiny_root / "train.csv"), *shlex.split(f"{HERE} {CLASSIFY}".format(root=tiny_root))]
    done = torchrun("kuzushiji.classify.main", *words, "--output-dir", str(folder / "two"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test characters") == 1
    classify([*words, "--output-dir", str(folder / "one")])
    return folder


def epoch_of(folder: Path) -> dict[str, Any]:
    """The one line of the events: means over the first updates, and the evaluation after them."""
    (event,) = events_of(folder)
    return event


def events_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_segment_has_the_losses_of_one_process_with_the_same_batch(segmented: Path) -> None:
    one, two = epoch_of(segmented / "one"), epoch_of(segmented / "two")
    assert one["step"] == two["step"] == 2
    names = [name for name in one if name.startswith("loss")]
    assert len(names) == 5
    assert [two[name] for name in names] == pytest.approx([one[name] for name in names], rel=1e-5)


def test_classify_has_the_losses_of_one_process_with_the_same_batch(classified: Path) -> None:
    one, two = epoch_of(classified / "one"), epoch_of(classified / "two")
    assert one["step"] == two["step"] == 4
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert two["valid_loss"] == pytest.approx(one["valid_loss"], rel=1e-5)
    characters = {folder: epoch_of(classified / folder)["valid_tp"] + epoch_of(classified / folder)["valid_fn"]
                  for folder in ("one", "two")}  # fmt: skip
    assert characters["one"] == characters["two"]  # each held-out page was counted once


def test_segment_predicts_what_one_process_predicts(segmented: Path, tiny_root: Path) -> None:
    weights = ["--resume", str(segmented / "two" / "model_best.pth")]
    words = shlex.split(HERE.format(root=tiny_root))
    for mode in ("--test-only", "--submission"):
        segment([*words, *weights, mode, "--output-dir", str(segmented / "again")])
    for name in ("clf_gt.csv", "detections.parquet", "test_predictions.csv", "test_detections.parquet"):
        assert (segmented / "again" / name).read_bytes() == (segmented / "two" / name).read_bytes(), name


def test_classify_predicts_what_one_process_predicts(classified: Path, tiny_root: Path) -> None:
    words = [str(tiny_root / "train.csv"), *shlex.split(f"{HERE} --n-tta 1 --save-features 1".format(root=tiny_root))]
    words += ["--test-boxes", str(tiny_root / "solution.csv"), "--resume", str(classified / "two" / "model_best.pth")]
    for mode in ("--test-only", "--submission"):
        classify([*words, mode, "--output-dir", str(classified / "again")])
    for name in ("detailed.parquet", "test_detailed.parquet", "submission.csv", *HEAD_FEATURES):
        assert (classified / "again" / name).read_bytes() == (classified / "two" / name).read_bytes(), name


STOPPING = """
import os, signal, sys, time
from kuzushiji import cli
from kuzushiji.classify import train
from kuzushiji.classify.main import main
from kuzushiji.engine.processes import rank

steps = []

class Stopping(train.Step):
    def __call__(self, batch):
        steps.append(batch)
        if len(steps) == 2 and rank() == 0:
            os.kill(os.getppid(), signal.SIGTERM)  # torchrun, which passes it on
            time.sleep(2)
        return super().__call__(batch)

train.Step = Stopping
cli.run(main, sys.argv[1:])
"""


def test_a_run_goes_on_with_another_number_of_processes(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process is stopped after three updates, two together at their next look at the losses, one does the rest.

    The batch is that of all processes: their number is no parameter of a run, and no trace of it is left.
    """
    words = [str(tiny_root / "train.csv"), *shlex.split(f"{HERE} {CLASSIFY}".format(root=tiny_root))]
    words += ["--lr", "0.0001"]  # with more, what is rounded otherwise grows tenfold every other update
    words += ["--epochs", "2", "--repeat-train", "6", "--save-features", "0", "--with-test", "0"]
    words += ["--output-dir", str(tmp_path / "run")]
    call = train.Step.__call__
    with monkeypatch.context() as patch, pytest.raises(Stopped, match="by SIGTERM"):
        numbers = iter(range(1, 100))
        patch.setattr(
            train.Step,
            "__call__",
            lambda step, batch: (next(numbers) == 3 and signal.raise_signal(signal.SIGTERM), call(step, batch))[1],
        )
        classify(words)
    assert progress_of(tmp_path / "run") == (0, 3, 3)
    (tmp_path / "stopping.py").write_text(STOPPING)
    done = in_two_processes(str(tmp_path / "stopping.py"), *words)
    assert done.returncode != 0
    assert f"stopped by SIGTERM: the same command goes on from {tmp_path / 'run' / CHECKPOINT} (epoch 1)" in done.stderr
    assert progress_of(tmp_path / "run") == (0, 10, 10)
    assert classify(words) == 0
    assert classify([*words[:-1], str(tmp_path / "undisturbed")]) == 0
    assert progress_of(tmp_path / "run") == progress_of(tmp_path / "undisturbed")
    found, expected = ([epoch for epoch in events_of(tmp_path / name) if epoch["kind"] == "epoch"]
                       for name in ("run", "undisturbed"))  # fmt: skip
    assert [epoch["step"] for epoch in found] == [epoch["step"] for epoch in expected] == [13, 26]
    for name in ("loss", "accuracy", "valid_loss"):
        assert [epoch[name] for epoch in found] == pytest.approx([epoch[name] for epoch in expected], rel=1e-4), name
    model, same = (load_checkpoint(tmp_path / name / CHECKPOINT)["model"] for name in ("run", "undisturbed"))
    torch.testing.assert_close(model, same, rtol=1e-3, atol=1e-5)


def progress_of(folder: Path) -> tuple[int, int, int]:
    """Epochs that are done, batches of the next, updates."""
    progress = load_checkpoint(folder / CHECKPOINT)["progress"]
    return progress["epoch"], progress["batches"], progress["updates"]


def test_classify_with_fewer_pages_than_processes(tiny_root: Path, tmp_path: Path) -> None:
    words = [str(tiny_root / "train.csv"), *shlex.split(f"{HERE} {CLASSIFY}".format(root=tiny_root))]
    words += ["--test-limit", "1", "--train-limit", "4", "--n-tta", "2", "--output-dir", str(tmp_path)]
    done = torchrun("kuzushiji.classify.main", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "metrics-oof.json").read_text())["pages"] == 1


LOSSES = """
import math, sys
import torch
from kuzushiji import cli
from kuzushiji.engine.progress import Losses
from kuzushiji.engine.processes import processes, rank
from kuzushiji.engine.progress import Progress
from kuzushiji.engine.training_run import StepOutput

def main(argv):
    with processes(lambda: "cpu"):
        losses = Losses("toy", Progress())
        for step in range(4):
            bad = step > 1 or (step == 1 and rank() == 1)
            losses.add(StepOutput(torch.tensor(math.nan if bad else 0.5), 2, {}, [f"page_{rank()}_{step}"]), step, 0.1)
        losses.read()
    return 0

cli.run(main, sys.argv[1:])
"""


def test_the_first_loss_that_is_not_finite_is_named_once_by_all_processes(tmp_path: Path) -> None:
    """Gradients without a value reach the other process, whose own losses are no numbers a step later."""
    (tmp_path / "losses.py").write_text(LOSSES)
    done = in_two_processes(str(tmp_path / "losses.py"))
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "finite loss" in line]
    assert len(lines) == 1, done.stderr
    assert "toy: expected a finite loss, got nan in epoch 1, step 2 (process 1, learning rate 0.1, samples " in lines[0]
    assert "samples page_1_1)" in lines[0]


@pytest.mark.parametrize("main", [segment, classify])
def test_a_batch_that_the_processes_cannot_divide(
    main: object, tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kuzushiji.errors import InputError

    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "0")
    words = ["--output-dir", str(tmp_path / "run"), "--data-root", str(tiny_root), "--batch-size", "4"]
    table = [str(tiny_root / "train.csv")] if main is classify else []
    with pytest.raises(InputError, match="--batch-size 4: is divided among all processes, .* got 3 processes"):
        main([*table, *words])  # type: ignore[operator]
    assert not (tmp_path / "run").exists()
