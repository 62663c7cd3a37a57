"""The command line of blend: scores with every missed character, submissions with every page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import read_characters, read_detailed, write_detailed
from kuzushiji.classify.blend import main, path_and_weight
from kuzushiji.data.labels import PageLabels, read_page_labels, read_page_points
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from tests.tables import detailed_of, make_detailed, write_runs


@pytest.fixture(scope="module")
def runs(tiny_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_runs(tiny_root, folder)
    return folder


@pytest.fixture(scope="module")
def perfect(tiny_root):
    """All boxes of the truth, classified without a mistake, on all training pages."""
    truth = read_page_labels(tiny_root / "train.csv")
    table = detailed_of(truth, Vocabulary.from_train_csv(tiny_root / "train.csv"), np.random.default_rng(0), skill=99)
    return table.take((table.boxes["true"] != "seg_fp").to_numpy())


# Words of the command line, path and weight.
WEIGHTS = [
    ("a/b.parquet", "a/b.parquet", 1.0),
    ("a/b.parquet=0.7", "a/b.parquet", 0.7),
    ("a=1/b.parquet", "a=1/b.parquet", 1.0),
    ("a=1/b.parquet=2", "a=1/b.parquet", 2.0),
]


@pytest.mark.parametrize(("text", "path", "weight"), WEIGHTS)
def test_weights(text, path, weight):
    found = path_and_weight(text)
    assert (str(found[0]), found[1]) == (path, weight)


@pytest.mark.parametrize("text", ["a.parquet=x", "a.parquet=0", "a.parquet=-1", "a.parquet=inf", "a.parquet=nan", "a="])
def test_wrong_weights(text):
    with pytest.raises(InputError, match="expected a weight above 0 after '='"):
        path_and_weight(text)


def test_fault_1_perfect_predictions_score_1(tiny_root, tmp_path, capsys):
    truth = read_page_labels(tiny_root / "train.csv")
    vocabulary = Vocabulary.from_train_csv(tiny_root / "train.csv")
    boxes = truth.boxes.rename(columns={"code": "true"})
    classes = np.stack([vocabulary.encode(boxes["true"]), np.full(len(boxes), vocabulary.seg_fp)], axis=1)
    logits = np.broadcast_to(np.array([9, 0], np.float32), classes.shape)
    table = make_detailed([], pages=truth.image_ids)
    write_detailed(
        tmp_path / "d.parquet", type(table)(boxes, classes.astype("i4"), logits, vocabulary, truth.image_ids)
    )
    assert main([str(tmp_path / "d.parquet"), "--score", "--json", "--data-root", str(tiny_root)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [result[name] for name in ("f1", "precision", "recall")] == [1, 1, 1]


def test_fault_2_pages_without_boxes_count_all_their_characters_as_missed(perfect, tiny_root, tmp_path, capsys):
    truth = read_page_labels(tiny_root / "train.csv")
    some = perfect.take((perfect.boxes["image_id"] != truth.image_ids[0]).to_numpy())
    write_detailed(tmp_path / "some.parquet", some)
    assert main([str(tmp_path / "some.parquet"), "--score", "--json", "--data-root", str(tiny_root)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["fp"], result["fn"]) == (0, len(truth.boxes) - len(some))
    assert (result["pages"], result["boxes"], result["accuracy"]) == (len(truth.image_ids), len(some), 1)


def test_score_does_not_depend_on_the_format(runs, tiny_root, tmp_path, capsys):
    write_detailed(tmp_path / "d.csv.gz", read_detailed(runs / "fold0-a.parquet"))
    out = []
    for path in (runs / "fold0-a.parquet", tmp_path / "d.csv.gz"):
        assert main([str(path), "--score", "--data-root", str(tiny_root)]) == 0
        out.append(capsys.readouterr().out)
    assert out[0] == out[1] and out[0].startswith("f1 ")


def test_folds_and_kinds_together(runs, tiny_root, capsys):
    tables = [str(runs / f"fold{fold}-{kind}.parquet") for fold in range(3) for kind in "ab"]
    single, blend = [], []
    for words, scores in ((tables[::2], single), (tables, blend)):
        assert main([*words, "--score", "--json", "--data-root", str(tiny_root)]) == 0
        scores.append(json.loads(capsys.readouterr().out)["f1"])
    assert blend > single


def test_submission_has_every_page_of_the_sample(runs, tiny_root, tmp_path):
    tables = [str(runs / f"test-fold{fold}-a.parquet") for fold in range(3)]
    output = tmp_path / "submission.csv"
    assert main([*tables, "--output", str(output), "--data-root", str(tiny_root)]) == 0
    points = read_page_points(output)
    assert points.image_ids == read_page_points(tiny_root / "sample_submission.csv").image_ids
    characters = read_characters(tmp_path / "submission_detailed.parquet")
    assert len(characters.rows) == len(points.points)
    assert "seg_fp" not in set(points.points["code"])
    assert characters.rows["probability"].between(0, 1).all()


def test_pages_that_nobody_looked_at_are_told_apart_from_empty_ones(runs, tiny_root, tmp_path, caplog):
    table = read_detailed(runs / "test-fold0-a.parquet")
    nothing = table.take((table.boxes["image_id"] != table.pages[0]).to_numpy())
    write_detailed(tmp_path / "nothing.parquet", nothing)
    write_detailed(tmp_path / "missing.parquet", replace(nothing, pages=table.pages[1:]))
    told = {}
    for name in ("nothing", "missing"):
        caplog.clear()
        words = [str(tmp_path / f"{name}.parquet"), "--output", str(tmp_path / f"{name}.csv")]
        assert main([*words, "--data-root", str(tiny_root)]) == 0
        told[name] = caplog.text
    assert (tmp_path / "nothing.csv").read_text() == (tmp_path / "missing.csv").read_text()
    assert "nobody has looked at" not in told["nothing"]
    sample = tiny_root / "sample_submission.csv"
    assert f"nobody has looked at 1 of the 3 pages of {sample}, which are empty in the submission" in told["missing"]
    assert f"the first is {table.pages[0]}" in told["missing"]


def test_what_the_models_reach_on_held_out_pages_goes_with_the_submission(runs, tiny_root, tmp_path, capsys):
    folds, root = range(3), ["--data-root", str(tiny_root)]
    held_out = [
        f"{runs / f'fold{fold}-{kind}.parquet'}{weight}" for kind, weight in (("a", ""), ("b", "=2")) for fold in folds
    ]
    assert main([*held_out, "--score", "--json", *root]) == 0
    alone = json.loads(capsys.readouterr().out)
    words = [str(runs / f"test-fold{fold}-a.parquet") for fold in folds]
    assert main([*words, "--held-out", *held_out, "--output", str(tmp_path / "s.csv"), "--json", *root]) == 0
    assert json.loads(capsys.readouterr().out) == alone
    assert read_json(tmp_path / "s.csv.record.json")["facts"]["held_out"] == alone
    assert 0 < alone["calibration_error"] < 1
    assert main([*words, "--output", str(tmp_path / "plain.csv"), *root]) == 0
    assert (tmp_path / "plain.csv").read_text() == (tmp_path / "s.csv").read_text()
    assert main([*words, "--held-out", *held_out, "--output", str(tmp_path / "plain.csv"), *root]) == 0
    assert capsys.readouterr().out == ""  # what is printed decides nothing, and what was written stays


def test_the_score_of_what_is_written_is_recorded(runs, tiny_root, tmp_path, capsys):
    words = [str(runs / "fold0-a.parquet"), "--score", "--output-detailed", str(tmp_path / "d.parquet"), "--json"]
    assert main([*words, "--data-root", str(tiny_root)]) == 0
    assert read_json(tmp_path / "d.parquet.record.json")["facts"]["score"] == json.loads(capsys.readouterr().out)


def test_done_already(runs, tiny_root, tmp_path, caplog):
    words = [str(runs / "test-fold0-a.parquet"), "--output", str(tmp_path / "s.csv"), "--data-root", str(tiny_root)]
    assert main(words) == 0
    before = (tmp_path / "s.csv").stat().st_mtime_ns
    caplog.set_level("INFO")
    assert main(words) == 0
    assert "already done, skipped" in caplog.text
    assert (tmp_path / "s.csv").stat().st_mtime_ns == before
    assert main([*words, "--force"]) == 0
    assert (tmp_path / "s.csv").stat().st_mtime_ns != before


def test_blended_table(runs, tmp_path):
    tables = [str(runs / f"fold0-{kind}.parquet") for kind in "ab"]
    assert main([*tables, "--output-detailed", str(tmp_path / "blend.parquet")]) == 0
    blend, single = read_detailed(tmp_path / "blend.parquet"), read_detailed(runs / "fold0-a.parquet")
    assert blend.boxes.equals(single.boxes)
    assert not np.array_equal(blend.logits, single.logits)


# Words behind the tables' names, and the class that the blend reads: A has 4 in one, B has 3 in the other.
WEIGHTED = [(("", ""), "A"), (("=0.1", ""), "B"), (("", "=0.1"), "A"), (("=3", "=5"), "B")]


@pytest.mark.parametrize(("weights", "read"), WEIGHTED)
def test_weights_change_what_is_read(weights, read, tmp_path):
    for name, best in (("a", [("A", 4.0), ("B", 0.0)]), ("b", [("B", 3.0), ("A", 0.0)])):
        write_detailed(tmp_path / f"{name}.parquet", make_detailed([("p", 0, "A", best)]))
    tables = [f"{tmp_path / name}.parquet{weight}" for name, weight in zip("ab", weights, strict=True)]
    assert main([*tables, "--output-detailed", str(tmp_path / "blend.parquet")]) == 0
    assert read_detailed(tmp_path / "blend.parquet").pred.tolist() == [read]


def run(words):
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, [str(word) for word in words])
    return stopped.value.code


def test_bad_input(runs, tiny_root, tmp_path, capsys):
    good, test = runs / "fold0-a.parquet", runs / "test-fold0-a.parquet"
    (tmp_path / "mine.csv").write_text("notes")
    other = read_detailed(good)
    write_detailed(tmp_path / "fewer.parquet", other.take(np.arange(1, len(other))))
    write_detailed(tmp_path / "best.parquet", read_detailed(runs / "fold1-a.parquet", top_k=1))
    write_detailed(tmp_path / "empty.parquet", replace(other.take(np.zeros(0, int)), pages=()))
    shutil.copy(good, tmp_path / "copy.parquet")
    root = ["--data-root", tiny_root]
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([good], 2, "expected --output SUBMISSION, --score or --output-detailed"),
        ([good, "--scor"], 2, "did you mean --score?"),
        ([good, "--score", "--data-root", tmp_path / "none"], 1, "expected a folder with train.csv"),
        ([tmp_path / "none.parquet", "--score", *root], 1, "expected a detailed table, got no file"),
        ([f"{good}=x", "--score", *root], 2, "expected a weight above 0"),
        ([test, "--output", tmp_path / "s.csv", "--held-out", f"{good}=x", *root], 2, "expected a weight above 0"),
        ([good, "--score", "--held-out", good, *root], 2, "expected --score or --held-out, got both"),
        (
            [test, "--output", tmp_path / "s.csv", "--held-out", test, *root],
            1,
            "expected the training pages of the tables",
        ),
        ([test, "--output", tmp_path / "s.csv", "--held-out", good, good, *root], 1, "expected each table once"),
        ([good, tmp_path / "fewer.parquet", "--score", *root], 1, "fewer.parquet, page"),
        (
            [good, good, "--score", *root],
            1,
            f"{good}: expected each table once, got {good} again (more weight: {good}=2)",
        ),
        (
            [good, f"{tmp_path / 'copy.parquet'}=2", "--score", *root],
            1,
            f"copy.parquet: expected each table once, got {good}",
        ),
        ([good, tmp_path / "best.parquet", "--score", *root], 1, f"classes a box as in {good}, got 1"),
        ([tmp_path / "empty.parquet", good, "--score", *root], 1, "empty.parquet: expected boxes, or pages that were"),
        ([good, tmp_path / "empty.parquet", "--output-detailed", tmp_path / "d.parquet"], 1, "empty.parquet: expected"),
        ([test, "--score", *root], 1, "expected the training pages of the tables, page test_"),
        ([good, "--output", tmp_path / "s.csv", *root], 1, f"{good}, page 100000001_00001_1: expected a page of"),
        ([test, good, "--output", tmp_path / "s.csv", *root], 1, f"{good}, page 100000001_00001_1: expected a page of"),
        ([test, "--output", tmp_path / "mine.csv", *root], 1, "was not written by classify.blend; --force"),
        ([test, "--output", "/proc/none/s.csv", *root], 1, "cannot write there"),
    ]
    for words, code, message in table:
        assert run(words) == code, words
        error = capsys.readouterr().err
        assert message in error, (words, error)
        assert len(error.strip().splitlines()) == 1, error
    assert (tmp_path / "mine.csv").read_text() == "notes"


def test_tables_without_boxes(tiny_root, tmp_path, capsys):
    vocabulary = Vocabulary.from_train_csv(tiny_root / "train.csv")
    sample = read_page_points(tiny_root / "sample_submission.csv").image_ids
    nothing = PageLabels.from_arrays(sample, np.zeros(0, int), [], np.zeros((0, 4)))
    write_detailed(tmp_path / "d.parquet", detailed_of(nothing, vocabulary, np.random.default_rng(0)))
    assert main([str(tmp_path / "d.parquet"), "--output", str(tmp_path / "s.csv"), "--data-root", str(tiny_root)]) == 0
    assert read_page_points(tmp_path / "s.csv").image_ids == sample
    assert len(read_page_points(tmp_path / "s.csv").points) == 0


def test_tables_without_boxes_are_alike_without_being_the_same(tmp_path):
    tables = [str(tmp_path / f"{name}.parquet") for name in "ab"]
    for table in tables:
        write_detailed(Path(table), make_detailed([], pages=("p",)))
    assert main([*tables, "--output-detailed", str(tmp_path / "blend.parquet")]) == 0
