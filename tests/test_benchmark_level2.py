"""The ablation of the second level runs, on next to nothing; what it measures is not looked at."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmark_scripts import load
from tests.tables import write_runs


@pytest.fixture
def run(tiny_root: Path, tmp_path: Path) -> Path:
    """A run of two kinds of models over three folds."""
    write_runs(tiny_root, tmp_path, ("", "-b"))
    folder = tmp_path / "seed1"
    for table in tmp_path.glob("*.parquet"):
        name, fold, kind = table.stem.rpartition("fold")[0], *table.stem.rpartition("fold")[2].split("-", 1)
        place = folder / f"clf-fold{fold}{kind}"
        place.mkdir(parents=True, exist_ok=True)
        table.replace(place / f"{name.replace('-', '_')}detailed.parquet")
    return folder


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load(monkeypatch, "level2_ablation")
    monkeypatch.setattr("level2_variants.ROUNDS", 2)
    return module


SOME = [
    "reference, categorical", "without leads", "with book", "with classes, categorical", "top 3, no reading, binary",
]  # fmt: skip


def test_each_variant_trains_once(
    run: Path, script: ModuleType, tiny_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = run.parent / "ablation.json"
    words = [str(run), "--data-root", str(tiny_root), "--top-k", "5", "--threads", "1", "--output", str(output)]
    words += ["--only", *SOME]
    assert script.main([*words, "--libraries", "xgboost"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(SOME) and "gain" in lines[0]
    table = json.loads(output.read_text())["libraries"]
    assert list(table["xgboost"]) == SOME
    for name, results in table["xgboost"].items():
        assert 0 < results["seed1"]["f1"] <= 1 and results["seed1"]["log_loss"] > 0, name
        assert ("test_f1" in results["seed1"]) == (not script.VARIANTS[name].changes_columns)
    assert script.main([*words[: -len(SOME)], SOME[0]]) == 0
    both = json.loads(output.read_text())["libraries"]
    assert both["xgboost"] == table["xgboost"]
    assert list(both["lightgbm and xgboost"]) == SOME[:1]

    def never(*_: object) -> None:
        raise AssertionError("it was trained before")

    monkeypatch.setattr(script, "evaluate", never)
    assert script.main([*words, "--libraries", "xgboost"]) == 0
