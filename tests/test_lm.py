"""The language model: perplexity by hand, columns honest by fold, from the command line to level 2."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import PredictedCharacters, write_detailed
from kuzushiji.artifacts.extra import Extra, read_extra, write_extra
from kuzushiji.artifacts.features import read_features
from kuzushiji.classify import level2_features
from kuzushiji.classify.level2 import __main__ as level2
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.ngrams import count_all, count_ngrams, perplexities
from kuzushiji.data.folds import assign_folds
from kuzushiji.data.labels import PageLabels, read_page_labels, read_page_points
from kuzushiji.errors import InputError
from kuzushiji.files import sha256_of_file
from kuzushiji.lm import classes_of, columns_of, main
from tests.tables import make_detailed, write_runs

EDGE = 4


def text(*classes):
    ends = [EDGE] * 3
    return np.array([*ends, *classes, *ends], np.int64)


def test_perplexity_by_hand():
    """Another fold has A B A B; this one A B."""
    ngrams = count_all([text(0, 1, 0, 1), text(0, 1)], EDGE)
    single = (2 + 0.5) / (4 + 0.5 * 4)
    after_edge = (1 + 4 * single) / (1 + 4)
    after_a = (2 + 4 * single) / (2 + 4)
    told = perplexities(ngrams, text(0, 1), {1})
    assert told[0] == pytest.approx(1 / single, rel=1e-5)
    assert told[1] == pytest.approx(1 / np.sqrt(after_edge * after_a), rel=1e-5)
    assert list(told) == sorted(told, reverse=True)


def test_a_text_that_was_seen_surprises_less():
    ngrams = count_all([text(0, 1, 2, 3), text(3, 2, 1, 0)], EDGE)
    assert perplexities(ngrams, text(0, 1, 2, 3), {1})[3] < perplexities(ngrams, text(0, 1, 2, 3), {0})[3]


def test_probabilities_sum_to_one():
    ngrams = count_all([text(0, 1, 1, 2), text(2, 0)], EDGE)
    every = np.arange(EDGE, dtype=np.int32)
    around = np.array([[0, 1, EDGE]]), np.array([[2, EDGE, EDGE]])
    values = ngrams.log_probabilities(every, np.zeros(EDGE, int), *around, ())
    np.testing.assert_allclose(np.exp(values[:, 0]).sum(), 1, rtol=1e-5)
    for gain in range(1, 4):
        assert np.exp(values[:, 0] + values[:, gain]).sum() == pytest.approx(1, rel=1e-5)


def test_a_text_without_characters():
    assert np.isnan(perplexities(count_all([text(0), text()], EDGE), text(), {1})).all()


def test_the_pages_own_fold_is_not_used(tiny_root):
    """Columns of a page of fold 0 do not change with the truth of fold 0."""
    truth = read_page_labels(tiny_root / "train.csv")
    folds = assign_folds(truth.image_ids, 3)
    page = next(page for page in truth.image_ids if folds[page] == 0)
    rows = [(page, i, "seg_fp", [("U+3042", 2.0), ("U+3044", 1.0)]) for i in range(3)]
    features = build_features([make_detailed(rows, codes=sorted({*truth.boxes["code"]}))], [["a"]], {}, 2)
    best = features.candidates[features.offsets[:-1]]
    of_page = np.array([folds[name] for name in truth.image_ids], np.int32)
    seen = []
    for labels in (truth, truth.of_pages([name for name in truth.image_ids if folds[name] != 0])):
        numbers = of_page if labels is truth else of_page[of_page != 0]
        language = count_ngrams(labels, numbers, 3, features.vocabulary)
        seen.append(columns_of(features, best, language, folds))
    for name, values in seen[0].items():
        np.testing.assert_array_equal(values, seen[1][name])
    seg_fp = features.candidates == features.vocabulary.seg_fp
    assert all((np.isnan(values) == seg_fp).all() for values in seen[0].values())


@pytest.fixture(scope="module")
def runs(tiny_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    write_runs(tiny_root, folder)
    for fold in range(3):
        for kind, name in (("", "features"), ("test-", "test")):
            table = str(folder / f"{kind}fold{fold}-a.parquet")
            words = [json.dumps([[table]]), str(folder / f"{name}{fold}.parquet"), "--top-k", "2"]
            assert level2_features.main(words) == 0
    return folder


def test_columns_of_the_second_level(runs, tiny_root, tmp_path, capsys, caplog):
    """As extra tables: trained with, needed for the test pages, and read as by level 2 itself the second time."""
    caplog.set_level("INFO")
    root = ["--data-root", str(tiny_root), "--n-folds", "3"]
    boxes = [str(runs / f"fold{fold}-a.parquet") for fold in range(3)]
    train = [*boxes, *(str(runs / f"features{fold}.parquet") for fold in range(3))]
    fast = ["--num-boost-round", "2", *root]
    assert level2.main([*train, "--save-model", str(tmp_path / "first"), *fast]) == 0
    extra: list[str] = []
    differ = []
    for fold in range(3):
        extra.append(str(tmp_path / f"lm{fold}.parquet"))
        words = [str(runs / f"features{fold}.parquet"), extra[-1], *root]
        assert main(words) == 0
        plain = read_extra(tmp_path / f"lm{fold}.parquet")
        assert main([*words, "--read-as", str(tmp_path / "first/oof.parquet")]) == 0
        assert main([*words, "--read-as", str(tmp_path / "first/oof.parquet")]) == 0
        again = read_extra(tmp_path / f"lm{fold}.parquet")
        assert list(again.columns) == ["lm_before", "lm_after", "lm_lead"]
        differ.append(not np.array_equal(plain.columns["lm_before"], again.columns["lm_before"], equal_nan=True))
    assert any(differ)
    assert caplog.text.count("already done, skipped") == 3
    first, head, *rows = capsys.readouterr().out.split("perplexity ")[-1].splitlines()
    assert first == "of a fold's text given the others', by the number of characters counted together"
    assert head.split() == ["fold", "1", "2", "3", "4"] and [row.split()[0] for row in rows] == ["0", "1", "2"]
    assert main([*words, "--read-as", str(tmp_path / "first/oof.parquet"), "--force", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["perplexity"]
    assert [[f"{value:.1f}" for value in values] for values in told] == [row.split()[1:] for row in rows]
    assert level2.main([*train, *extra, "--save-model", str(tmp_path / "m"), *fast]) == 0
    test = [str(runs / "test-fold0-a.parquet"), str(runs / "test0.parquet")]
    words = ["--load-model", str(tmp_path / "m"), "--output", str(tmp_path / "s.csv"), "--data-root", str(tiny_root)]
    with pytest.raises(SystemExit) as stopped:
        cli.run(level2.main, [*test, *words])
    assert stopped.value.code == 1
    assert "expected features with the extra columns of the model" in capsys.readouterr().err
    first = ["--load-model", str(tmp_path / "first"), "--output", str(tmp_path / "s.csv"), "--data-root", root[1]]
    assert level2.main([*test, *first]) == 0
    as_submitted = ["--read-as", str(tmp_path / "s_detailed.parquet")]
    assert main([str(runs / "test0.parquet"), str(tmp_path / "lm-test.parquet"), *root, *as_submitted]) == 0
    words[3] = str(tmp_path / "again.csv")
    assert level2.main([*test, str(tmp_path / "lm-test.parquet"), *words]) == 0
    assert len(read_page_points(tmp_path / "again.csv").points) > 10


def test_neighbours_as_a_submission_reads_them():
    """Boxes that are no character in it are none; characters of other pages do not matter."""
    rows = [("p", 0, "seg_fp", [("B", 1.0)]), ("p", 1, "seg_fp", [("B", 1.0)]), ("q", 0, "seg_fp", [("A", 1.0)])]
    table = make_detailed([*rows, ("other", 7, "seg_fp", [("E", 1.0)])])
    features = build_features([make_detailed(rows)], [["a"]], {}, 1)
    labels = PageLabels(table.pages, table.boxes.drop(columns="true").assign(code=["A", "seg_fp", "C", "D"]))
    characters = PredictedCharacters.from_labels(labels.image_ids, labels, np.ones(4))
    read = classes_of(characters, features, "read")
    assert features.vocabulary.decode(read).tolist() == ["A", "seg_fp", "C"]
    moved = characters.rows.assign(x=characters.rows["x"] + 1)
    for given, message in (
        (replace(characters, pages=("p", "other")), "^read: expected the pages of the features, got no page q"),
        (replace(characters, rows=moved), "^read, page p, box 0: expected a box as in the features, got none or"),
    ):
        with pytest.raises(InputError, match=message):
            classes_of(given, features, "read")


def features_of_runs(runs, tmp_path, *n_folds):
    """The first fold's features, as of classifiers in folders of their own that were trained with so many folds."""
    groups = []
    for number in n_folds:
        folder = tmp_path / f"clf-of-{number}"
        folder.mkdir(exist_ok=True)
        (folder / "params.json").write_text(json.dumps({"n_folds": number}))
        (folder / "detailed.parquet").write_bytes((runs / "fold0-a.parquet").read_bytes())
        groups.append([str(folder / "detailed.parquet")])
    features = str(tmp_path / f"features-of-{len(n_folds)}.parquet")
    assert level2_features.main([json.dumps(groups), features, "--top-k", "2"]) == 0
    return features


def test_folds_are_those_of_the_run(runs, tiny_root, tmp_path):
    features, root = features_of_runs(runs, tmp_path, 3), ["--data-root", str(tiny_root)]
    columns = []
    for name, words in (("run", []), ("given", ["--n-folds", "3"])):
        assert main([features, str(tmp_path / f"{name}.parquet"), *root, *words]) == 0
        columns.append(read_extra(tmp_path / f"{name}.parquet").columns)
        record = json.loads((tmp_path / f"{name}.parquet.record.json").read_text())
        assert record["parameters"]["n_folds"] == 3
    for name, values in columns[0].items():
        np.testing.assert_array_equal(values, columns[1][name])


def test_bad_input(runs, tiny_root, tmp_path, capsys):
    root = ["--data-root", str(tiny_root), "--n-folds", "3"]
    features, out = str(runs / "features0.parquet"), str(tmp_path / "lm.parquet")
    other = make_detailed([("p", 0, "A", [("A", 1.0)])])
    write_detailed(tmp_path / "other.parquet", other)
    short = Extra({"a": np.zeros(3, np.float32)}, sha256_of_file(runs / "features0.parquet"))
    write_extra(tmp_path / "short.parquet", short)
    write_extra(tmp_path / "else.parquet", Extra({"a": np.zeros(3, np.float32)}, "another"))
    n = len(read_features(runs / "features0.parquet").candidates)
    write_extra(tmp_path / "a.parquet", Extra({"a": np.zeros(n, np.float32)}, short.features))
    of_a_run, of_two_runs = features_of_runs(runs, tmp_path, 3), features_of_runs(runs, tmp_path, 3, 4)
    second = [str(runs / f"fold{k}-a.parquet") for k in range(3)] + [
        str(runs / f"features{k}.parquet") for k in range(3)
    ]
    shutil.copytree(tiny_root, others := tmp_path / "others")
    (others / "train.csv").write_text((tiny_root / "train.csv").read_text().replace("U+3042", "U+9999"))
    # Command, words of the command line, exit code, part of the one line on standard error.
    table = [
        (main, [features, out, "--data-root", str(tiny_root), "--n-folds", "1"], 2, "--n-folds of at least 2, got 1"),
        (main, [features, str(tmp_path / "lm.csv"), *root], 1, "expected a name that ends in .parquet"),
        (main, [features, out, *root[:3], "40"], 1, "books for 40 folds"),
        (main, [features, out, *root[:2]], 1, "expected --n-folds, no params.json beside the classifiers' tables"),
        (main, [of_a_run, out, *root[:2], "--n-folds", "4"], 1, "params.json: expected 4 folds as of --n-folds, got 3"),
        (main, [of_two_runs, out, *root[:2]], 1, "params.json, got 4"),
        (main, [str(tmp_path / "other.parquet"), out, *root], 1, "expected a table of kind level2_features"),
        (main, [features, out, *root, "--read-as", str(tmp_path / "other.parquet")], 1, "expected the vocabulary of"),
        (main, [features, out, "--data-root", str(others), *root[2:]], 1, f"{others / 'train.csv'}: expected the "),
        (main, [features, out, *root, "--read-as", str(runs / "fold1-a.parquet")], 1, "expected a box as in"),
        (level2.main, [*second, str(tmp_path / "short.parquet"), *root], 1, "rows, one a candidate, got another"),
        (level2.main, [*second, str(tmp_path / "else.parquet"), *root], 1, "expected extra columns of one of the"),
        (level2.main, [*second, str(tmp_path / "a.parquet"), *root], 1, "expected features with extra_columns"),
        (level2.main, [*second, *[str(tmp_path / "a.parquet")] * 2, *root], 1, "got a twice"),
    ]
    for command, given, code, message in table:
        with pytest.raises(SystemExit) as stopped:
            cli.run(command, given)
        error = capsys.readouterr().err
        assert (stopped.value.code, len(error.strip().splitlines())) == (code, 1), (given, error)
        assert message in error, (given, error)
