"""`benchmarks/gpu.sh` without a GPU: its pieces are commands that can be given, and their results come together."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kuzushiji.classify.main import Classify as classify
from kuzushiji.demo import __main__ as demo
from tests.benchmark_scripts import load

ROOT = Path(__file__).parent.parent


def gpu(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "benchmarks/gpu.sh", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(("words", "pieces"), [((), 13), (("--tiny",), 10), (("--data-root", "data", "--as-is"), 13)])
def test_every_piece_is_a_command_that_is_understood(
    words: tuple[str, ...], pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [shlex.split(line) for line in gpu("--dry-run", *words).stdout.splitlines()]
    assert len(lines) == pieces and all(line[0] == "python" for line in lines)
    parsers = {
        f"benchmarks/{name}.py": load(monkeypatch, name).get_parser().parse_args
        for name in ("train_step", "predict_pages", "dataloader", "detector_step", "gpu_smoke")
    }
    books = {"kuzushiji.demo": demo.Demo.parse_args, "kuzushiji.classify.main": classify.parse_args}
    for _, what, *rest in lines:
        if what == "-m":
            books[rest[0]](rest[1:])
        else:
            parsers[what](rest)


def test_the_models_of_the_pieces_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from kuzushiji.classify.backbones import backbone_info
    from kuzushiji.segment.config import MODELS

    for words in ([], ["--tiny"]):
        lines = [shlex.split(line) for line in gpu("--dry-run", *words).stdout.splitlines()]
        models = {line[line.index("--model") + 1] for line in lines if "--model" in line}
        assert len(models) == 3
        assert all(model in MODELS or backbone_info(model) for model in models)


def test_the_books_of_tiny_are_large_enough_for_the_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rehearsal found it: on pages of 400 pixels the loader's boxes have no place."""
    pytest.importorskip("jpeg4py")
    lines = [shlex.split(line) for line in gpu("--dry-run", "--tiny").stdout.splitlines()]
    (words,) = (line[3:] for line in lines if line[1:3] == ["-m", "kuzushiji.demo"])
    assert demo.main([str(tmp_path / "books"), *words[1:]]) == 0
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    capsys.readouterr()
    assert load(monkeypatch, "dataloader").main([str(tmp_path / "books"), "--rounds", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pages"] == 4 and report["segment"]["ours"] > 0 and report["classify"]["ours"] > 0


# Stands for the interpreter: packages are there, pieces print what they are called, and one fails.
INTERPRETER = """#!/usr/bin/env bash
case "$*" in
  "-c import sys; print(sys.prefix)") echo {home} ;;
  "-m pip "*) ;;
  *torchvision.ops.nms*) ;;
  "-m kuzushiji.demo "*) echo "books are there" ;;
  "-m kuzushiji.classify.main "*) echo '{{"train": 1}}' ;;
  benchmarks/gpu_smoke.py*) echo '{{"O1": "failed"}}'; exit 1 ;;
  benchmarks/predict_pages.py*"--model fasterrcnn"*)
    echo "Traceback ..." >&2; echo "OutOfMemoryError: tried to allocate" >&2; exit 1 ;;
  benchmarks/collect.py*) exec {python} "$@" ;;
  benchmarks/*) echo "{{\\"piece\\": \\"$1\\"}}" ;;
  *) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with that interpreter."""
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(INTERPRETER.format(home=tmp_path, python=sys.executable))
    python.chmod(0o755)
    return python.parent.parent


def test_what_the_pieces_print_becomes_one_file(tmp_path: Path, environment: Path) -> None:
    output = tmp_path / "out" / "device.json"
    done = gpu("--tiny", "--output", str(output), VIRTUAL_ENV=str(environment))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(output)
    assert "  failed: OutOfMemoryError: tried to allocate" in done.stderr
    result = json.loads(output.read_text())
    assert result.pop("device")
    step, pages = {"piece": "benchmarks/train_step.py"}, {"piece": "benchmarks/predict_pages.py"}
    assert result == {
        "smoke": {"O1": "failed"},  # it says itself what failed
        "train_step": {
            "fasterrcnn_resnet18_fpn": {"piece": "benchmarks/detector_step.py"},
            "resnet152": step,
            "resnext101_32x8d_wsl": step,
        },
        "training_from_files": {"workers1": {"train": 1}},
        "predict_pages": {
            "resnet10t": pages,
            "mobilenetv4_conv_small": pages,
            "fasterrcnn_resnet18_fpn": {"failed": "OutOfMemoryError: tried to allocate"},
        },
        "dataloader": {"piece": "benchmarks/dataloader.py"},
    }


def test_what_is_measured_is_written_at_once(tmp_path: Path, environment: Path) -> None:
    """A run that is cut says what it has measured until then, and the smoke test comes first."""
    output, python = tmp_path / "device.json", environment / "bin" / "python"
    cut = "  benchmarks/detector_step.py*) kill -KILL $(awk '/^PPid/ {print $2}' /proc/$PPID/status); exit 1 ;;\n"
    python.write_text(python.read_text().replace("  benchmarks/collect.py", cut + "  benchmarks/collect.py"))
    done = gpu("--tiny", "--output", str(output), VIRTUAL_ENV=str(environment))
    assert done.returncode
    assert set(json.loads(output.read_text())) == {"device", "smoke"}


def test_without_a_cuda_device_nothing_is_measured(tmp_path: Path, environment: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    done = gpu("--output", str(tmp_path / "device.json"), VIRTUAL_ENV=str(environment))
    assert done.returncode == 1 and not (tmp_path / "device.json").exists()
    assert "expected a CUDA device, this machine has none (--tiny runs on the CPU)" in done.stderr


@pytest.mark.parametrize("name", ["predict_pages", "dataloader"])
def test_a_data_root_without_pages(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"predict_pages": ["--model", "resnet10t", "--data-root"], "dataloader": []}[name]
    with pytest.raises(SystemExit, match="expected train_images/ and test_images/ with pages, got none"):
        load(monkeypatch, name).main([*words, str(tmp_path)])
