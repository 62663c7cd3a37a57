"""Tables that break a rule, given to each table stage on the command line: one line, exit code 1."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.artifacts.detailed_parquet import write_parquet
from kuzushiji.artifacts.detailed_text import write_text
from kuzushiji.artifacts.features import read_features, write_features
from kuzushiji.classify import blend, level2_features, pseudolabel
from kuzushiji.classify.level2 import __main__ as level2
from kuzushiji.data.vocabulary import Vocabulary, write_vocabulary
from tests.tables import write_runs


@pytest.fixture(scope="module")
def runs(tiny_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_runs(tiny_root, folder, ("a",))
    for fold in range(3):
        table = [[str(folder / f"fold{fold}-a.parquet")]]
        assert level2_features.main([json.dumps(table), str(folder / f"features{fold}.parquet")]) == 0
    return folder


def with_logit(table, value):
    logits = table.logits.copy()
    logits[3, 0] = value
    return replace(table, logits=logits)


def doubled(table):
    return table.take(np.array([0, *range(len(table))]))


def with_code(table):
    return replace(table, boxes=table.boxes.assign(true=["U+9999", *table.boxes["true"][1:]]))


def with_class(table):
    classes = table.classes.copy()
    classes[2, 0] = len(table.vocabulary)
    return replace(table, classes=classes)


def empty(table):
    return replace(table.take(np.zeros(0, np.int64)), pages=())


def of_other_vocabulary(table):
    return replace(table, vocabulary=Vocabulary.from_codes([*table.vocabulary.codes[:-1], "U+9999"]))


# What is wrong with a table, and part of the one line.
BROKEN = {
    "NaN logit": (lambda table: with_logit(table, np.nan), ("expected finite logits", "expected a value", "numbers")),
    "infinite logit": (lambda table: with_logit(table, np.inf), ("expected finite logits, got NaN or infinity",)),
    "doubled box": (doubled, ("expected each box once, got it twice",)),
    "unknown code": (with_code, ("expected a true code of the vocabulary, got another",)),
    "unknown class": (with_class, ("expected classes from 0 to",)),
    "nothing in it": (empty, ("expected boxes, or pages that were looked at, got a table without both",)),
}


def commands(runs, bad, root, out):
    """The command lines of all stages that read detailed tables, with one bad table among them."""
    good = [str(runs / f"fold{fold}-a.parquet") for fold in (1, 2)]
    words = ["--data-root", str(root)]
    features = [str(runs / f"features{fold}.parquet") for fold in range(3)]
    return [
        (blend.main, [*good, bad, "--score", *words]),
        (pseudolabel.main, [bad, str(out / "p.csv"), *words]),
        (level2_features.main, [json.dumps([[bad]]), str(out / "f.parquet"), *words]),
        (level2.main, [bad, *good, *features, "--n-folds", "3", "--num-boost-round", "1", *words]),
    ]


def refused(main, words, capsys):
    """Run a command that has to fail; return its one line."""
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, words)
    error = capsys.readouterr().err
    assert stopped.value.code == 1, (words, error)
    assert len(error.strip().splitlines()) == 1, error
    return error


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_broken_tables(what, ending, runs, tiny_root, tmp_path, capsys):
    change, messages = BROKEN[what]
    table = read_detailed(runs / "fold0-a.parquet")
    write_vocabulary(tmp_path / "vocabulary.json", table.vocabulary)
    bad = tmp_path / f"bad.{ending}"
    if ending == "csv" and what == "unknown class":
        write_text(bad, table)
        bad.write_text(bad.read_text().replace(" 0 ", " 99 ", 1))
    else:
        (write_parquet if ending == "parquet" else write_text)(bad, change(table))
    for main, words in commands(runs, str(bad), tiny_root, tmp_path):
        error = refused(main, words, capsys)
        assert any(message in error for message in messages), error
        assert "bad." in error, error


def test_another_vocabulary(runs, tiny_root, tmp_path, capsys):
    table = read_detailed(runs / "fold0-a.parquet")
    known = table.boxes["true"] != table.vocabulary.codes[-2]
    table = table.take(known.to_numpy())
    other = of_other_vocabulary(table)
    write_parquet(tmp_path / "bad.parquet", replace(other, boxes=other.boxes.assign(true=other.vocabulary.codes[0])))
    good = str(runs / "fold0-a.parquet")
    bad = str(tmp_path / "bad.parquet")
    words = ["--data-root", str(tiny_root)]
    for main, given in (
        (blend.main, [good, bad, "--score", *words]),
        (pseudolabel.main, [good, bad, str(tmp_path / "p.csv"), *words]),
        (level2_features.main, [json.dumps([[good], [bad]]), str(tmp_path / "f.parquet"), *words]),
        (level2.main, [good, bad, str(runs / "features0.parquet"), "--n-folds", "3", *words]),
    ):
        assert "expected the vocabulary of" in refused(main, given, capsys)


def at_row_3(values, value):
    changed = np.array(values, float)
    changed[3] = value
    return changed


# What is wrong with features, and part of the one line.
BROKEN_FEATURES = [
    (
        lambda f: replace(f, boxes=f.boxes.assign(x=at_row_3(f.boxes["x"], np.nan))),
        "a corner or size is no finite number",
    ),
    (lambda f: replace(f, candidate_logits=f.candidate_logits * np.nan), "a best class of a group is no candidate"),
    (lambda f: replace(f, overlap=at_row_3(f.overlap, np.nan)), "a number in overlap is NaN or infinite"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN_FEATURES)
def test_broken_features_are_named_with_page_and_box(change, message, runs, tiny_root, tmp_path, capsys):
    write_features(tmp_path / "bad.parquet", change(read_features(runs / "features0.parquet")))
    tables = [str(runs / f"fold{fold}-a.parquet") for fold in range(3)]
    features = [str(runs / f"features{fold}.parquet") for fold in (1, 2)]
    words = [*tables, str(tmp_path / "bad.parquet"), *features, "--data-root", str(tiny_root)]
    error = refused(level2.main, words, capsys)
    assert re.search(rf"bad.parquet: expected a table of level2_features, .*: page \S+, box [03]: {message}", error)


def test_other_boxes(runs, tiny_root, tmp_path, capsys):
    """Of the same pages, one box fewer; of other pages, none in common."""
    table = read_detailed(runs / "fold0-a.parquet")
    write_detailed(tmp_path / "fewer.parquet", table.take(np.arange(1, len(table))))
    good, fewer, other = (
        str(path) for path in (runs / "fold0-a.parquet", tmp_path / "fewer.parquet", runs / "fold1-a.parquet")
    )
    words = ["--data-root", str(tiny_root)]
    features = [str(runs / f"features{fold}.parquet") for fold in range(3)]
    out = str(tmp_path / "f.parquet")
    for main, given, message in (
        (blend.main, [good, fewer, "--score", *words], "fewer.parquet, page"),
        (pseudolabel.main, [good, fewer, str(tmp_path / "p.csv"), *words], "fewer.parquet, page"),
        (level2_features.main, [json.dumps([[good], [fewer]]), out, *words], "fewer.parquet, page"),
        (level2_features.main, [json.dumps([[good], [other]]), out, *words], f"expected the boxes of {good}, got one"),
        (level2.main, [other, features[0], "--n-folds", "3", *words], "expected the pages of"),
        (level2.main, [fewer, features[0], "--n-folds", "3", *words], f"expected the boxes of {fewer}, got one more"),
    ):
        assert message in refused(main, given, capsys), message


def test_empty_tables(runs, tiny_root, tmp_path, capsys):
    """Nothing to learn from: level 2 says so; what only passes tables on passes on none."""
    none = np.zeros(0, np.int64)
    boxes, features = [], []
    for fold in range(3):
        boxes.append(str(tmp_path / f"fold{fold}.parquet"))
        write_detailed(tmp_path / f"fold{fold}.parquet", read_detailed(runs / f"fold{fold}-a.parquet").take(none))
        features.append(str(tmp_path / f"features{fold}.parquet"))
        empty = read_features(runs / f"features{fold}.parquet").take(none)
        write_features(tmp_path / f"features{fold}.parquet", empty)
    words = ["--data-root", str(tiny_root)]
    error = refused(level2.main, [*boxes, *features, "--n-folds", "3", *words], capsys)
    assert "expected boxes of all 3 folds" in error
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "empty.csv").write_text("")
    for name in ("empty.parquet", "empty.csv"):
        for main, given in commands(runs, str(tmp_path / name), tiny_root, tmp_path):
            assert "that cannot be read" in refused(main, given, capsys)
    assert blend.main([*boxes, "--score", *words]) == 0
    assert re.search(r"^tp +0\nfp +0\n", capsys.readouterr().out, re.MULTILINE)
