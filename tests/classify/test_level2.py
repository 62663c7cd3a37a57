"""The second level, from tables to a submission, at the size of a dozen pages."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import read_characters, read_detailed, write_detailed
from kuzushiji.artifacts.features import read_features, write_features
from kuzushiji.classify import level2_features, level2_training
from kuzushiji.classify.candidates import build_features
from kuzushiji.classify.level2 import main, parse_args
from kuzushiji.classify.level2_choice import Decision, choose, tuned
from kuzushiji.classify.level2_config import AUTO
from kuzushiji.classify.level2_model import load_model
from kuzushiji.classify.level2_training import rounds_without, target_rows
from kuzushiji.data.labels import read_page_points
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from tests.tables import make_detailed, write_runs

FAST = ["--num-boost-round", "4", "--early-stop", "2", "--n-folds", "3"]


@pytest.fixture(scope="module")
def runs(tiny_root, tmp_path_factory):
    """Two kinds of models over three folds, and the features of each fold and of the test pages."""
    folder = tmp_path_factory.mktemp("runs")
    write_runs(tiny_root, folder)
    for fold in range(3):
        kinds = [[str(folder / f"fold{fold}-{kind}.parquet")] for kind in "ab"]
        level2_features.main([json.dumps(kinds), str(folder / f"features{fold}.parquet"), "--top-k", "2"])
    kinds = [sorted(map(str, folder.glob(f"test-fold?-{kind}.parquet"))) for kind in "ab"]
    level2_features.main([json.dumps(kinds), str(folder / "features-test.parquet"), "--top-k", "2"])
    return folder


@pytest.fixture(scope="module")
def tables(runs):
    return [
        *(str(runs / f"fold{k}-a.parquet") for k in range(3)),
        *(str(runs / f"features{k}.parquet") for k in range(3)),
    ]


@pytest.fixture(scope="module")
def test_tables(runs):
    return [str(runs / "test-fold0-a.parquet"), str(runs / "features-test.parquet")]


@pytest.fixture(scope="module")
def trained(runs, tables, tiny_root):
    folder = runs / "model"
    assert main([*tables, "--save-model", str(folder), "--data-root", str(tiny_root), *FAST]) == 0
    return folder


def test_report_says_which_numbers_are_honest(tables, tiny_root, capsys):
    assert main([*tables, "--data-root", str(tiny_root), *FAST]) == 0
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


def test_the_report_as_json(tables, tiny_root, capsys):
    assert main([*tables, "--json", "--data-root", str(tiny_root), *FAST]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["f1"]) == {"blend", "lightgbm", "xgboost", "level 2", "last round", "best round"}
    assert set(result["f1_by_fold"]["level 2"]) == {"0", "1", "2"}


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


def test_what_was_read_out_of_fold_is_a_detailed_table(trained, runs):
    oof = read_detailed(trained / "oof.parquet")
    assert len(oof) == sum(len(read_detailed(runs / f"fold{k}-a.parquet")) for k in range(3))
    assert (oof.logits <= 1e-6).all()


def test_submission(trained, test_tables, tiny_root, tmp_path):
    output = tmp_path / "submission.csv"
    words = [*test_tables, "--load-model", str(trained), "--output", str(output), "--data-root", str(tiny_root)]
    assert main(words) == 0
    points = read_page_points(output)
    assert points.image_ids == read_page_points(tiny_root / "sample_submission.csv").image_ids
    assert len(points.points) > 10
    rows = read_characters(tmp_path / "submission_detailed.parquet").rows
    assert len(rows) == len(points.points)
    assert rows["probability"].between(0, 1).all()


def test_several_views_of_the_test_pages(trained, test_tables, runs, tiny_root, tmp_path):
    """The same view twice says what it says once; views of each fold's models are averaged."""
    by_fold = []
    for fold in range(3):
        by_fold.append(str(tmp_path / f"view{fold}.parquet"))
        kinds = [[str(runs / f"test-fold{fold}-{kind}.parquet")] for kind in "ab"]
        assert level2_features.main([json.dumps(kinds), by_fold[-1], "--top-k", "2"]) == 0
    read = {}
    for name, words in (
        ("once", test_tables),
        ("twice", [*test_tables, test_tables[1]]),
        ("folds", [test_tables[0], *by_fold]),
    ):
        output = tmp_path / f"{name}.csv"
        assert main([*words, "--load-model", str(trained), "--output", str(output), "--data-root", str(tiny_root)]) == 0
        read[name] = read_characters(tmp_path / f"{name}_detailed.parquet").rows
    assert read["once"].equals(read["twice"])
    assert not read["folds"]["probability"].equals(read["once"]["probability"])


def test_trained_twice_the_same(trained, tables, tiny_root, tmp_path):
    assert main([*tables, "--save-model", str(tmp_path / "m"), "--data-root", str(tiny_root), *FAST]) == 0
    for path in trained.glob("fold*"):
        assert path.read_bytes() == (tmp_path / "m" / path.name).read_bytes()


def test_done_already(trained, tables, test_tables, tiny_root, tmp_path, caplog):
    caplog.set_level("INFO")
    assert main([*tables, "--save-model", str(trained), "--data-root", str(tiny_root), *FAST]) == 0
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
def test_variants_reach_a_submission(words, tables, test_tables, tiny_root, tmp_path):
    root = ["--data-root", str(tiny_root)]
    assert main([*tables, "--save-model", str(tmp_path / "m"), *root, *FAST, *words]) == 0
    assert main([*test_tables, "--load-model", str(tmp_path / "m"), "--output", str(tmp_path / "s.csv"), *root]) == 0
    assert len(read_page_points(tmp_path / "s.csv").points) > 10


def test_seg_fp_is_tuned_on_other_folds_and_off_by_default(tables, tiny_root, capsys):
    assert parse_args(["a"]).seg_fp_adjust == 0
    root = ["--data-root", str(tiny_root)]
    assert main([*tables, *root, *FAST]) == 0
    assert "log-odds" not in capsys.readouterr().out
    assert main([*tables, *root, *FAST, "--seg-fp-adjust", "auto", "--min-probability", "auto"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for start in ("added to the log-odds of seg_fp: ", "least probability of a character: "):
        line = next(line for line in lines if line.startswith(start))
        assert all(f"on fold {fold}" in line for fold in range(3)) and line.endswith("on test pages")


def test_one_kind_of_model_and_two_folds(tiny_root, tmp_path, runs, capsys):
    names = [str(runs / f"fold{fold}-a.parquet") for fold in range(3)]
    assert level2_features.main([json.dumps([names]), str(tmp_path / "f.parquet")]) == 0
    assert main([*names, str(tmp_path / "f.parquet"), "--data-root", str(tiny_root), *FAST[:4], "--n-folds", "2"]) == 0
    assert "rounds are used/best/trained" in capsys.readouterr().out


def test_a_true_class_that_nobody_proposes_becomes_seg_fp():
    table = make_detailed([("p", i, true, [("A", 4.0), ("B", 3.0)]) for i, true in enumerate(["B", "E", "seg_fp"])])
    features = build_features([table], [["a"]], {}, 2)
    right = target_rows(features, table.vocabulary.encode(table.boxes["true"]))
    # Rows A, B, seg_fp of each of the three boxes.
    assert right.tolist() == [False, True, False, False, False, True, False, False, True]


def test_best_candidate_of_each_box():
    table = make_detailed([("p", i, "A", [("A", 4.0), ("B", 3.0)]) for i in range(2)])
    features = build_features([table], [["a"]], {}, 2)
    choice = choose(features.candidates, features.offsets, np.array([0.2, 0.7, 0.1, 0.4, 0.3, 0.3], np.float32))
    assert table.vocabulary.decode(choice.classes).tolist() == ["B", "A"]
    np.testing.assert_allclose(choice.probability, [0.7, 0.4], rtol=1e-6)
    raised = choose(
        features.candidates,
        features.offsets,
        np.array([0.2, 0.7, 0.1, 0.4, 0.3, 0.3], np.float32),
        Decision(seg_fp_adjust=1.0),
    )
    assert table.vocabulary.decode(raised.classes).tolist() == ["B", "seg_fp"]


def test_fault_9_rounds_come_from_the_other_folds():
    assert [rounds_without([10, 20, 60], fold) for fold in range(3)] == [40, 35, 15]


def test_a_fold_that_stopped_too_early_is_trained_longer(tables, tiny_root, tmp_path, monkeypatch):
    """The same trees as before, and more: also where the fold's own pages said that it was enough."""
    words = [*tables, *FAST, "--data-root", str(tiny_root), "--save-model"]
    assert main([*words, str(tmp_path / "once")]) == 0
    monkeypatch.setattr(level2_training, "rounds_without", lambda best, left_out: 9)
    assert main([*words, str(tmp_path / "longer")]) == 0
    for fold in range(3):
        once, longer = (read_json(tmp_path / name / f"fold{fold}.xgb.json") for name in ("once", "longer"))
        before, after = (model["learner"]["gradient_booster"]["model"]["trees"] for model in (once, longer))
        assert len(before) < 9 == len(after)
        for few, many in zip(before, after, strict=False):
            np.testing.assert_allclose(few["split_conditions"], many["split_conditions"], rtol=1e-4)


def test_fault_9_rounds_of_a_fold_do_not_depend_on_its_truth(tables, runs, tiny_root, tmp_path):
    """With another truth on fold 0, the rounds used for fold 0 may not change: its models never saw it."""
    shuffled = read_detailed(runs / "fold0-a.parquet")
    truth = np.roll(shuffled.boxes["true"].to_numpy(object), 1)
    changed = replace(shuffled, boxes=shuffled.boxes.assign(true=truth.astype(str)))
    write_detailed(tmp_path / "fold0.parquet", changed)
    level2_features.main(
        [json.dumps([[str(tmp_path / "fold0.parquet")]]), str(tmp_path / "f0.parquet"), "--top-k", "2"]
    )
    # One kind of models, so that the features of the changed table match those of the others.
    others = []
    for fold in range(3):
        others.append(str(runs / f"fold{fold}-a.parquet"))
        level2_features.main([json.dumps([others[-1:]]), str(tmp_path / f"g{fold}.parquet"), "--top-k", "2"])
    plain = [*others, *(str(tmp_path / f"g{fold}.parquet") for fold in range(3))]
    changed = [str(tmp_path / "fold0.parquet"), *plain[1:3], str(tmp_path / "f0.parquet"), *plain[4:]]
    start = []
    for name, words in (("plain", plain), ("changed", changed)):
        main([*words, "--save-model", str(tmp_path / name), "--data-root", str(tiny_root), "--n-folds", "3",
              "--num-boost-round", "1"])  # fmt: skip
        start.append(load_model(tmp_path / name))
    # The model of fold 0 is the same, those of the others are not.
    same = [
        np.array_equal(a.start.weights, b.start.weights) for a, b in zip(start[0].folds, start[1].folds, strict=True)
    ]
    assert same == [True, False, False]
    assert (tmp_path / "plain/fold0.lgb.txt").read_text() == (tmp_path / "changed/fold0.lgb.txt").read_text()


def test_seg_fp_is_tuned_by_f1():
    """seg_fp is a little less probable than A in every box; half of the boxes are seg_fp."""
    rows = [("p", i, "seg_fp", [("A", 4.0), ("B", 3.0)]) for i in range(9)] + [("p", 9, "A", [("A", 4.0), ("B", 3.0)])]
    features = build_features([make_detailed(rows)], [["a"]], {}, 1)
    p = np.array([[0.6, 0.4]] * 9 + [[0.9, 0.1]], np.float32).reshape(-1)
    truth = features.vocabulary.encode(features.boxes["true"])
    decision = tuned(Decision(), "seg_fp_adjust", [features], [p], [truth])
    assert decision.seg_fp_adjust > 0
    chosen = choose(features.candidates, features.offsets, p, decision).classes
    assert features.vocabulary.decode(chosen).tolist() == ["seg_fp"] * 9 + ["A"]


def test_what_is_hardly_probable_is_left_out():
    """A is right in the boxes where its probability is 0.7, and never where it is 0.42, the best of three."""
    rows = [("p", i, "A" if i < 5 else "seg_fp", [("A", 4.0), ("B", 3.0)]) for i in range(10)]
    features = build_features([make_detailed(rows)], [["a"]], {}, 2)
    p = np.array([[0.7, 0.2, 0.1]] * 5 + [[0.42, 0.3, 0.28]] * 5, np.float32).reshape(-1)
    truth = features.vocabulary.encode(features.boxes["true"])
    decision = tuned(Decision(), "min_probability", [features], [p], [truth])
    assert 0.42 < decision.min_probability <= 0.7
    choice = choose(features.candidates, features.offsets, p, decision)
    assert features.vocabulary.decode(choice.classes).tolist() == ["A"] * 5 + ["seg_fp"] * 5
    np.testing.assert_allclose(choice.probability, [0.7] * 5 + [0.28] * 5, rtol=1e-5)


def test_arguments():
    config = parse_args(["a", "b", "--use-xgb", "--use-lgb", "0", "--seg-fp-adjust", "auto", "c"])
    assert [str(path) for path in config.tables] == ["a", "b", "c"]
    assert (config.use_xgb, config.use_lgb, config.seg_fp_adjust) == (True, False, AUTO)


def run(words):
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, [str(word) for word in words])
    return stopped.value.code


@pytest.fixture
def wrong(runs, tmp_path):
    """Features and tables that fit nothing."""
    detailed, features = read_detailed(runs / "fold0-a.parquet"), read_features(runs / "features0.parquet")
    write_detailed(tmp_path / "fewer.parquet", detailed.take(np.arange(1, len(detailed))))
    moved = features.boxes.assign(x=features.boxes["x"] + 1)
    write_features(tmp_path / "moved.parquet", replace(features, boxes=moved))
    write_features(tmp_path / "one-group.parquet", build_features([detailed], [["a"]], {}, 2))
    write_features(tmp_path / "top3.parquet", build_features([detailed, detailed], [["a"], ["b"]], {}, 3))
    test = read_detailed(runs / "test-fold0-a.parquet")
    write_features(tmp_path / "test-top3.parquet", build_features([test, test], [["a"], ["b"]], {}, 3))
    write_features(tmp_path / "test-one-group.parquet", build_features([test], [["a"]], {}, 2))
    other = make_detailed([(page, 0, "A", [("A", 1.0)]) for page in detailed.pages[:1]])
    write_detailed(tmp_path / "vocabulary.parquet", other)
    (tmp_path / "text.parquet").write_text("notes")
    return tmp_path


def test_bad_input_of_training(wrong, tables, runs, tiny_root, capsys):
    root = ["--data-root", tiny_root, *FAST]
    boxes, features = tables[:3], tables[3:]
    test = [runs / "test-fold0-a.parquet", runs / "features-test.parquet"]
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([*tables, "--output", "s.csv"], 2, "expected --load-model M and --output SUBMISSION together"),
        ([*tables, "--load-model", "m"], 2, "expected --load-model M and --output SUBMISSION together"),
        ([*tables, "--load-model", "m", "--output", "s", "--save-model", "m"], 2, "got both"),
        ([*tables, "--use-lgb", "0", "--use-xgb", "0"], 2, "at least one of --use-lgb and --use-xgb"),
        ([*tables, "--n-folds", "1"], 2, "expected --n-folds of at least 2, got 1"),
        ([*tables, "--seg-fp-adjust", "much"], 2, "expected a number or auto, got 'much'"),
        ([*tables, "--featurs", "reference"], 2, "did you mean --features?"),
        ([*boxes, *root], 1, "expected detailed tables and features, got no features"),
        ([*features, *root], 1, "expected detailed tables and features, got no detailed table"),
        ([*tables, wrong / "none.parquet", *root], 1, "expected a detailed table or features, got no file"),
        ([*tables, wrong / "text.parquet", *root], 1, "expected a Parquet table, got something that cannot be read"),
        ([wrong / "fewer.parquet", *boxes[1:], *features, *root], 1, "got one more"),
        ([*boxes, wrong / "moved.parquet", *features[1:], *root], 1, "expected x y w h as in the other tables"),
        ([*boxes, wrong / "one-group.parquet", *features[1:], *root], 1, "features with n_groups 1 as"),
        ([*boxes, wrong / "top3.parquet", *features[1:], *root], 1, "features with top_k 3 as"),
        (
            [*boxes, *features, *features, *root],
            1,
            "expected each training page in one table of features, got it in two",
        ),
        ([*boxes, *features, features[0], *root], 1, "expected a box as in the other tables"),
        ([boxes[0], features[1], *root], 1, "got none in common"),
        ([boxes[0], features[0], *root], 1, "expected boxes of all 3 folds (--n-folds), got none of fold"),
        ([wrong / "vocabulary.parquet", *features, *root], 1, "expected the vocabulary of"),
        ([*test, *root], 1, "expected the training pages of the tables, page test_"),
        ([*tables, "--data-root", tiny_root, *FAST[:4], "--n-folds", "9"], 1, "got 6 books for 9 folds"),
    ]
    for words, code, message in table:
        assert run(words) == code, words
        error = capsys.readouterr().err
        assert message in error, (words, error)
        assert len(error.strip().splitlines()) == 1, error


def test_bad_input_of_submission(wrong, trained, test_tables, runs, tiny_root, tmp_path, capsys):
    root = ["--output", tmp_path / "s.csv", "--data-root", tiny_root]
    (tmp_path / "mine.csv").write_text("notes")
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([*test_tables, "--load-model", tmp_path / "none", *root], 1, "expected an input file, got none"),
        (
            [test_tables[0], wrong / "test-top3.parquet", "--load-model", trained, *root],
            1,
            "the top-k of the model, 2, got 3",
        ),
        (
            [test_tables[0], wrong / "test-one-group.parquet", "--load-model", trained, *root],
            1,
            "the number of groups of",
        ),
        (
            [runs / "fold0-a.parquet", runs / "features0.parquet", "--load-model", trained, *root],
            1,
            "pages of the sample",
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


# A file of the model, its new content, and what the message says.
DAMAGED = [
    ("level2.json", "{}", "expected a second level of format 2, got something else"),
    ("level2.json", '{"format": 1}', "got format 1; level2.sh trains it again; predict and export do without it by"),
    ("level2.json", "no json", "expected JSON, got something else"),
    ("level2.json", '{"format": 2, "files": {}}', "expected a second level, got a damaged one"),
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


def test_pages_without_boxes_end_as_empty_rows(trained, runs, tiny_root, tmp_path):
    detailed = read_detailed(runs / "test-fold0-a.parquet")
    features = read_features(runs / "features-test.parquet")
    for keep, name in ((detailed.boxes["image_id"] == detailed.pages[0], "some"), (detailed.boxes["box"] < 0, "none")):
        rows = np.flatnonzero(keep)
        write_detailed(tmp_path / "d.parquet", detailed.take(rows))
        write_features(tmp_path / "f.parquet", features.take(rows))
        output = tmp_path / f"{name}.csv"
        words = [str(tmp_path / "d.parquet"), str(tmp_path / "f.parquet"), "--load-model", str(trained)]
        assert main([*words, "--output", str(output), "--data-root", str(tiny_root)]) == 0
        points = read_page_points(output)
        assert len(points.image_ids) == 3
        assert set(points.points["image_id"]) <= ({detailed.pages[0]} if name == "some" else set())
