"""The benchmarks of training run, on next to nothing; what they measure is not looked at."""

import ast
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from tests.benchmark_scripts import BENCHMARKS, load
from tests.commands import command_of

ROOT = Path(__file__).parent.parent

SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py"))

TINY = "--model resnet10t --crop 64 64 --batch-size 2 --boxes 16 --classes 8 --steps 11 --device cpu --lr 0.01"


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_finds_what_it_imports_and_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Modules that scripts share have no `main`; they are imported."""
    script = load(monkeypatch, name)
    if not hasattr(script, "main"):
        assert "__main__" not in (BENCHMARKS / f"{name}.py").read_text(encoding="utf-8")
        return
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        script.main()
    assert end.value.code == 0 and capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_scripts_import_from_the_packages_exists(name: str) -> None:
    """Imports within functions among them."""
    for node in ast.walk(ast.parse((BENCHMARKS / f"{name}.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module.partition(".")[0] in ("kuzushiji", "detection", "tests"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def test_both_loops_of_the_training_step_learn_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load(monkeypatch, "train_step")
    results = {}
    for loop in ("plain", "ours"):
        assert script.main([*TINY.split(), "--opt-level", "O0", "--loop", loop]) == 0
        results[loop] = json.loads(capsys.readouterr().out)
        assert results[loop]["steps"] == 11 and len(results[loop]["losses"]) == 14
        assert results[loop]["steps_per_second"] > 0 and results[loop]["peak_memory_mib"] > 0
    # In float32 they differ by rounding alone, which training enlarges.
    assert results["ours"]["losses"][:3] == pytest.approx(results["plain"]["losses"][:3], rel=2e-3)


def test_the_ablation_trains_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load(monkeypatch, "ablation")
    commands: list[list[str]] = []

    def record(words: list[str]) -> dict[str, float]:
        commands.append(list(words))
        if "--output-dir" in words:
            folder = Path(words[words.index("--output-dir") + 1])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics-oof.json").write_text('{"f1": 0.5}')
        return {"processor_seconds": 7.0}

    monkeypatch.setattr(script, "measured", record)
    words = [str(tmp_path), "--seeds", "1", "2", "--only", "segment-ema", "recipe-reference"]
    assert script.main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["variants"]["segment-ema"] == {"f1": {"1": 0.5, "2": 0.5}, "mean_f1": 0.5, "processor_seconds": 7.0}
    for module, *arguments in (command[1:] for command in commands):
        command_of(module).parse_args(arguments)  # each command line is understood
    commands.clear()
    script.main(words)
    assert not commands


def test_extra_columns_asks_for_what_the_commands_understand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two folds, whose tables and models nobody looks into here."""
    script = load(monkeypatch, "extra_columns")
    run = tmp_path / "run"
    run.mkdir()
    (run / "books").symlink_to(tiny_root)
    for fold in range(2):
        (run / f"clf-fold{fold}").mkdir()
        (run / f"clf-fold{fold}" / "params.json").write_text('{"opt_level": "O1", "n_tta": 1, "threads": 1}')
        (run / f"level2_features_fold{fold}.parquet").touch()
    (run / "level2_models").mkdir()
    facts = '{"facts": {"f1": {"level 2": 0.9, "blend": 0.8}}}'
    (run / "level2_models" / "record-level2.json").write_text(facts)
    shutil.copy(tiny_root / "sample_submission.csv", run / "submission.csv")
    commands: list[list[str]] = []

    def record(words: list[str]) -> dict[str, float]:
        commands.append(list(words))
        if "--save-model" in words:
            models = Path(words[words.index("--save-model") + 1])
            models.mkdir(parents=True)
            (models / "record-level2.json").write_text(facts)
        if "--load-model" in words:
            shutil.copy(tiny_root / "sample_submission.csv", words[words.index("--output") + 1])
        return {"seconds": 2.0, "processor_seconds": 1.0, "peak_gb": 0.5}

    monkeypatch.setattr(script, "measured", record)
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "work"), str(run), "--output", str(tmp_path / "told.json")])
    script.main()
    told = json.loads(capsys.readouterr().out)["runs"]["run"]
    assert told["columns"]["lm"] == {"commands": 4, "seconds": 8.0, "processor_seconds": 4.0, "peak_gb": 0.5}
    assert {name: variant["f1"] for name, variant in told["level 2"].items()} == dict.fromkeys(
        ["plain", "with knn", "with lm"], 0.9
    )
    for module, *arguments in (command[1:] for command in commands):
        command_of(module).parse_args(arguments)
    commands.clear()
    script.main()
    assert not commands


def test_step_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    script = load(monkeypatch, "step_counts")
    recipe = {"model": "fasterrcnn_resnet18_fpn", "crop_width": 64, "crop_height": 64, "batch_size": 2}
    recipe |= {"optimizer": "sgd", "lr": 0.01, "wd": 0.0, "clip_grad": 0.0, "ema": 0.0}
    monkeypatch.setattr(script, "recipes", lambda _profile: {"segment": recipe, "classify": {}})
    monkeypatch.setattr(script, "PAGE", (64, 64))
    assert script.main(["kaggle", "--stages", "segment"]) == 0
    levels = json.loads(capsys.readouterr().out)["steps"]
    assert list(levels) == ["O1", "O0"]
    steps = levels["O1"]
    assert list(steps) == ["kaggle, segment", "kaggle, segment, page"]
    assert set(steps["kaggle, segment"]["least_ms"]) == set(script.CARDS)
    assert steps["kaggle, segment"]["launches"] > steps["kaggle, segment, page"]["launches"] > 100


def test_the_document_has_the_counted_steps() -> None:
    counted = json.loads((BENCHMARKS / "results" / "step_counts.json").read_text(encoding="utf-8"))["steps"]["O1"]
    rows = [line.split() for line in (ROOT / "docs" / "training.rst").read_text(encoding="utf-8").splitlines()]
    for step in counted.values():
        shown = [f"{step['gb_moved']}", f"{step['gb_of_biases']}", f"{step['launches']:,}", f"{step['waits']}"]
        shown += [f"{value}" for value in step["least_ms"].values()]
        assert any(row[-len(shown) :] == shown for row in rows), shown


def test_reference_classifier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each variant is trained with what it changes, and with nothing else."""
    script = load(monkeypatch, "reference_classifier")
    places = {"points": (script.network, "roi_align"), "rate": (script.training_run, "factor_of")}
    places["last"] = (script.training_run, "build_loader")
    before = {name: getattr(*place) for name, place in places.items()}
    changed: dict[str, set[str]] = {}

    def classify(words: list[str]) -> int:
        config = command_of("kuzushiji.classify.main").parse_args(words)
        changed[config.output_dir.name] = {name for name, place in places.items() if getattr(*place) != before[name]}
        config.output_dir.mkdir()
        f1 = 0.5 + 0.01 * len(changed[config.output_dir.name])
        (config.output_dir / "metrics-oof.json").write_text(json.dumps({"f1": f1}))
        return 0

    monkeypatch.setattr(script, "classify", classify)
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "train.csv").touch()
    assert script.main([str(tmp_path), "--seeds", "1"]) == 0
    assert changed == {
        "ours-seed1": set(), "aligned=False-seed1": {"points"}, "adaptive-points-seed1": {"points"},
        "one-point-seed1": {"points"}, "cosine-by-epoch-seed1": {"rate"}, "last-batch-kept-seed1": {"last"},
        "as-the-reference-seed1": {"points", "rate", "last"},
    }  # fmt: skip
    assert json.loads(capsys.readouterr().out)["variants"]["as the reference"]["ahead"] == {"1": 0.03}


def test_the_changes_of_the_reference_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: a map whose values are the columns' numbers, and a box of four of its places."""
    script = load(monkeypatch, "reference_classifier")
    maps = torch.arange(8.0).expand(1, 1, 8, 8)
    box = torch.tensor([[0.0, 16, 16, 48, 48]])

    def means(align: Callable[..., Tensor]) -> list[float]:
        found: list[float] = align(maps, box, size=1, scale=1 / 8, ratio=2, aligned=True).flatten().tolist()
        return found

    assert means(script.roi_align) == means(script.adaptive) == [3.5]
    assert means(script.not_aligned) == means(script.neither) == [4.0]
    box = torch.tensor([[0.0, 0, 16, 8, 48]])  # half of it lies outside the first place's centre: -0.25 counts as 0
    assert means(script.roi_align) == [0.125] and means(script.one_point) == [0.0]
    factor = script.by_epoch(SimpleNamespace(accumulation_steps=1, epochs=2), 3)
    assert [round(factor(step), 3) for step in range(6)] == [1, 1, 1, 0.5, 0.5, 0.5]
    assert len(script.last_batch_kept([0, 1, 2], 2, drop_last=True)) == 2


def finished(folder: Path, params: dict[str, object], seconds: float, test_seconds: float) -> None:
    """The records of a model that was trained on two pages, held out two and read four test pages."""
    records = {
        "train": {"seconds": seconds, "facts": {"metrics": {"seconds": 6.0}} if "n_tta" in params else {}},
        "oof": {"facts": {"pages": 2, "seconds": 3.0}},
        "test": {"facts": {"pages": 4, "seconds": test_seconds}},
    }
    folder.mkdir()
    (folder / "params.json").write_text(json.dumps(params))
    for name, record in records.items():
        (folder / f"record-{name}.json").write_text(json.dumps(record))


def test_page_costs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: two folds, two pages in each."""
    script = load(monkeypatch, "page_costs")
    for fold in range(2):
        finished(tmp_path / f"segment-fold{fold}", {"epochs": 3, "repeat_train_step": 2}, 12.0, 1.0)
        classifier = {"epochs": 1, "repeat_train": 1, "n_tta": 2, "tta_heights": [], "head_start_epochs": 5}
        finished(tmp_path / f"clf-fold{fold}", classifier, 10.0, 4.0)
        labelled = {**classifier, "head_start_epochs": 0, "pseudolabels_oversample": 2}
        finished(tmp_path / f"clf-fold{fold}-b-pseudo", labelled, 10.0, 4.0)
    (tmp_path / "pseudolabels.csv.gz.record.json").write_text(json.dumps({"facts": {"pages": 4}}))
    (tmp_path / "times.txt").write_text("segment 20 30 2 1048576\nlevel2 3 4.5 0.3 524288\n")
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path), "--times", str(tmp_path / "times.txt")])
    script.main()
    told = json.loads(capsys.readouterr().out)
    assert told["pages"] == {"training": 4, "test": 4}
    level2 = {"processor_seconds": 4.8, "peak_gb": 0.5, "processor_seconds_per_page": 0.6}
    assert told["stages"]["level2"] == {"seconds": 3.0, **level2, "competition_processor_hours": 1.34}
    segment, classify = told["networks"]["segment"], told["networks"]["classify"]
    # 32 processor seconds for 32 seconds of both folds: 24 of training, 6 and 2 of prediction.
    assert segment["training"] == {
        "passes": 24, "seconds": 24.0, "per_page": {"seconds": 1.0, "processor_seconds": 1.0},
        "competition": {"passes": 5 * 45 * 2 * 3881 * 4 // 5, "hours": 388.1, "processor_hours": 388.1},
    }  # fmt: skip
    assert segment["test pages"]["competition"]["passes"] == 5 * 4150
    assert classify["head start"] == {"passes": 4, "seconds": 8.0, "per_page": {"seconds": 2.0}}
    assert classify["held-out pages"]["per_page"] == {"seconds": 0.75}  # two pages at two heights in each fold
    pseudo = told["networks"]["pseudo"]["training"]
    assert pseudo["passes"] == 2 * (2 + 2 * 4)
    assert pseudo["competition"]["passes"] == 5 * 50 * 4 * (3881 * 0.8 + 4150)


def gpu(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "benchmarks/gpu.sh", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_gpu_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = gpu("--dry-run", "--data-root", "data").stdout.splitlines()
    assert sum("train_step.py --model resnet152 --crop 512 768 --batch-size 10" in line for line in lines) == 2
    assert (
        sum("train_step.py --model resnext101_32x8d_wsl --crop 512 768 --batch-size 12" in line for line in lines) == 1
    )
    assert sum("predict_pages.py" in line for line in lines) == 3
    assert "python benchmarks/dataloader.py data --rounds 1" in lines
    assert lines[-1].endswith("--compile"), "what may take longest comes last"
    parser = load(monkeypatch, "train_step").get_parser()
    for line in lines:
        if "train_step" in line:
            parser.parse_args(line.split()[2:])


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--nope"], "unknown option --nope"), (["--output"], "--output needs a value")],
)
def test_gpu_bad_usage(words: list[str], message: str) -> None:
    done = gpu(*words)
    assert done.returncode == 2 and message in done.stderr


def test_results_of_the_pieces_are_joined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    for name, text in {
        "dataloader.json": '{"ours": 1}',
        "train_step.resnet152.json": '{"plain": 2}',
        "train_step.resnet152.compiled.json": "",
        "train_step.resnet152.compiled.failed": "error: no memory\n",
        "predict_pages.resnet152.failed": "no time left\n",
        "books.json": "",
    }.items():
        (pieces / name).write_text(text)
    assert load(monkeypatch, "collect").main([str(pieces), "--output", str(tmp_path / "gpu.json")]) == 0
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result.pop("device")
    assert result == {
        "dataloader": {"ours": 1},
        "train_step": {"resnet152": {"plain": 2}, "resnet152.compiled": {"failed": "error: no memory"}},
        "predict_pages": {"resnet152": {"failed": "no time left"}},
    }
