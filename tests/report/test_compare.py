from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuzushiji.metric import Counts
from kuzushiji.report.collect import Collected, Run
from kuzushiji.report.compare import Compared, Comparison, Spread, compare, format_comparison
from kuzushiji.report.reference import Reference, ReferenceRun

EASE = {"clf": 0.0, "clf-b": 0.01, "segment": 0.05}
HARDNESS = (0.0, 0.02, 0.01)


def reference_with(noise: float = 0.0, **params: dict[str, Any]) -> Reference:
    """Return three kinds of models on three folds; F1 is 0.9 by kind and by fold, and one of them is off by `noise`."""
    runs = {}
    for kind, gain in EASE.items():
        for fold, loss in enumerate(HARDNESS):
            f1 = 0.9 + gain - loss + (noise if (kind, fold) == ("clf", 0) else 0)
            runs[kind, fold] = ReferenceRun(kind, fold, 40, f1, Counts(), f1 - 0.001, 1.0)
    return Reference(runs, params)


def collected(*runs: Run) -> Collected:
    return Collected(Path("runs"), runs, None, {}, None, {})


def run_of(kind: str, fold: int, f1: float, *, last: float | None = None, params: dict[str, Any] | None = None) -> Run:
    """Return a run whose best epoch had this F1."""
    metrics = {"best": {"f1": f1}, "last": {"f1": f1 if last is None else last}}
    return Run(Path("."), kind, fold, metrics, None, (), params or {})


def rows_of(comparison: Comparison, kind: str) -> dict[str, Compared]:
    return {row.fold: row for row in comparison.rows if row.kind == kind}


def test_fold_by_fold_and_the_mean() -> None:
    runs = [run_of("clf", 0, 0.91), run_of("clf", 1, 0.86)]
    rows = rows_of(compare(collected(*runs), reference_with()), "clf")
    assert list(rows) == ["0", "1", "2", "mean"]
    assert (rows["0"].best, rows["0"].reference_best, rows["0"].reference_last) == (0.91, 0.9, 0.899)
    assert rows["2"].best is None and rows["2"].mark == "not there"
    mean = rows["mean"]  # of the folds that both have
    assert (mean.best, mean.reference_best) == (pytest.approx(0.885), pytest.approx(0.89))


def test_that_folds_are_easier_or_harder_is_no_spread() -> None:
    rows = rows_of(compare(collected(run_of("clf", 0, 0.9)), reference_with()), "clf")
    assert rows["0"].tolerance == pytest.approx(0, abs=1e-12)


def test_the_spread_of_folds_is_what_kind_and_fold_do_not_explain() -> None:
    # One of 2 x 3 is off by 0.006: after the means by row and column 0.006 * (1/2) * (2/3) is left there.
    rows = rows_of(compare(collected(run_of("clf", 0, 0.9)), reference_with(0.006)), "clf")
    rest = 0.006 * np.array([[1 / 3, -1 / 6, -1 / 6], [-1 / 3, 1 / 6, 1 / 6]])
    assert rows["0"].tolerance == pytest.approx(2 * np.sqrt((rest**2).sum() / 2))
    assert rows["mean"].tolerance == pytest.approx(rows["0"].tolerance)  # of one fold
    both = rows_of(compare(collected(run_of("clf", 0, 0.9), run_of("clf", 1, 0.9)), reference_with(0.006)), "clf")
    assert both["mean"].tolerance == pytest.approx(rows["0"].tolerance / np.sqrt(2))


def test_for_the_only_detector_the_deviation_of_the_folds_counts_whole() -> None:
    rows = rows_of(compare(collected(run_of("segment", 0, 0.9)), reference_with()), "segment")
    assert rows["0"].tolerance == pytest.approx(2 * np.std(HARDNESS, ddof=1))


def test_other_seeds_widen_the_tolerance() -> None:
    ours, other = collected(run_of("clf", 0, 0.90)), collected(run_of("clf", 0, 0.92), run_of("clf", 1, 0.5))
    rows = rows_of(compare(ours, reference_with(), [other]), "clf")
    assert rows["0"].tolerance == pytest.approx(2 * np.std([0.90, 0.92], ddof=1))


@pytest.mark.parametrize(
    ("best", "last", "mark"),
    [
        (0.90, 0.899, "within"),
        (0.91, 0.909, "within"),  # the tolerance itself
        (0.9101, 0.899, "above"),
        (0.90, 0.888, "below"),  # the last epoch counts too
        (None, None, "not there"),
        (0.8, None, "below"),
    ],
)
def test_what_is_off_by_more_than_chance_is_marked(best: float | None, last: float | None, mark: str) -> None:
    assert Compared("clf", "0", best, 0.9, last, 0.899, 0.01 + 1e-12).mark == mark


def test_a_run_that_was_not_evaluated_in_training_is_compared_by_its_final_prediction() -> None:
    run = replace(run_of("clf", 0, 0.0), metrics={"best": {}, "last": {}}, held_out=Counts(1, 1, 1))
    row = rows_of(compare(collected(run), reference_with()), "clf")["0"]
    assert (row.best, row.last, row.final_prediction) == (0.5, None, True)
    assert row.cells()[2] == "0.5000*" and row.cells()[5] == "-"


def test_which_recipes_differ_and_what_only_one_has() -> None:
    recipe = {"lr": 0.1, "base": "a", "fold": 0}
    runs = [
        run_of("clf", 0, 0.9, params={"lr": 0.2, "base": "a", "fold": 1}),
        run_of("clf-b", 0, 0.9, params=recipe),
        run_of("clf-c", 0, 0.9),
        run_of("segment", 0, 0.9),
    ]
    remarks = compare(collected(*runs), reference_with(**{"clf": recipe, "clf-b": recipe})).remarks
    assert [remark.split("; ")[-1] for remark in remarks] == [
        "another recipe: lr", "the reference's recipe", "recipe unknown", "clf-c: of this run only",
    ]  # fmt: skip
    assert compare(collected(), reference_with()).remarks == tuple(f"{kind}: of the reference only" for kind in EASE)


def test_a_run_of_other_pages_is_neither_below_nor_above() -> None:
    comparison = compare(collected(run_of("clf", 0, 0.3)), reference_with(), data=(200, 673))
    assert {row.mark for row in comparison.rows} == {"other pages", "not there"}
    first, head, *_ = format_comparison(comparison).splitlines()
    assert first == (
        "not comparable: this run is of 200 training pages with 673 classes, the reference of the competition's 3,881 "
        "with 4,212"
    )
    assert head.startswith("model ")


def test_as_text() -> None:
    comparison = Comparison((Compared("clf", "0", 0.91, 0.9, 0.9, 0.899, 0.005),), ("a remark",))
    head, rule, row, remark, *notes = format_comparison(comparison).splitlines()
    assert head.split() == [
        "model",
        "fold",
        "best",
        "reference",
        "difference",
        "last",
        "reference",
        "difference",
        "tolerance",
    ]
    assert set(rule) == {"-"} and remark == "a remark" and len(notes) == 2
    assert row.split() == ["clf", "0", "0.9100", "0.9000", "+0.0100", "0.9000", "0.8990", "+0.0010", "0.0050", "above"]


def test_spreads_add_up_as_variances() -> None:
    assert Spread(0.003, 0.004).tolerance == pytest.approx(0.01)
