"""Weights of a blend, found on held-out tables."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuzushiji.artifacts import Detailed, read_detailed, write_detailed
from kuzushiji.classify.averaging import find_weights
from kuzushiji.classify.blend import main
from kuzushiji.errors import InputError, UsageError
from tests.tables import make_detailed, write_runs


def fold(page: str, wrong: bool) -> Detailed:
    """A table of four boxes with the truth A, in which one of two models is right."""
    best = [("B", 2.0), ("A", 1.0)] if wrong else [("A", 1.5), ("B", 1.0)]
    return make_detailed([(page, box, "A", best) for box in range(4)])


def test_the_model_that_is_right_gets_more_weight() -> None:
    tables = [fold("p_1", True), fold("p_1", False), fold("q_1", True), fold("q_1", False)]
    found = find_weights(tables, list("abcd"))
    assert found.weights[0] == 1 and found.weights[1] > 1
    assert found.of_table == found.weights * 2
    assert (found.equal_f1, found.f1) == (0, 1)


def test_a_score_out_of_fold_does_not_see_its_own_fold() -> None:
    """The second model is right on one fold and wrong on the other: weights that help there do not help here."""
    tables = [fold("p_1", True), fold("p_1", False), fold("q_1", False), fold("q_1", True)]
    assert find_weights(tables, list("abcd")).f1 < 1


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([fold("p_1", True), fold("q_1", True)], "expected at least two models of the same pages"),
        ([fold("p_1", True), fold("p_1", False), fold("q_1", True)], "got 2 of that of a and 1 of that of c"),
    ],
)
def test_folds_without_all_models(tables: list[Detailed], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_weights(tables, list("abc"))


def test_command(tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(tiny_root, tmp_path)
    tests = [str(tmp_path / f"test-fold{k}-{kind}.parquet") for k in range(3) for kind in "ab"]
    held_out = [str(tmp_path / f"fold{k}-{kind}.parquet") for k in range(3) for kind in "ab"]
    words = [*tests, "--held-out", *held_out, "--weights", "auto", "--data-root", str(tiny_root)]
    output = tmp_path / "blend.parquet"
    assert main([*words, "--output-detailed", str(output), "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    weights = first["of models"]
    assert len(weights) == 2 and weights[0] == 1 and 0 <= first["f1 of equal weights"] <= 1
    given = [f"{table}={weight}" for table, weight in zip(tests, weights * 3, strict=True)]
    assert main([*given, "--output-detailed", str(tmp_path / "given.parquet"), "--data-root", str(tiny_root)]) == 0
    assert np.array_equal(read_detailed(output).logits, read_detailed(tmp_path / "given.parquet").logits)
    capsys.readouterr()
    table = read_detailed(Path(held_out[0]))
    write_detailed(
        Path(held_out[0]), replace(table, logits=table.logits * np.float32(0.5))
    )  # another input: the blend is made again
    before = output.stat().st_mtime_ns
    assert main([*words, "--output-detailed", str(output)]) == 0  # a held-out table is an input like the others
    assert output.stat().st_mtime_ns != before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "--held-out", "c"], "expected a table of --held-out for each of the 2 tables, got 1"),
        (["a=2", "--held-out", "c"], "expected tables without weights of their own"),
    ],
)
def test_bad_usage(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        main([*words, "--weights", "auto", "--output", "out.csv"])
