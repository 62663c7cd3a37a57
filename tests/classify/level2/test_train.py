"""Training the second level by its command: the report, and what it leaves."""

import json
import shutil

import numpy as np
import pytest

from kuzushiji import artifacts, cli
from kuzushiji.artifacts import read_detailed
from kuzushiji.classify import level2_features
from kuzushiji.classify.level2.__main__ import Level2, main
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.choice import EVERY_FOLD
from kuzushiji.classify.level2.cross_fitting import FoldModel, FoldResult, rounds_without
from kuzushiji.classify.level2.tables import true_classes
from kuzushiji.classify.level2.train import Boxes, decisions
from kuzushiji.data.labels import PageLabels
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, read_json
from tests.tables import make_detailed


def test_report_says_which_numbers_are_honest(tables, tiny_root, capsys, fast):
    assert main([*tables, "--data-root", str(tiny_root), *fast]) == 0
    out = capsys.readouterr().out
    head = next(line for line in out.splitlines() if line.strip().startswith("fold"))
    for column in ("blend", "lightgbm", "xgboost", "level 2", "last round", "best round", "rounds lightgbm"):
        assert column in head
    assert (
        "honest out of fold: blend, lightgbm, xgboost, level 2; 'last round' and 'best round' stopped by a look" in out
    )
    assert "expected calibration error of level 2, out of fold: 0." in out
    assert "gain in lightgbm: " in out
    assert "without the decision" not in out
    assert len([line for line in out.splitlines() if line.split() and line.split()[0] in {"0", "1", "2", "all"}]) == 4


def test_the_report_as_json(tables, tiny_root, capsys, fast):
    words = ["--features", "reference", "--min-probability", "auto"]
    assert main([*tables, "--json", "--data-root", str(tiny_root), *fast, *words]) == 0
    result = json.loads(capsys.readouterr().out)
    honest = ["blend", "lightgbm", "xgboost", "level 2", "without the decision"]
    assert result["honest"] == honest
    assert set(result["f1"]) == set(result["f1_by_fold"]) == {*honest, "last round", "best round"}
    assert set(result["f1_by_fold"]["level 2"]) == {"0", "1", "2"}
    assert result["tuned"] == ["min_probability"]
    assert list(result["decision"]) == ["0", "1", "2", "test"]
    assert all(set(decision) == {"seg_fp_adjust", "min_probability"} for decision in result["decision"].values())
    for library in ("lightgbm", "xgboost"):
        gains = list(result["importance"][library].values())
        assert gains == sorted(gains, reverse=True) and 0 < sum(gains) < 1.001  # none of a fold without a split


def test_fault_9_rounds_of_a_fold_are_those_that_were_best_on_the_others(tables, tiny_root, capsys, fast):
    words = ["--features", "reference", "--num-boost-round", "9", *fast[2:], "--eta", "0.9", "--lr", "0.3"]
    assert main([*tables, "--json", "--data-root", str(tiny_root), *words]) == 0
    for rounds in json.loads(capsys.readouterr().out)["rounds"].values():
        best = [of_fold["best"] for of_fold in rounds.values()]
        assert [of_fold["used"] for of_fold in rounds.values()] == [rounds_without(best, fold) for fold in range(3)]
        assert all(of_fold["best"] <= of_fold["trained"] <= 9 for of_fold in rounds.values())
        assert len(set(best)) > 1, "the folds are to differ"


def test_what_was_read_out_of_fold_is_a_detailed_table(trained, runs):
    oof = read_detailed(trained / "oof.parquet")
    assert len(oof) == sum(len(read_detailed(runs / f"fold{k}-a.parquet")) for k in range(3))
    assert (oof.logits <= 1e-6).all()


@pytest.mark.parametrize("old", [False, True], ids=["a new folder", "over an old model"])
def test_a_model_is_written_whole_or_not_at_all(old, trained, tables, tiny_root, tmp_path, fast, monkeypatch, capsys):
    """What was read out of fold is the last that is made, and cannot be written."""

    def full(path, table):
        raise InputError(f"{path}: cannot be written: the disk is full")

    monkeypatch.setattr(artifacts, "write_detailed", full)
    folder = tmp_path / "m"
    if old:
        shutil.copytree(trained, folder)
    before = contents(folder)
    with pytest.raises(SystemExit) as stopped:
        words = [*tables, "--save-model", str(folder), "--data-root", str(tiny_root), *fast, "--seed", "1", "--force"]
        cli.run(main, words)
    assert stopped.value.code == 1
    assert f"error: {folder / 'oof.parquet'}: cannot be written: the disk is full\n" in capsys.readouterr().err
    assert contents(folder) == before


def contents(folder):
    """What the files in a folder are; none where there is no folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def test_trained_twice_the_same(trained, tables, tiny_root, tmp_path, fast):
    assert main([*tables, "--save-model", str(tmp_path / "m"), "--data-root", str(tiny_root), *fast]) == 0
    for path in trained.glob("fold*"):
        assert path.read_bytes() == (tmp_path / "m" / path.name).read_bytes()


def test_seg_fp_is_tuned_on_other_folds_and_off_by_default(tables, tiny_root, capsys, fast):
    assert Level2.parse_args(["a"]).seg_fp_adjust == 0
    root = ["--data-root", str(tiny_root)]
    assert main([*tables, *root, *fast]) == 0
    assert "log-odds" not in capsys.readouterr().out
    assert main([*tables, *root, *fast, "--seg-fp-adjust", "auto", "--min-probability", "auto"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "the same decision in all columns but blend and 'without the decision'" in lines
    for start in ("added to the log-odds of seg_fp: ", "least probability of a character: "):
        line = next(line for line in lines if line.startswith(start))
        assert all(f"on fold {fold}" in line for fold in range(3)) and line.endswith("on test pages")


@pytest.mark.parametrize("name", ["seg_fp_adjust", "min_probability"])
def test_decision_of_a_fold_is_not_tuned_on_it(name):
    """A is right where it is sure. Where it is hardly ahead it is right on the first fold, and on the others it is not.

    The first fold has the most boxes: a look at it would change the decision.
    """
    sure, doubtful = [0.7, 0.2, 0.1], [0.42, 0.3, 0.28]
    features, results = {}, []
    for fold, doubted in enumerate(["A", "seg_fp", "seg_fp"]):
        boxes = 20 if fold == 0 else 5
        rows = [(f"p{fold}", i, "A" if i < boxes else doubted, [("A", 4.0), ("B", 3.0)]) for i in range(2 * boxes)]
        features[fold] = build_features([make_detailed(rows, codes="AB")], [["a"]], {}, 2)
        scores = np.log(np.array(boxes * sure + boxes * doubtful, np.float32))
        results.append(FoldResult(FoldModel(fold, (), None, {}, {}), {}, {"xgboost": scores}))
    classes = {fold: true_classes(part) for fold, part in features.items()}
    truth = PageLabels((), features[0].boxes[:0].assign(code=""))
    boxes = Boxes(features, {}, classes, {}, truth, np.arange(3, dtype=np.int32), None)
    found = decisions(Level2.parse_args(["tables", f"--{name.replace('_', '-')}", "auto"]), boxes, results)
    values = {fold: getattr(decision, name) for fold, decision in found.items()}
    assert values[0] > 0
    assert values[1] == values[2] == values[EVERY_FOLD] == 0


def test_one_kind_of_model_and_two_folds(tiny_root, tmp_path, runs, capsys, fast):
    names = [str(runs / f"fold{fold}-a.parquet") for fold in range(3)]
    assert level2_features.main([json.dumps([names]), str(tmp_path / "f.parquet")]) == 0
    assert main([*names, str(tmp_path / "f.parquet"), "--data-root", str(tiny_root), *fast[:4], "--n-folds", "2"]) == 0
    assert "rounds are used/best/trained" in capsys.readouterr().out


def tables_of_classifiers(folder, tables, *n_folds):
    """The tables in folders of their own, of classifiers that were trained with so many folds."""
    placed = []
    for fold, number in enumerate(n_folds):
        (folder / f"clf-fold{fold}").mkdir(parents=True)
        atomic_write_json(folder / f"clf-fold{fold}" / "params.json", {"n_folds": number})
        placed.append(shutil.copy(tables[fold], folder / f"clf-fold{fold}" / "detailed.parquet"))
    return [*map(str, placed), *tables[len(n_folds) :]]


def test_folds_are_those_of_the_classifiers(tables, tiny_root, tmp_path, capsys, fast):
    words = ["--json", *fast[:4], "--data-root", str(tiny_root)]
    folds = ["0", "1", "2"]
    of_run = tables_of_classifiers(tmp_path / "run", tables, 3, 3, 3)
    # Tables, the words that say how many folds there are, the folds that are trained.
    for number, (given, flag, expected) in enumerate(
        [(of_run, [], folds), (of_run, ["--n-folds", "2"], folds[:2]), (tables, ["--n-folds", "3"], folds)]
    ):
        place = tmp_path / f"m{number}"
        assert main([*given, *words, *flag, "--save-model", str(place)]) == 0
        assert list(json.loads(capsys.readouterr().out)["f1_by_fold"]["level 2"]) == expected
        assert read_json(place / "record-level2.json")["parameters"]["n_folds"] == len(expected)
    # The flag that says what the classifiers say is the same training.
    assert main([*of_run, *words, "--n-folds", "3", "--save-model", str(tmp_path / "m0")]) == 0
    assert capsys.readouterr().out == ""


def test_without_params_the_reference_s_five_folds(tables, tiny_root, tmp_path, capsys, fast):
    """Which its text tables are of; the boxes of two tables are not of five folds."""
    with pytest.raises(SystemExit):
        cli.run(main, [*tables[:2], *tables[3:5], *fast[:4], "--data-root", str(tiny_root)])
    assert "expected boxes of all 5 folds (--n-folds), got none of fold" in capsys.readouterr().err


def test_classifiers_of_different_folds(tables, tiny_root, tmp_path, capsys, fast):
    mixed = tables_of_classifiers(tmp_path, tables, 3, 4)
    with pytest.raises(SystemExit) as ended:
        cli.run(main, [*mixed, *fast[:4], "--data-root", str(tiny_root)])
    error = capsys.readouterr().err
    assert ended.value.code == 1 and len(error.splitlines()) == 1
    assert "clf-fold1/params.json: expected 3 folds as of " in error
