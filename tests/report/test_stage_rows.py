import json
from pathlib import Path

import pytest

from kuzushiji.data.labels import PagePoints, read_page_labels, write_page_points
from kuzushiji.metric import Counts
from kuzushiji.report.collect import collect
from kuzushiji.report.stage_rows import COLUMNS, Row, format_stages, stage_table


def test_without_runs_there_is_only_the_head(tmp_path: Path) -> None:
    assert stage_table(collect(tmp_path), None) == []
    assert format_stages([]).splitlines()[0].split() == " ".join(COLUMNS).split()


def test_every_stage_has_its_rows_in_order(runs: Path, tiny_root: Path) -> None:
    rows = stage_table(collect(runs), read_page_labels(tiny_root / "solution.csv"))
    assert [(row.stage, row.model, row.fold) for row in rows] == [
        ("boxes", "segment", "0"),
        ("boxes", "segment", "1"),
        ("boxes fused", "segment", "all"),
        ("single model", "clf", "0"),
        ("single model", "clf", "1"),
        ("folds blended", "clf", "all"),
        ("blend", "all", "all"),
        ("second level", "boosters", "all"),
    ]


def test_held_out_counts_of_the_folds_add_up(runs: Path, tiny_root: Path) -> None:
    rows = {row.fold: row.held_out for row in stage_table(collect(runs), None) if row.model == "clf"}
    train = read_page_labels(tiny_root / "train.csv")
    found, all_of_them = len(train.of_pages(train.image_ids[::2]).boxes), len(train.boxes)
    assert rows == {"0": 1.0, "1": 0.0, "all": 2 * found / (found + all_of_them)}


def test_the_second_level_brings_its_own_held_out_scores(runs: Path) -> None:
    (runs / "level2_models").mkdir()
    record = {"facts": {"f1": {"blend": 0.25, "level 2": 0.5}}}
    (runs / "level2_models" / "record-level2.json").write_text(json.dumps(record))
    blend, boosters = stage_table(collect(runs), None)[-2:]
    assert (blend.held_out, boosters.held_out) == (0.25, 0.5)


def test_fault_9_best_and_last_epoch_stand_side_by_side(runs: Path) -> None:
    row = next(row for row in stage_table(collect(runs), None) if row.model == "clf")
    assert row.cells()[4:6] == ("0.7500", "0.5000")


@pytest.mark.parametrize(
    ("submission", "missed"),
    [
        ("submission.csv", 1),  # all but the first character are right
        ("blend-all.csv", 0),
    ],
)
def test_test_pages_are_scored_on_the_hidden_truth(runs: Path, tiny_root: Path, submission: str, missed: int) -> None:
    truth = read_page_labels(tiny_root / "solution.csv")
    name = "boosters" if submission == "submission.csv" else "all"
    row = next(row for row in stage_table(collect(runs), truth) if row.model == name)
    assert row.test == Counts(len(truth.boxes) - missed, 0, missed)


def test_nothing_read_scores_zero(runs: Path, tiny_root: Path, no_points: PagePoints) -> None:
    write_page_points(runs / "submission.csv", no_points)
    truth = read_page_labels(tiny_root / "solution.csv")
    assert stage_table(collect(runs), truth)[-1].test == Counts(0, 0, len(truth.boxes))


def test_what_is_not_known_is_a_dash() -> None:
    assert Row("blend", "all", "all").cells() == ("blend", "all", "all", *["-"] * 7)
