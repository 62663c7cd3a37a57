from pathlib import Path

import pytest

from kuzushiji.errors import InputError
from kuzushiji.metric import Counts
from kuzushiji.report.collect import collect


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    collected = collect(tmp_path)
    assert (collected.runs, collected.fused, dict(collected.blends), collected.final) == ((), None, {}, None)


def test_runs_are_ordered_detectors_first_then_by_kind_and_fold(tmp_path: Path) -> None:
    names = ["clf-fold1", "clf-fold0-b-pseudo", "clf-fold0", "clf-fold0-b", "segment-fold10", "segment-fold2", "logs"]
    for name in names:
        (tmp_path / name).mkdir()
    found = [(run.kind, run.fold) for run in collect(tmp_path).runs]
    assert found == [("segment", 2), ("segment", 10), ("clf", 0), ("clf", 1), ("clf-b", 0), ("clf-b-pseudo", 0)]


def test_a_run_that_has_just_begun_knows_nothing_of_itself(tmp_path: Path) -> None:
    (tmp_path / "clf-fold0").mkdir()
    (run,) = collect(tmp_path).runs
    assert (run.held_out, run.f1("best"), run.f1("last"), run.seconds, run.events) == (None, None, None, None, ())


def test_a_run_that_is_over(runs: Path) -> None:
    run = collect(runs).of_kind("clf")[0]
    assert isinstance(run.held_out, Counts)
    assert (run.f1("best"), run.f1("last"), run.seconds) == (0.75, 0.5, 90.0)
    assert [event["epoch"] for event in run.events] == [0, 1]  # the line that was cut short is left out


def test_blends_come_from_few_models_to_many(tmp_path: Path) -> None:
    for name in ("blend-all.csv", "blend-backbones.csv", "blend-clf.csv", "blend-all_detailed.parquet"):
        (tmp_path / name).touch()
    assert list(collect(tmp_path).blends) == ["clf", "backbones", "all"]


def test_damaged_metrics_are_named(runs: Path) -> None:
    (runs / "clf-fold0" / "metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"clf-fold0.metrics\.json: expected JSON"):
        collect(runs)
