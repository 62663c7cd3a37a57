"""The command of the second level: what it takes, what it refuses, what is done already."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.artifacts.features import read_features, write_features
from kuzushiji.classify.level2.__main__ import Level2, main
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.config import AUTO
from kuzushiji.data.labels import read_page_points
from tests.tables import make_detailed


def test_arguments():
    config = Level2.parse_args(["a", "b", "--use-xgb", "--use-lgb", "0", "--seg-fp-adjust", "auto", "c"])
    assert [str(path) for path in config.tables] == ["a", "b", "c"]
    assert (config.use_xgb, config.use_lgb, config.seg_fp_adjust) == (True, False, AUTO)


def test_done_already(trained, tables, test_tables, tiny_root, tmp_path, caplog, fast):
    caplog.set_level("INFO")
    assert main([*tables, "--save-model", str(trained), "--data-root", str(tiny_root), *fast]) == 0
    words = [
        *test_tables,
        "--load-model",
        str(trained),
        "--output",
        str(tmp_path / "s.csv"),
        "--data-root",
        str(tiny_root),
    ]
    assert main(words) == 0
    assert main(words) == 0
    assert caplog.text.count("already done, skipped") == 2


VARIANTS = [
    ["--features", "reference", "--objective", "binary"],
    ["--features", "reference"],
    ["--objective", "binary"],
    ["--objective", "ranking"],
    ["--use-xgb", "0"],
    ["--use-lgb", "0", "--seg-fp-adjust", "auto", "--min-probability", "auto"],
    ["--max-rows", "100"],
]


@pytest.mark.parametrize("words", VARIANTS, ids=" ".join)
def test_variants_reach_a_submission(words, tables, test_tables, tiny_root, tmp_path, fast):
    root = ["--data-root", str(tiny_root)]
    assert main([*tables, "--save-model", str(tmp_path / "m"), *root, *fast, *words]) == 0
    assert main([*test_tables, "--load-model", str(tmp_path / "m"), "--output", str(tmp_path / "s.csv"), *root]) == 0
    assert len(read_page_points(tmp_path / "s.csv").points) > 10
    record = json.loads((tmp_path / "m" / "record-level2.json").read_text(), parse_constant=pytest.fail)
    assert record["parameters"]["min_probability"] == ("auto" if "--min-probability" in words else 0)


def run(words):
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, [str(word) for word in words])
    return stopped.value.code


@pytest.fixture
def wrong(runs, tmp_path):
    """Features and tables that fit nothing."""
    detailed, last = read_detailed(runs / "fold0-a.parquet"), read_features(runs / "features2.parquet")
    write_detailed(tmp_path / "fewer.parquet", detailed.take(np.arange(1, len(detailed))))
    moved = last.boxes.assign(x=last.boxes["x"] + 1)
    write_features(tmp_path / "moved.parquet", replace(last, boxes=moved))
    write_features(tmp_path / "one-group.parquet", build_features([detailed], [["a"]], {}, 2))
    write_features(tmp_path / "top3.parquet", build_features([detailed, detailed], [["a"], ["b"]], {}, 3))
    test = read_detailed(runs / "test-fold0-a.parquet")
    write_features(tmp_path / "test-top3.parquet", build_features([test, test], [["a"], ["b"]], {}, 3))
    write_features(tmp_path / "test-one-group.parquet", build_features([test], [["a"]], {}, 2))
    other = make_detailed([(page, 0, "A", [("A", 1.0)]) for page in detailed.pages[:1]])
    write_detailed(tmp_path / "vocabulary.parquet", other)
    (tmp_path / "text.parquet").write_text("notes")
    return tmp_path


def test_bad_input_of_training(wrong, tables, runs, tiny_root, capsys, fast):
    root = ["--data-root", tiny_root, *fast]
    boxes, features = tables[:3], tables[3:]
    test = [runs / "test-fold0-a.parquet", runs / "features-test.parquet"]
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([*tables, "--output", "s.csv"], 2, "expected --load-model M and --output SUBMISSION together"),
        ([*tables, "--load-model", "m"], 2, "expected --load-model M and --output SUBMISSION together"),
        ([*tables, "--load-model", "m", "--output", "s", "--save-model", "m"], 2, "got both"),
        ([*tables, "--use-lgb", "0", "--use-xgb", "0"], 2, "at least one of --use-lgb and --use-xgb"),
        ([*tables, "--load-model", "m", "--output", "s", "--min-probability", "auto"], 2, "a number for --min-prob"),
        ([*tables, "--load-model", "m", "--output", "s", "--seg-fp-adjust", "auto"], 2, "--load-model, got auto"),
        ([*tables, "--n-folds", "1"], 2, "expected --n-folds of at least 2, got 1"),
        ([*tables, "--seg-fp-adjust", "much"], 2, "expected a number or auto, got 'much'"),
        ([*tables, "--featurs", "reference"], 2, "did you mean --features?"),
        ([*boxes, *root], 1, "expected detailed tables and features, got no features"),
        ([*features, *root], 1, "expected detailed tables and features, got no detailed table"),
        ([*tables, wrong / "none.parquet", *root], 1, "expected a detailed table or features, got no file"),
        ([*tables, wrong / "text.parquet", *root], 1, "expected a Parquet table, got something that cannot be read"),
        (
            [wrong / "fewer.parquet", *boxes[1:], *features, *root],
            1,
            f"{features[0]}, page 100000001_00001_1, box 0: expected the boxes of {wrong / 'fewer.parquet'}, got one",
        ),
        (
            [*boxes, *features[:2], wrong / "moved.parquet", *root],
            1,
            f"{wrong / 'moved.parquet'}, page 100000003_00001_1, box 0: expected x y w h as in {boxes[2]} [",
        ),
        ([*boxes, wrong / "one-group.parquet", *features[1:], *root], 1, "features with n_groups 1 as"),
        ([*boxes, wrong / "top3.parquet", *features[1:], *root], 1, "features with top_k 3 as"),
        (
            [*boxes, *features, *features, *root],
            1,
            "expected each training page in one table of features, got it in two",
        ),
        (
            [*boxes, *features, features[0], *root],
            1,
            f"{boxes[1]}, page 100000002_00001_1: expected features of each page, got none in {features[0]}",
        ),
        ([boxes[0], features[1], *root], 1, f"{features[1]}: expected the pages of {boxes[0]}, got none in common"),
        ([boxes[0], features[0], *root], 1, f"{features[0]}: expected boxes of all 3 folds (--n-folds), got none of"),
        ([wrong / "vocabulary.parquet", *features, *root], 1, "expected the vocabulary of"),
        ([*test, *root], 1, f"{test[1]}, page test_100000001_00001_1: expected a training page, got one that is not"),
        ([*tables, "--data-root", tiny_root, *fast[:4], "--n-folds", "9"], 1, "got 6 books for 9 folds"),
    ]
    for words, code, message in table:
        assert run(words) == code, words
        error = capsys.readouterr().err
        assert message in error, (words, error)
        assert len(error.strip().splitlines()) == 1, error


def test_bad_input_of_submission(wrong, trained, tables, test_tables, runs, tiny_root, tmp_path, capsys, fast):
    root = ["--output", tmp_path / "s.csv", "--data-root", tiny_root]
    lightgbm = tmp_path / "lightgbm"
    words = [*tables, "--save-model", str(lightgbm), "--use-xgb", "0", "--data-root", str(tiny_root), *fast]
    assert main(words) == 0
    capsys.readouterr()
    (tmp_path / "mine.csv").write_text("notes")
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([*test_tables, "--load-model", tmp_path / "none", *root], 1, "expected an input file, got none"),
        (
            [test_tables[0], wrong / "test-top3.parquet", "--load-model", trained, *root],
            1,
            f"error: {wrong / 'test-top3.parquet'}: expected features with the top-k of the model, 2, got 3",
        ),
        (
            [test_tables[0], wrong / "test-one-group.parquet", "--load-model", trained, *root],
            1,
            "the number of groups of",
        ),
        (
            [*test_tables, "--load-model", lightgbm, "--use-lgb", "0", *root],
            1,
            "trees of xgboost, got those of",
        ),
        ([*test_tables, "--load-model", lightgbm, "--use-xgb", "1", *root], 1, "trees of lightgbm and xgboost, got"),
        (
            [runs / "fold0-a.parquet", runs / "features0.parquet", "--load-model", trained, *root],
            1,
            "pages of {}, got page 100000001_00001_1".format(tiny_root / "sample_submission.csv"),
        ),
        (
            [*test_tables, "--load-model", trained, "--output", tmp_path / "mine.csv", *root[2:]],
            1,
            "--force replaces it",
        ),
    ]
    for words, code, message in table:
        assert run(words) == code, words
        error = capsys.readouterr().err
        assert message in error, (words, error)
        assert len(error.strip().splitlines()) == 1, error
    assert (tmp_path / "mine.csv").read_text() == "notes"
