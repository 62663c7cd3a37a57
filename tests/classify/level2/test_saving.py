"""A trained second level as a folder."""

import json
import shutil

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.classify.level2 import saving
from kuzushiji.classify.level2.__main__ import main
from kuzushiji.classify.level2.ngrams import ORDER, NGrams
from kuzushiji.classify.level2.saving import load_model
from kuzushiji.errors import InputError
from kuzushiji.files import read_json, sha256_of_file


def test_files_of_a_model(trained):
    names = {path.name for path in trained.iterdir()}
    trees = {f"fold{k}.{kind}" for k in range(3) for kind in ("lgb.txt", "xgb.json")}
    assert names == {"level2.json", "language.parquet", "oof.parquet", "record-level2.json", *trees}
    model = load_model(trained)
    assert model.columns[:3] == ("group0_log_probability", "group0_lead", "group0_logit")
    assert len(model.vocabulary) == 6
    facts = read_json(trained / "record-level2.json")["facts"]
    assert set(facts["f1"]) == {"blend", "lightgbm", "xgboost", "level 2", "last round", "best round"}
    assert set(facts["f1_by_fold"]["level 2"]) == {"0", "1", "2"}
    assert 0 <= facts["calibration"]["expected_calibration_error"] <= 1


# A file of the model, its new content, and what the message says.
DAMAGED = [
    ("level2.json", "{}", "expected a second level of format 2, got something else"),
    ("level2.json", '{"format": 1}', "got format 1; level2.sh trains it again; predict and export do without it by"),
    ("level2.json", "no json", "expected JSON, got something else"),
    ("level2.json", '{"format": 2, "files": {}}', "expected the field vocabulary, got none"),
    ("level2.json", '{"format": 2, "files": {"../x": ""}}', "expected the file that was saved with level2.json"),
    ("fold1.lgb.txt", "tree\n", "expected the file that was saved with level2.json, got another"),
    ("fold1.xgb.json", None, "expected the file that was saved with level2.json, got another"),
    ("language.parquet", "x", "expected the file that was saved with level2.json, got another"),
]


@pytest.mark.parametrize(("name", "content", "message"), DAMAGED)
def test_damaged_models_are_refused(trained, tmp_path, name, content, message):
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)


def set_to(value, *place):
    """A change of level2.json: what stands at a place becomes something else."""

    def change(facts):
        for key in place[:-1]:
            facts = facts[key]
        facts[place[-1]] = value

    return change


def without(*place):
    """A change of level2.json: what stands at a place is not there."""

    def change(facts):
        for key in place[:-1]:
            facts = facts[key]
        facts.pop(place[-1])

    return change


WEIGHTS = ("folds", 0, "start", "weights")
# What is changed in level2.json, and what the one line says after the name of the file.
WRONG = [
    (set_to(["a"], "columns"), 'expected the 38 columns of the features extended in columns, got ["a"]'),
    (lambda facts: facts["columns"].reverse(), "expected the 38 columns of the features extended in columns, got ["),
    (without("columns"), "expected the field columns, got none"),
    (set_to("junk", "feature_set"), 'expected extended or reference in feature_set, got "junk"'),
    (set_to("reference", "feature_set"), "expected language.parquet for the features extended, and for no others, in"),
    (set_to("junk", "objective"), 'expected softmax or ranking or binary in objective, got "junk"'),
    (set_to("binary", "objective"), "no linear model with the features extended under binary in folds[0].readers, got"),
    (set_to(0, "top_k"), "expected a whole number from 1 to 6 in top_k, got 0"),
    (set_to(3, "n_groups"), "expected the 41 columns of the features extended in columns, got ["),
    (set_to(10**9, "n_groups"), "expected a whole number from 1 to 1000 in n_groups, got 1000000000"),
    (set_to("x", "extra"), 'expected a list in extra, got "x"'),
    (set_to(["x"], "extra"), "expected the 39 columns of the features extended in columns, got ["),
    (set_to({"seg_fp_adjust": "x"}, "decision"), 'expected a finite number in decision.seg_fp_adjust, got "x"'),
    (set_to(float("nan"), "decision", "min_probability"), "a finite number in decision.min_probability, got NaN"),
    (set_to([], "vocabulary"), "expected sorted codes, each once, and seg_fp last in vocabulary, got []"),
    (set_to("U+3042", "vocabulary", 1), "expected sorted codes, each once, and seg_fp last in vocabulary, got ["),
    (without("files", "language.parquet"), "expected language.parquet for the features extended,"),
    (without("files", "fold1.lgb.txt"), "expected the field files.fold1.lgb.txt, got none"),
    (set_to([], "folds"), "expected a list of at least 1 in folds, got []"),
    (set_to({}, "folds"), "expected a list of at least 1 in folds, got {}"),
    (set_to("../x", "folds", 0, "fold"), 'expected a whole number from 0 in folds[0].fold, got "../x"'),
    (set_to(1, "folds", 0, "fold"), "expected each fold once in folds, got ["),
    (set_to({}, "folds", 0, "rounds"), "expected lightgbm or xgboost in folds[0].rounds, got {}"),
    (set_to({"b": 1}, "folds", 0, "rounds"), 'expected lightgbm or xgboost in folds[0].rounds, got {"b": 1}'),
    (set_to("x", "folds", 0, "rounds", "lightgbm"), 'a whole number from 0 in folds[0].rounds.lightgbm, got "x"'),
    (set_to(-5, "folds", 0, "rounds", "lightgbm"), "a whole number from 0 in folds[0].rounds.lightgbm, got -5"),
    (set_to(10**6, "folds", 0, "rounds", "xgboost"), "in folds[0].rounds.xgboost, got 1000000"),
    (set_to([], "folds", 0, "readers"), "expected linear models in folds[0].readers, got []"),
    (set_to(None, "folds", 0, "start"), "expected a linear model in folds[0].start, got null"),
    (set_to("x", *WEIGHTS, 0), 'expected a finite number in folds[0].start.weights[0], got "x"'),
    (set_to(float("inf"), *WEIGHTS, 0), "expected a finite number in folds[0].start.weights[0], got Infinity"),
    (without(*WEIGHTS, 0), "numbers, one a name, in folds[0].start.weights, got ["),
    (set_to("group9_logit", "folds", 0, "start", "names", 0), "columns of a linear model in folds[0].start.names, got"),
    (set_to("x", "folds", 2, "readers", 0, "names", 0), "columns of a linear model in folds[2].readers[0].names, got"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_models_whose_parts_do_not_fit_are_refused(change, message, trained, test_tables, tiny_root, tmp_path, capsys):
    model, output = shutil.copytree(trained, tmp_path / "model"), tmp_path / "s.csv"
    facts = read_json(model / "level2.json")
    change(facts)
    (model / "level2.json").write_text(json.dumps(facts))
    (model / "record-level2.json").unlink()
    words = [*test_tables, "--load-model", str(model), "--output", str(output), "--data-root", str(tiny_root)]
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, words)
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and len(error.strip().splitlines()) == 1, error
    assert error.startswith(f"error: {model / 'level2.json'}: ") and message in error, error
    assert not output.exists()


def test_trees_on_other_columns_are_refused(trained, tmp_path):
    """A file that was replaced together with its digest."""
    model = shutil.copytree(trained, tmp_path / "model")
    path = model / "fold1.xgb.json"
    path.write_text(path.read_text().replace('"group0_lead"', '"group0_lean"'))
    facts = read_json(model / "level2.json")
    facts["files"][path.name] = sha256_of_file(path)
    (model / "level2.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="fold1.xgb.json: expected trees on the columns of level2.json, got others"):
        load_model(model)


def test_counts_of_before_are_refused(tmp_path):
    """They hold ends of pages as characters."""
    keys, counts = zip(*[(np.array([0, 4]), np.ones((2, 1), np.int32))] * ORDER, strict=True)
    saving._write_language(tmp_path / "language.parquet", NGrams(4, keys, counts))
    with pytest.raises(InputError, match="it counts ends of pages as characters"):
        saving._read_language(tmp_path / "language.parquet")
