"""Both stages and predict whole on a CUDA device, as far as a stand-in for one can show it (`tests.cuda_stand_in`)."""

import json
import shlex
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from kuzushiji.classify.main import main as classify
from kuzushiji.engine import loop
from kuzushiji.engine.checkpoint import load_checkpoint
from kuzushiji.engine.device import resolve_device
from kuzushiji.engine.signals import Stopped
from kuzushiji.engine.update import WeightUpdate
from kuzushiji.predict.__main__ import main as predict
from kuzushiji.run_folder import CHECKPOINT, DETAILED, HEAD_FEATURES, MODEL_BEST, TEST_DETAILED
from kuzushiji.segment.main import main as segment
from tests.cuda_driver import on_device
from tests.cuda_stand_in import StandIn, cuda_stand_in

SEGMENT = """--fold 0 --n-folds 3 --model fasterrcnn_resnet18_fpn --pretrained 0 --norm batch --train-limit 8
    --test-limit 2 --long-side 240 --crop-width 64 --crop-height 64 --crop-min-height 64 --crop-max-height 64
    --anchor-sizes 12 16 24 32 48 --fpn-channels 8 --box-head-size 8 --rois-per-image 8 --anchors-per-image 16
    --proposals-train 20 --proposals-test 20 --score-threshold 0.05 --test-long-side 96
    --repeat-train-step 1 --batch-size 2 --warmup-steps 2 --workers 0 --with-test 1"""
CLASSIFY = """--n-folds 3 --base resnet10t --pretrained 0 --head-size 8 --test-height 96 --crop-width 32
    --crop-height 32 --batch-size 2 --train-limit 6 --test-limit 2 --repeat-train 1 --n-tta 2 --workers 0
    --with-test 1"""

VARIANTS = [
    # (compute capability, options of segment, options of classify); 9.0 computes in bfloat16, 7.5 in float16
    pytest.param(
        (9, 0),
        "--opt-level O0 --optimizer sgd --epochs 2 --ema 0.9 --clip-grad 1 --accumulation-steps 2",
        "--opt-level O0 --optimizer sgd --epochs 1",
        id="float32",
    ),
    pytest.param(
        (9, 0),
        "--opt-level O1 --optimizer adamw --epochs 1 --benchmark 1 --norm frozen",
        "--opt-level O1 --optimizer adamw --epochs 2 --head-start-epochs 1 --ema 0.9 --clip-grad 1 "
        "--accumulation-steps 2 --save-features 1 --max-targets 32 --frozen-start 1 --benchmark 1",
        id="bfloat16",
    ),
    pytest.param(
        (7, 5),
        "--opt-level O1 --optimizer sgd --epochs 2 --clip-grad 1 --ema 0.9",
        "--opt-level O1 --optimizer adamw --epochs 2 --head-start-epochs 1 --clip-grad 1",
        id="float16",
    ),
]


def words_of(stage: str, options: str, root: Path, folder: Path) -> list[str]:
    words = [*shlex.split(options), "--device", "auto", "--data-root", str(root), "--output-dir", str(folder / stage)]
    if stage == "classify":
        words += [str(root / "train.csv"), "--test-boxes", str(root / "solution.csv")]
    return words


def run_interrupted(main: Any, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a stage, stop it after its second update, and go on."""
    finish, numbers = WeightUpdate.finish, iter(range(1, 100))

    def stopping(update: WeightUpdate) -> None:
        finish(update)
        if next(numbers) == 2:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(WeightUpdate, "finish", stopping)
        main(words)
    assert main(words) == 0


def of_place(device: StandIn, *places: str) -> dict[str, int]:
    """Return the waits in files of our own, those within libraries not among them, by operation."""
    found: dict[str, int] = {}
    for (operation, place), number in device.waits.items():
        if place.split(":")[0] in places and " > " not in place:
            found[operation] = found.get(operation, 0) + number
    return found


def tensors_of(state: Any) -> Iterable[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, dict | list):
        for value in state.values() if isinstance(state, dict) else state:
            yield from tensors_of(value)


@pytest.mark.parametrize(("capability", "of_segment", "of_classify"), VARIANTS)
def test_stages(
    tiny_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    of_segment: str,
    of_classify: str,
) -> None:
    """Training, evaluation, held-out pages, test pages, features; interrupted, and gone on with; every weight moves."""
    started: dict[str, list[torch.Tensor]] = {}
    engine = loop._Run._engine

    def watched(run: Any) -> Any:
        training = run.training
        assert all(on_device(each) for each in (*training.model.parameters(), *training.model.buffers()))
        if run.progress.updates == 0:
            free = [each for each in training.model.parameters() if each.requires_grad]
            started[training.stage] = [each.detach().clone() for each in free]
        result = engine(run)
        run.free = free if run.progress.updates == 0 else []
        return result

    monkeypatch.setattr(loop._Run, "_engine", watched)
    with cuda_stand_in(capability) as device:
        for stage, main, options in (
            ("segment", segment, f"{SEGMENT} {of_segment}"),
            ("classify", classify, f"{CLASSIFY} {of_classify}"),
        ):
            device.reset()
            run_interrupted(main, words_of(stage, options, tiny_root, tmp_path), monkeypatch)
            # Pages and batches come from pinned memory; only a few numbers are read back.
            assert not of_place(device, f"kuzushiji/{stage}/predict.py").get("copy from pageable memory"), stage
            assert not of_place(device, f"kuzushiji/{stage}/train.py", "kuzushiji/classify/dataset.py"), stage
            state = load_checkpoint(tmp_path / stage / CHECKPOINT)
            assert all(tensor.device.type == "cpu" for tensor in tensors_of(state))
            assert all(torch.isfinite(tensor).all() for tensor in tensors_of(state["model"]))
            assert bool(state["scaler"]) == (capability == (7, 5))
            assert len(state["random"]["cuda"]) == 1
    assert {path.name for path in (tmp_path / "segment").glob("*.csv")} == {"clf_gt.csv", "test_predictions.csv"}
    assert {DETAILED, TEST_DETAILED, MODEL_BEST} <= {path.name for path in (tmp_path / "classify").iterdir()}
    if "--save-features" in of_classify:
        assert set(HEAD_FEATURES) <= {path.name for path in (tmp_path / "classify").iterdir()}


def test_predict(light: Path, tiny_root: Path, tmp_path: Path) -> None:
    """The same text as on the CPU."""
    page = min((tiny_root / "test_images").iterdir())
    words = [str(page), "--models", str(light), "--opt-level", "O0"]
    with cuda_stand_in() as device:
        assert predict([*words, "--output", str(tmp_path / "gpu"), "--device", "cuda"]) == 0
        assert device.launches
    assert predict([*words, "--output", str(tmp_path / "cpu"), "--device", "cpu"]) == 0
    gpu, cpu = (json.loads((tmp_path / name / f"{page.stem}.json").read_text()) for name in ("gpu", "cpu"))
    assert gpu["characters"] == cpu["characters"]


@pytest.mark.parametrize("name", ["auto", "cuda"])
@pytest.mark.parametrize("rank", [0, 1])
def test_device_of_a_process_of_torchrun(monkeypatch: pytest.MonkeyPatch, name: str, rank: int) -> None:
    for variable, value in {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(variable, str(value))
    with cuda_stand_in(devices=2):
        assert resolve_device(name) == torch.device("cuda", rank)
        assert torch.cuda.current_device() == rank


@pytest.mark.parametrize(("name", "index"), [("auto", 0), ("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_device_of_a_process_of_its_own(name: str, index: int) -> None:
    with cuda_stand_in(devices=2):
        assert resolve_device(name) == torch.device("cuda", index)
        assert torch.cuda.current_device() == index
