"""Pseudolabels: which boxes are kept, and that nothing is overwritten."""

import json
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import cli
from kuzushiji.artifacts import read_detailed, write_detailed
from kuzushiji.classify.averaging import blend_tables
from kuzushiji.classify.pseudolabel import confident, main
from kuzushiji.data.labels import read_page_labels
from tests.tables import make_detailed

# Logits of the best two, whether the box is kept with the defaults.
BOXES = [
    ("a clear lead", [("A", 9.0), ("B", 3.0)], True),
    ("a lead of exactly 5", [("A", 8.0), ("B", 3.0)], True),
    ("a lead a little below 5", [("A", 7.9), ("B", 3.0)], False),
    ("a second that is too sure", [("A", 30.0), ("B", 10.1)], False),
    ("a second of exactly 10", [("A", 30.0), ("B", 10.0)], True),
    ("a lead of 6, but of 3 over the classes that nobody names: 0", [("A", 3.0), ("B", -3.0)], False),
    ("a lead of 5 over the classes that nobody names", [("A", 5.0), ("B", -3.0)], True),
    ("a class that nobody names is best", [("A", -1.0), ("B", -9.0)], False),
    ("seg_fp best", [("seg_fp", 9.0), ("B", 1.0)], False),
    ("seg_fp second", [("A", 9.0), ("seg_fp", 1.0)], True),
]


@pytest.mark.parametrize(("what", "best", "kept"), BOXES)
def test_which_boxes_are_kept(what, best, kept):
    table = make_detailed([("p", 0, "seg_fp", best)])
    assert confident(table, 5, 10, drop_seg_fp=True).tolist() == [kept], what


def test_where_all_classes_are_named_the_second_may_be_below_0():
    table = make_detailed([("p", i, "seg_fp", [("A", 3.0), ("B", -3.0)]) for i in range(2)])
    assert confident(table, 5, 10, drop_seg_fp=True, all_named=np.array([True, False])).tolist() == [True, False]


@pytest.mark.parametrize(("k", "kept"), [(2, 0), (3, 0), (4, 1)])
def test_a_table_of_all_classes_names_them(k, kept, tmp_path, capsys):
    codes = ["U+3042", "U+3044", "U+3046", "seg_fp"]
    best = list(zip(codes, [3.0, -3.0, -4.0, -5.0], strict=True))
    write_detailed(tmp_path / "a.parquet", make_detailed([("p", 0, "seg_fp", best[:k])], codes=codes[:3]))
    write_detailed(tmp_path / "b.parquet", make_detailed([("p", 0, "seg_fp", best[:2])], codes=codes[:3]))
    assert main([*(str(tmp_path / f"{name}.parquet") for name in "ab"), str(tmp_path / "o.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == kept


def test_seg_fp_may_be_kept():
    table = make_detailed([("p", 0, "seg_fp", [("seg_fp", 9.0), ("B", 1.0)])])
    assert confident(table, 5, 10, drop_seg_fp=False).tolist() == [True]


def test_the_only_class_leads_one_that_nobody_names():
    table = make_detailed([("p", 0, "A", [("A", 6.0)]), ("p", 1, "A", [("A", 4.0)])])
    assert confident(table, 5, 10, drop_seg_fp=True).tolist() == [True, False]


def test_a_vocabulary_of_seg_fp_alone_has_no_second_class(tmp_path):
    write_detailed(tmp_path / "a.parquet", make_detailed([("p", 0, "seg_fp", [("seg_fp", 6.0)])], codes=""))
    assert main([str(tmp_path / "a.parquet"), str(tmp_path / "o.csv"), "--drop-seg-fp", "0"]) == 0


def test_fault_8_seg_fp_is_dropped_by_the_blends_class():
    """The first model says A, the blend says seg_fp; and the other way round."""
    rows = [[("A", 3.0), ("seg_fp", 0.0)], [("seg_fp", 3.0), ("A", 0.0)]]
    first = make_detailed([("p", i, "seg_fp", row) for i, row in enumerate(rows)])
    second = make_detailed([("p", i, "seg_fp", [(row[1][0], 30.0), (row[0][0], -3.0)]) for i, row in enumerate(rows)])
    blend = blend_tables([first, second], ["a", "b"], top_k=2)
    assert blend.pred.tolist() == ["seg_fp", "A"]
    assert confident(blend, 5, 10, drop_seg_fp=True).tolist() == [False, True]


@pytest.fixture
def tables(tmp_path):
    rows = [
        ("p", 0, "A", [("A", 9.0), ("B", 1.0)]),
        ("p", 1, "B", [("A", 9.0), ("B", 1.0)]),
        ("p", 2, "C", [("C", 2.0), ("B", 1.0)]),
        ("q", 0, "seg_fp", [("seg_fp", 9.0), ("B", 1.0)]),
    ]
    codes = {"A": "U+3042", "B": "U+3044", "C": "U+3046", "seg_fp": "seg_fp"}
    rows = [(page, box, codes[true], [(codes[c], logit) for c, logit in best]) for page, box, true, best in rows]
    table = make_detailed(rows, codes=list(codes.values()))
    write_detailed(tmp_path / "a.parquet", table)
    write_detailed(tmp_path / "b.parquet", table)
    return [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]


def test_written_pages(tables, tmp_path, capsys):
    output = tmp_path / "pseudolabels.csv.gz"
    assert main([*tables, str(output), "--json"]) == 0
    labels = read_page_labels(output)
    assert labels.image_ids == ("p",)
    assert labels.boxes["code"].tolist() == ["U+3042", "U+3042"]
    assert labels.boxes["y"].tolist() == [0.0, 20.0]
    facts = {"boxes": 4, "kept": 2, "share": 0.5, "pages": 1, "precision": 0.5}
    assert json.loads(capsys.readouterr().out) == facts


def test_options_may_stand_anywhere(tables, tmp_path):
    assert main([tables[0], "--min-gap", "20", tables[1], str(tmp_path / "o.csv"), "--drop-seg-fp", "0"]) == 0
    assert read_page_labels(tmp_path / "o.csv").image_ids == ()


def test_test_tables_tell_no_precision(tmp_path, capsys):
    write_detailed(tmp_path / "a.parquet", make_detailed([("p", 0, "seg_fp", [("A", 9.0), ("B", 1.0)])]))
    assert main([str(tmp_path / "a.parquet"), str(tmp_path / "o.csv"), "--min-gap", "9"]) == 0
    assert "precision" not in capsys.readouterr().out


def test_done_already_and_other_parameters(tables, tmp_path, caplog):
    caplog.set_level("INFO")
    output = str(tmp_path / "o.csv")
    assert main([*tables, output]) == 0
    assert main([*tables, output]) == 0
    assert "already done, skipped" in caplog.text
    assert main([*tables, output, "--min-gap", "20"]) == 0
    assert read_page_labels(tmp_path / "o.csv").image_ids == ()


def run(words):
    with pytest.raises(SystemExit) as stopped:
        cli.run(main, [str(word) for word in words])
    return stopped.value.code


def test_bad_input(tables, tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("notes")
    write_detailed(tmp_path / "other.parquet", make_detailed([("p", 0, "A", [("A", 1.0), ("B", 0.0)])]))
    write_detailed(tmp_path / "best.parquet", read_detailed(Path(tables[0]), top_k=1))
    write_detailed(tmp_path / "empty.parquet", make_detailed([], codes=["U+3042", "U+3044", "U+3046"]))
    # Words of the command line, exit code, part of the one line on standard error.
    table = [
        ([tables[0]], 2, "the following arguments are required: OUT"),
        ([*tables, tmp_path / "o.csv", "--min-gap", "-1"], 2, "expected a number of at least 0"),
        ([tmp_path / "none.parquet", tmp_path / "o.csv"], 1, "expected an input file, got none"),
        (
            [tables[0], tmp_path / "other.parquet", tmp_path / "o.csv"],
            1,
            f"expected the vocabulary of 4 codes as in {tables[0]}",
        ),
        ([tmp_path / "empty.parquet", *tables, tmp_path / "o.csv"], 1, "empty.parquet: expected boxes, or pages that"),
        ([*tables, tmp_path / "empty.parquet", tmp_path / "o.csv"], 1, "empty.parquet: expected boxes, or pages that"),
        ([tmp_path / "best.parquet", tmp_path / "o.csv"], 1, "best.parquet: expected at least 2 classes a box, got 1"),
        ([tables[0], tmp_path / "best.parquet", tmp_path / "o.csv"], 1, "best.parquet: expected at least 2 classes"),
        ([*tables, tmp_path / "mine.csv"], 1, "was not written by classify.pseudolabel; --force replaces it"),
    ]
    for words, code, message in table:
        assert run(words) == code, words
        error = capsys.readouterr().err
        assert message in error, (words, error)
        assert len(error.strip().splitlines()) == 1, error
    assert (tmp_path / "mine.csv").read_text() == "notes"
    assert main([*tables, str(tmp_path / "mine.csv"), "--force"]) == 0


def test_tables_without_boxes(tmp_path):
    write_detailed(tmp_path / "a.parquet", make_detailed([], pages=("p",)))
    assert main([str(tmp_path / "a.parquet"), str(tmp_path / "o.csv")]) == 0
    assert read_page_labels(tmp_path / "o.csv").image_ids == ()


def test_kept_boxes_are_those_of_the_mask():
    table = make_detailed([("p", i, "A", [("A", float(i)), ("B", 0.0)]) for i in range(9)])
    kept = table.take(confident(table, 5, 10, drop_seg_fp=True))
    assert kept.boxes["box"].tolist() == [5, 6, 7, 8]
    assert np.array_equal(kept.logits[:, 0], [5, 6, 7, 8])
