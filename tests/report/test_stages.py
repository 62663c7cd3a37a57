import json
from pathlib import Path

import pytest

from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.metric import Counts
from kuzushiji.report.collect import collect
from kuzushiji.report.outcome import held_out_outcomes
from kuzushiji.report.reference import Reference, ReferenceRun
from kuzushiji.report.stage_rows import stage_table
from kuzushiji.report.stages import WideTable, wide_table, without_dashes

NO_REFERENCE = Reference({}, {})


def table_of(runs: Path, root: Path, reference: Reference = NO_REFERENCE) -> WideTable:
    collected = collect(runs)
    outcomes = held_out_outcomes(collected, DataRoot(root), read_page_labels(root / "train.csv"))
    return wide_table(stage_table(collected, read_page_labels(root / "solution.csv")), collected, outcomes, reference)


def cells_of(table: WideTable, stage: str, fold: str) -> dict[tuple[str, str, int], str]:
    """Return the cells of a row by group, column and number of the column within its group."""
    names = [(group, name, i) for group, columns in table.groups for i, name in enumerate(columns)]
    (row,) = [row for row in table.rows if row[0] == stage and row[2] == fold]
    return dict(zip(names, row, strict=True))


def add(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_every_row_has_a_cell_in_every_column(runs: Path, tiny_root: Path) -> None:
    table = table_of(runs, tiny_root)
    n_columns = sum(len(columns) for _, columns in table.groups)
    assert len(table.rows) == 8 and {len(row) for row in table.rows} == {n_columns}
    assert table.together == (False, False, True, False, False, True, True, True)


def test_held_out_scores_epochs_and_test_scores(runs: Path, tiny_root: Path) -> None:
    cells = cells_of(table_of(runs, tiny_root), "single model", "0")
    held_out, training = "held-out pages", "during training"
    assert [cells[held_out, name, i] for i, name in enumerate(("F1", "precision", "recall", "accuracy"))] == [
        "1.0000", "1.0000", "1.0000", "-",
    ]  # fmt: skip
    assert [cells[training, name, i] for i, name in enumerate(("best F1", "of epoch", "last F1", "epochs"))] == [
        "0.7500", "1", "0.5000", "2",
    ]  # fmt: skip
    assert cells["test pages", "recall", 2] == "1.0000" and cells["cost", "minutes", 0] == "1.5"


def test_costs_and_accuracy_of_a_run_and_of_its_folds_together(runs: Path, tiny_root: Path) -> None:
    for fold, (boxes, accuracy, rate) in enumerate(((30, 0.9, {"pages_per_second": 5.0}), (10, 0.5, {"seconds": 2.0}))):
        folder = runs / f"clf-fold{fold}"
        add(folder / "metrics.json", crops_per_second=7.0 + fold, peak_memory_mib=1000 + fold)
        add(folder / "metrics-oof.json", boxes=boxes, accuracy=accuracy, pages=10, peak_device_memory_mib=50, **rate)
    table = table_of(runs, tiny_root)
    one, both = cells_of(table, "single model", "0"), cells_of(table, "folds blended", "all")
    cost = ("minutes", "peak memory, MiB", "training, crops/s", "prediction, pages/s")
    assert [one["cost", name, i] for i, name in enumerate(cost)] == ["1.5", "1,000 + 50", "7.0", "5.0"]
    assert [both["cost", name, i] for i, name in enumerate(cost)] == ["3.0", "1,001 + 50", "7.5", "5.0"]
    assert both["held-out pages", "accuracy", 3] == "0.8000"  # of 40 boxes


def test_a_rate_that_was_not_measured_follows_from_updates_and_batch_size(runs: Path, tiny_root: Path) -> None:
    (runs / "segment-fold0" / "params.json").write_text(json.dumps({"batch_size": 16, "accumulation_steps": 2}))
    add(runs / "segment-fold0" / "metrics.json", seconds=8.0)
    table = table_of(runs, tiny_root)  # the fixture's last epoch ended with update 1
    assert cells_of(table, "boxes", "0")["cost", "training, crops/s", 2] == "4.0"
    assert cells_of(table, "boxes", "1")["cost", "training, crops/s", 2] == "-"


def test_the_second_level_has_time_and_held_out_scores_of_its_own(runs: Path, tiny_root: Path) -> None:
    from kuzushiji.artifacts import write_detailed
    from tests.report.conftest import certain

    (runs / "level2_models").mkdir()
    record = {"facts": {"f1": {"level 2": 0.5}}, "seconds": 90}
    (runs / "level2_models" / "record-level2.json").write_text(json.dumps(record))
    write_detailed(runs / "level2_models" / "oof.parquet", certain(read_page_labels(tiny_root / "train.csv")))
    cells = cells_of(table_of(runs, tiny_root), "second level", "all")
    assert cells["held-out pages", "F1", 0] == "0.5000"  # as it measured it itself
    assert cells["held-out pages", "recall", 2] == cells["held-out pages", "accuracy", 3] == "1.0000"
    assert cells["cost", "minutes", 0] == "1.5"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"lr": 0.1}, ["0.9000", "40", "0.8000", "27.5"]),
        ({"lr": 0.2}, None),  # another recipe
        ({}, None),  # nobody knows
    ],
)
def test_the_reference_stands_beside_runs_that_repeat_its_recipe(
    runs: Path, tiny_root: Path, params: dict[str, float], expected: list[str] | None
) -> None:
    (runs / "clf-fold1" / "params.json").write_text(json.dumps(params))
    theirs = ReferenceRun("clf", 1, 40, 0.9, Counts(), 0.8, 27.5)
    table = table_of(runs, tiny_root, Reference({("clf", 1): theirs}, {"clf": {"lr": 0.1}}))
    assert (table.groups[-1][0] == "reference") == (expected is not None)
    if expected is not None:
        assert list(cells_of(table, "single model", "1").values())[-4:] == expected
        assert list(cells_of(table, "single model", "0").values())[-4:] == ["-"] * 4


def test_columns_of_dashes_and_their_headings_are_left_out(runs: Path, tiny_root: Path) -> None:
    table = table_of(runs, tiny_root)
    shown = without_dashes(table)
    assert ("cost", ("minutes",)) in shown.groups and "accuracy" not in dict(shown.groups)["held-out pages"]
    assert all(any(cell != "-" for cell in column) for column in zip(*shown.rows, strict=True))
    assert without_dashes(WideTable((("", ("a",)),), (), (), ())).groups == (("", ("a",)),)
