"""Training the second level by its command: the report, and what it leaves."""

import json

from kuzushiji.artifacts import read_detailed
from kuzushiji.classify import level2_features
from kuzushiji.classify.level2.__main__ import main, parse_args


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
    assert len([line for line in out.splitlines() if line.split() and line.split()[0] in {"0", "1", "2", "all"}]) == 4


def test_the_report_as_json(tables, tiny_root, capsys, fast):
    assert main([*tables, "--json", "--data-root", str(tiny_root), *fast]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["f1"]) == {"blend", "lightgbm", "xgboost", "level 2", "last round", "best round"}
    assert set(result["f1_by_fold"]["level 2"]) == {"0", "1", "2"}


def test_what_was_read_out_of_fold_is_a_detailed_table(trained, runs):
    oof = read_detailed(trained / "oof.parquet")
    assert len(oof) == sum(len(read_detailed(runs / f"fold{k}-a.parquet")) for k in range(3))
    assert (oof.logits <= 1e-6).all()


def test_trained_twice_the_same(trained, tables, tiny_root, tmp_path, fast):
    assert main([*tables, "--save-model", str(tmp_path / "m"), "--data-root", str(tiny_root), *fast]) == 0
    for path in trained.glob("fold*"):
        assert path.read_bytes() == (tmp_path / "m" / path.name).read_bytes()


def test_seg_fp_is_tuned_on_other_folds_and_off_by_default(tables, tiny_root, capsys, fast):
    assert parse_args(["a"]).seg_fp_adjust == 0
    root = ["--data-root", str(tiny_root)]
    assert main([*tables, *root, *fast]) == 0
    assert "log-odds" not in capsys.readouterr().out
    assert main([*tables, *root, *fast, "--seg-fp-adjust", "auto", "--min-probability", "auto"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for start in ("added to the log-odds of seg_fp: ", "least probability of a character: "):
        line = next(line for line in lines if line.startswith(start))
        assert all(f"on fold {fold}" in line for fold in range(3)) and line.endswith("on test pages")


def test_one_kind_of_model_and_two_folds(tiny_root, tmp_path, runs, capsys, fast):
    names = [str(runs / f"fold{fold}-a.parquet") for fold in range(3)]
    assert level2_features.main([json.dumps([names]), str(tmp_path / "f.parquet")]) == 0
    assert main([*names, str(tmp_path / "f.parquet"), "--data-root", str(tiny_root), *fast[:4], "--n-folds", "2"]) == 0
    assert "rounds are used/best/trained" in capsys.readouterr().out
