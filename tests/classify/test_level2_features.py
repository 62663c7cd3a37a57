"""The command line of level2_features."""

import json

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.artifacts.features import read_features
from kuzushiji.classify.level2_features import main
from kuzushiji.data.vocabulary import write_vocabulary
from kuzushiji.files import sha256_of_file
from tests.tables import make_detailed, write_runs


@pytest.fixture(scope="module")
def runs(tiny_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_runs(tiny_root, folder)
    return folder


def groups(*names):
    return json.dumps([[str(name) for name in group] for group in names])


def test_groups_are_blended(runs, tmp_path, capsys):
    a, b = (sorted(runs.glob(f"test-fold?-{kind}.parquet")) for kind in "ab")
    assert main([groups(a, b), str(tmp_path / "f.parquet"), "--top-k", "2", "--json"]) == 0
    features = read_features(tmp_path / "f.parquet")
    assert (features.n_groups, features.top_k) == (2, 2)
    single = [read_detailed(path) for path in a]
    c = single[0].classes[0, 0]
    logits = [table.logits[0][table.classes[0] == c][0] for table in single]
    at = np.flatnonzero((features.box_of_candidate == 0) & (features.candidates == c))
    if len(at):
        assert features.candidate_logits[at[0], 0] == pytest.approx(np.mean(logits), rel=1e-5)
    assert features.sources[str(a[0])] == sha256_of_file(a[0])
    facts = {"pages": len(features.pages), "boxes": len(features), "candidates": len(features.candidates)}
    assert json.loads(capsys.readouterr().out) == facts


def test_folds_are_joined(runs, tmp_path):
    a, b = (sorted(runs.glob(f"fold?-{kind}.parquet")) for kind in "ab")
    assert main([groups(a, b), str(tmp_path / "f.parquet")]) == 0
    features = read_features(tmp_path / "f.parquet")
    assert len(features) == sum(len(read_detailed(path)) for path in a)


def test_a_plain_name_is_a_group(runs, tmp_path):
    names = json.dumps([str(runs / "fold0-a.parquet"), [str(runs / "fold0-b.parquet")]])
    assert main([names, str(tmp_path / "f.parquet")]) == 0
    assert read_features(tmp_path / "f.parquet").n_groups == 2


def test_the_references_text_gives_the_same(runs, tmp_path, tiny_root):
    table = read_detailed(runs / "fold0-a.parquet")
    write_vocabulary(tmp_path / "vocabulary.json", table.vocabulary)
    write_detailed(tmp_path / "a.csv.gz", table)
    for path, out in ((runs / "fold0-a.parquet", "x.parquet"), (tmp_path / "a.csv.gz", "y.parquet")):
        assert main([groups([path]), str(tmp_path / out), "--data-root", str(tiny_root)]) == 0
    x, y = (read_features(tmp_path / name) for name in ("x.parquet", "y.parquet"))
    np.testing.assert_array_equal(x.candidates, y.candidates)
    np.testing.assert_array_equal(x.candidate_logits, y.candidate_logits)
    assert set(x.pages) == set(y.pages)


def test_done_already(runs, tmp_path, caplog):
    caplog.set_level("INFO")
    words = [groups([runs / "fold0-a.parquet"]), str(tmp_path / "f.parquet")]
    assert main(words) == 0
    assert main(words) == 0
    assert "already done, skipped" in caplog.text


def run(words):
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, [str(word) for word in words])
    return stopped.value.code


def test_bad_input(runs, tmp_path, capsys):
    a, b = runs / "fold0-a.parquet", runs / "fold1-a.parquet"
    (tmp_path / "mine.parquet").write_text("notes")
    write_detailed(tmp_path / "other.parquet", make_detailed([("p", 0, "A", [("A", 1.0)])]))
    out = tmp_path / "f.parquet"
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([a, out], 2, "expected JSON such as"),
        (["[]", out], 2, "expected a JSON list of lists of file names"),
        (['{"a": 1}', out], 2, "expected a JSON list of lists of file names"),
        (["[[]]", out], 2, "expected a JSON list of lists of file names"),
        (["[[1]]", out], 2, "expected a JSON list of lists of file names"),
        ([groups([a])], 2, "the following arguments are required: OUT"),
        ([groups([a]), out, "--top-k", "0"], 2, "expected a whole number of at least 1"),
        ([groups([a]), tmp_path / "f.csv"], 1, "expected a name that ends in .parquet"),
        ([groups([tmp_path / "none.parquet"]), out], 1, "expected an input file, got none"),
        ([groups([a]), out, "--top-k", "9"], 1, "expected at least 9 classes a box, got 6"),
        ([groups([a], [b]), out], 1, "got one more"),
        ([groups([a], [tmp_path / "other.parquet"]), out], 1, "expected the vocabulary of 6 codes"),
        ([groups([a]), tmp_path / "mine.parquet"], 1, "was not written by classify.level2_features; --force"),
    ]
    for words, code, message in table:
        assert run(words) == code, words
        error = capsys.readouterr().err
        assert message in error, (words, error)
        assert len(error.strip().splitlines()) == 1, error
    assert not out.exists()


def test_tables_without_boxes(tmp_path):
    write_detailed(tmp_path / "d.parquet", make_detailed([], pages=("p",)))
    assert main([groups([tmp_path / "d.parquet"]), str(tmp_path / "f.parquet"), "--top-k", "1"]) == 0
    assert read_features(tmp_path / "f.parquet").pages == ("p",)
