"""Hours of the reference's recipe from what `gpu.sh` measured: on a file in its format, with round numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark_scripts import load

CARD = "NVIDIA Test Card"


def step(model: str, batch_size: int, plain: float, ours: float) -> dict[str, Any]:
    """What `train_step.py` prints."""

    def loop(steps_per_second: float) -> dict[str, Any]:
        return {
            "steps": 40, "steps_per_second": steps_per_second, "processor_seconds_per_step": 0.7,
            "peak_memory_mib": 9000, "gpu_busy": 0.98,
        }  # fmt: skip

    return {
        "model": model, "crop": [512, 768], "batch_size": batch_size, "boxes": 256, "opt_level": "O1",
        "compile": False, "device": CARD, "plain": loop(plain), "ours": loop(ours),
        "faster_by": {"by": "steps_per_second", "times": round(ours / plain, 2)},
        "losses": {"plain": [3.1], "ours": [3.1]},
    }  # fmt: skip


def pages(model: str, pages_per_second: float) -> dict[str, Any]:
    """What `predict_pages.py` prints."""
    return {
        "model": model, "device": CARD, "opt_level": "O1", "pages": 12, "workers": 2,
        "pages_per_second": pages_per_second, "processor_seconds_per_page": 0.3, "peak_memory_mib": 4000,
    }  # fmt: skip


def pieces() -> dict[str, dict[str, Any]]:
    """The pieces of `gpu.sh` by the names that it gives them."""
    wsl, detector = "resnext101_32x8d_wsl", "fasterrcnn_resnet152_fpn"
    return {
        "train_step.resnet152": step("resnet152", 10, 2.0, 5.0),
        "train_step.resnet152.compiled": step("resnet152", 10, 2.0, 6.0),
        f"train_step.{wsl}": step(wsl, 12, 1.0, 4.0),
        "predict_pages.resnet152": pages("resnet152", 10.0),
        f"predict_pages.{wsl}": pages(wsl, 8.0),
        f"predict_pages.{detector}": pages(detector, 5.0),
        "dataloader": {"pages": 12, "segment": {"ours": 10.0}, "classify": {"ours": 12.0}},
    }


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a card, joined as `gpu.sh` does it."""
    folder = tmp_path / "pieces"
    folder.mkdir()
    for name, piece in pieces().items():
        (folder / f"{name}.json").write_text(json.dumps(piece))
    script = load(monkeypatch, "collect")
    monkeypatch.setattr(script, "device_name", lambda: CARD)
    assert script.main([str(folder), "--output", str(tmp_path / "card.json")]) == 0
    return tmp_path / "card.json"


def test_hours_are_passes_by_speed(
    card: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert load(monkeypatch, "recipe_hours").main([str(card)]) == 0
    told = json.loads(capsys.readouterr().out)
    first = told["stages"]["classify"]
    # 5 folds x 50 epochs x 6 passes x 4/5 of 3,881 pages, by 2 steps a second of 10 crops; 5 steps if mixed
    assert first["training"] == round(5 * 50 * 6 * 3881 * 0.8 / (2 * 10) / 3600, 1) == 64.7
    # held-out and 5 x 4,150 test pages in four heights, held-out pages in one after each of 50 epochs; 10 a second
    area = 1 + (2781**2 + 3034**2 + 3286**2) / 2528**2
    assert first["prediction"] == round(((3881 + 5 * 4150) * area + 50 * 3881) / 10 / 3600, 1)
    assert first["hours"] == round(first["training"] + first["prediction"], 1) and first["precision"] == "float32"
    assert first["mixed"] == pytest.approx(64.7 * 2 / 5 + first["prediction"], abs=0.11)
    second = told["stages"]["classify-second"]
    assert (second["precision"], second["training"]) == ("mixed", round(4_657_200 / (4 * 12) / 3600, 1))
    segment = told["stages"]["segment"]
    assert segment["hours"] == pytest.approx(second["hours"] * told["ratio_of_2019"], abs=0.1)
    assert told["device"] == CARD
    assert told["hours"] == pytest.approx(sum(stage["hours"] for stage in told["stages"].values()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda told: told["train_step"].pop("resnet152"),
            "train_step of resnet152 .*, got none: it is not in the file",
        ),
        (
            lambda told: told["predict_pages"].update(resnet152={"failed": "no time left"}),
            "expected predict_pages of resnet152 by benchmarks/gpu.sh, got none: no time left",
        ),
        (
            lambda told: told["train_step"]["resnet152"].update(model="resnet10t"),
            "expected train_step of resnet152 by benchmarks/gpu.sh, got resnet10t, as --tiny measures",
        ),
        (lambda told: told.pop("device"), r"card\.json: expected what benchmarks/gpu.sh writes, got something else"),
    ],
)
def test_what_was_not_measured_is_named(card: Path, monkeypatch: pytest.MonkeyPatch, change: Any, message: str) -> None:
    told = json.loads(card.read_text())
    change(told)
    card.write_text(json.dumps(told))
    with pytest.raises(SystemExit, match=message):
        load(monkeypatch, "recipe_hours").main([str(card)])


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="none.json: expected what benchmarks/gpu.sh writes"):
        load(monkeypatch, "recipe_hours").main([str(tmp_path / "none.json")])
