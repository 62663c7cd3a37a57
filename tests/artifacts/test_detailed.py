"""Detailed tables: both formats say the same, and a table that breaks a rule is named with its page and box."""

import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kuzushiji.artifacts import concat_detailed, parquet, read_detailed, rows_in_order_of, write_detailed
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary, write_vocabulary
from kuzushiji.errors import InputError
from tests.tables import make_detailed, random_detailed

REFERENCE = """image_id,x,y,w,h,pred,true,top_k_logits,top_k_classes
p_1,10,0,12,15,A,A,9.5 2.25,0 1
p_1,10,20,12,15,B,seg_fp,4.0 -1.0,1 2
q_1,10,0,12,15,seg_fp,B,3.0 3.0,2 0
"""


@pytest.fixture
def detailed():
    return make_detailed(
        [
            ("p_1", 0, "A", [("A", 9.5), ("B", 2.25)]),
            ("p_1", 1, "seg_fp", [("B", 4), ("seg_fp", -1)]),
            ("q_1", 0, "B", [("seg_fp", 3), ("A", 3)]),
        ],
        pages=("p_1", "empty_1", "q_1"),
        codes="AB",
    )


def assert_same(a, b):
    pd.testing.assert_frame_equal(a.boxes, b.boxes, check_dtype=False)
    assert np.array_equal(a.classes, b.classes)
    assert np.array_equal(a.logits, b.logits)
    assert a.vocabulary == b.vocabulary


def test_parquet_keeps_everything(tmp_path, detailed):
    write_detailed(tmp_path / "detailed.parquet", detailed)
    found = read_detailed(tmp_path / "detailed.parquet")
    assert_same(found, detailed)
    assert found.pages == ("p_1", "empty_1", "q_1")
    assert found.pred.tolist() == ["A", "B", "seg_fp"]
    assert found.classes.dtype == np.int32
    assert found.logits.dtype == np.float32


def test_other_programs_read_the_columns(tmp_path, detailed):
    write_detailed(tmp_path / "detailed.parquet", detailed)
    table = pd.read_parquet(tmp_path / "detailed.parquet")
    assert table["logits"].tolist()[0].tolist() == [9.5, 2.25]
    assert list(table.columns) == ["image_id", "box", "x", "y", "w", "h", "true", "classes", "logits"]


@pytest.mark.parametrize("name", ["detailed.csv", "detailed.csv.gz"])
def test_reference_format_both_ways(tmp_path, detailed, name):
    write_vocabulary(tmp_path / "vocabulary.json", detailed.vocabulary)
    write_detailed(tmp_path / name, detailed)
    assert_same(read_detailed(tmp_path / name), detailed)


def test_reads_what_the_reference_wrote(tmp_path, detailed):
    (tmp_path / "detailed.csv.gz").write_bytes(gzip.compress(REFERENCE.encode()))
    assert_same(read_detailed(tmp_path / "detailed.csv.gz", vocabulary=detailed.vocabulary), detailed)


def test_text_takes_its_vocabulary_from_train_csv(tmp_path, caplog):
    (tmp_path / "train.csv").write_text("image_id,labels\np_1,U+3042 1 2 3 4 U+3044 5 6 7 8\np_2,\nq_1,\nr_1,\n")
    text = REFERENCE.replace("A", "U+3042").replace("B", "U+3044")
    (tmp_path / "detailed.csv").write_text(text)
    caplog.set_level("INFO")
    found = read_detailed(tmp_path / "detailed.csv", data_root=DataRoot(tmp_path))
    assert found.vocabulary.codes == ("U+3042", "U+3044", "seg_fp")
    assert "class numbers are read as those of the codes in" in caplog.text
    # Pages of the same books were looked at too, though the text cannot say so; book r was not.
    assert set(found.pages) == {"p_1", "p_2", "q_1"}


def test_text_without_a_vocabulary(tmp_path):
    (tmp_path / "detailed.csv").write_text(REFERENCE)
    with pytest.raises(InputError, match="expected vocabulary.json beside the table or a data root, got neither"):
        read_detailed(tmp_path / "detailed.csv")


def test_box_numbers_with_gaps_survive_as_text(tmp_path, detailed):
    gaps = detailed.take(np.array([1, 2]))
    write_vocabulary(tmp_path / "vocabulary.json", gaps.vocabulary)
    write_detailed(tmp_path / "detailed.csv", gaps)
    assert read_detailed(tmp_path / "detailed.csv").boxes["box"].tolist() == [1, 0]


@pytest.mark.parametrize("name", ["detailed.parquet", "detailed.csv.gz"])
def test_random_tables_come_back_the_same(tmp_path, name):
    for seed in range(3):
        table = random_detailed(np.random.default_rng(seed))
        write_vocabulary(tmp_path / "vocabulary.json", table.vocabulary)
        write_detailed(tmp_path / name, table)
        assert_same(read_detailed(tmp_path / name), table)


def test_parquet_is_read_in_pieces(tmp_path, monkeypatch):
    table = random_detailed(np.random.default_rng(0), n_pages=8)
    write_detailed(tmp_path / "t.parquet", table)
    for rows in (1, 3, len(table) - 1, len(table)):
        monkeypatch.setattr(parquet, "_BATCH_ROWS", rows)
        assert_same(read_detailed(tmp_path / "t.parquet"), table)


# The lists of classes, and what the message says of them.
LISTS = [
    ([[0, 1], [1, 2], [2]], "row 2 has 1 values instead of 2"),
    ([[0, 1], [2], [2, 0, 1]], "row 1 has 1 values instead of 2"),  # as many in all
    ([[0, 1], None, [2, 0, 1, 1]], "row 1 has"),
    ([["a", "b"]] * 3, "damaged"),
]


@pytest.mark.parametrize(("lists", "message"), LISTS)
@pytest.mark.parametrize("rows", [1, 2, 8])
def test_lists_of_other_lengths(tmp_path, monkeypatch, detailed, lists, message, rows):
    monkeypatch.setattr(parquet, "_BATCH_ROWS", rows)
    write_detailed(tmp_path / "t.parquet", detailed)
    table = pq.read_table(tmp_path / "t.parquet")
    changed = table.set_column(table.column_names.index("classes"), "classes", pa.array(lists))
    pq.write_table(changed, tmp_path / "t.parquet")
    with pytest.raises(
        InputError, match=f"t.parquet: expected a detailed table of format 1, got a .*{message}"
    ) as error:
        read_detailed(tmp_path / "t.parquet")
    assert "\n" not in str(error.value)


def test_damaged_bytes_between_the_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 4)
    table = random_detailed(np.random.default_rng(0), n_pages=40)
    write_detailed(tmp_path / "t.parquet", table)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    columns = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0)
    for i in range(columns.num_columns):
        damaged = content.copy()
        damaged[columns.column(i).data_page_offset + columns.column(i).total_compressed_size // 2] ^= 0xFF
        (tmp_path / "t.parquet").write_bytes(damaged)
        with pytest.raises(InputError, match="t.parquet: expected a Parquet table, got something that cannot be read"):
            read_detailed(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["detailed.parquet", "detailed.csv"])
def test_table_without_boxes(tmp_path, name):
    empty = make_detailed([], pages=("p_1",))
    write_vocabulary(tmp_path / "vocabulary.json", empty.vocabulary)
    write_detailed(tmp_path / name, empty)
    found = read_detailed(tmp_path / name)
    assert len(found) == 0
    assert found.pages == (("p_1",) if name.endswith("parquet") else ())
    assert found.pred.tolist() == []


def test_the_same_table_gives_the_same_bytes(tmp_path, detailed):
    for name in ("a.parquet", "b.parquet", "a.csv.gz", "b.csv.gz"):
        write_detailed(tmp_path / name, detailed)
    for suffix in ("parquet", "csv.gz"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_best_classes_only(tmp_path, detailed):
    write_detailed(tmp_path / "detailed.parquet", detailed)
    assert read_detailed(tmp_path / "detailed.parquet", top_k=1).logits.tolist() == [[9.5], [4.0], [3.0]]


def test_another_vocabulary_than_expected(tmp_path, detailed):
    write_detailed(tmp_path / "detailed.parquet", detailed)
    with pytest.raises(InputError, match="expected the vocabulary of 2 codes, got another of 3, for example B"):
        read_detailed(tmp_path / "detailed.parquet", vocabulary=Vocabulary.from_codes("A"))


# What is broken, and what the message says.
BROKEN = [
    ({"logits": [[np.nan, 1], [4, -1], [3, 3]]}, "page p_1, box 0: expected finite logits, got NaN or infinity"),
    ({"logits": [[9, 1], [np.inf, -1], [3, 3]]}, "page p_1, box 1: expected finite logits"),
    ({"logits": [[9, 1], [4, -1], [3, 3.5]]}, "page q_1, box 0: expected descending logits"),
    ({"classes": [[0, 1], [1, 2], [2, 3]]}, "page q_1, box 0: expected classes from 0 to 2"),
    ({"classes": [[0, 1], [-1, 2], [2, 0]]}, "page p_1, box 1: expected classes from 0 to 2"),
    ({"classes": [[0, 1], [1, 1], [2, 0]]}, "page p_1, box 1: expected each class once, got one twice"),
    ({"classes": [[0], [1], [2]]}, "expected as many classes as logits"),
    ({"box": [0, 0, 0]}, "page p_1, box 0: expected each box once, got it twice"),
    ({"w": [12.0, -1.0, 12.0]}, "page p_1, box 1: expected finite corners and sizes"),
    ({"x": [10.0, np.nan, 10.0]}, "page p_1, box 1: expected finite corners and sizes"),
    ({"true": ["A", "Z", "B"]}, "page p_1, box 1: expected a true code of the vocabulary"),
    ({"image_id": ["p_1", "p_1", "z_1"]}, "page z_1, box 0: expected a page of the table's list"),
    ({"pages": ("p_1", "q_1", "q_1")}, "expected each page once in the list of pages"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN)
@pytest.mark.parametrize("checked", [1, 2, 4096])
def test_broken_tables_are_refused(tmp_path, monkeypatch, detailed, changes, message, checked):
    monkeypatch.setattr("kuzushiji.artifacts.detailed._CHECKED", checked)
    fields = {name: np.array(value, getattr(detailed, name).dtype) for name, value in changes.items()
              if name in ("classes", "logits")}  # fmt: skip
    boxes = detailed.boxes.assign(**{name: value for name, value in changes.items() if name in detailed.boxes})
    broken = replace(detailed, boxes=boxes, pages=changes.get("pages", detailed.pages), **fields)
    with pytest.raises(InputError, match=message):
        write_detailed(tmp_path / "detailed.parquet", broken)
    assert list(tmp_path.iterdir()) == []


# A line of the text, what stands there instead, and what the message says.
BROKEN_TEXT = [
    ("9.5 2.25", "9.5 x", "expected numbers separated by spaces in top_k_logits"),
    ("9.5 2.25", "9.5 nan", "page p_1, box 0: expected finite logits"),
    ("4.0 -1.0", "4.0", "row 3: expected 2 values in top_k_logits as in the first row, got 1"),
    ("1 2", "1 2.5", "expected numbers separated by spaces in top_k_classes"),
    ("p_1,10,0", "p_1,ten,0", "expected a detailed table as CSV"),
    ("p_1,10,0", "p_1,,0", "row 2: expected a value in the column x, got none"),
    ("top_k_classes", "classes", "expected the column top_k_classes, got"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN_TEXT)
def test_broken_text_is_refused(tmp_path, detailed, old, new, message):
    (tmp_path / "detailed.csv").write_text(REFERENCE.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_detailed(tmp_path / "detailed.csv", vocabulary=detailed.vocabulary)


def test_files_that_are_no_tables(tmp_path, detailed):
    for name, content in (("a.parquet", b"nothing"), ("b.csv.gz", b"nothing")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="that cannot be read"):
            read_detailed(tmp_path / name, vocabulary=detailed.vocabulary)
    pd.DataFrame({"image_id": ["p_1"]}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(InputError, match="got a Parquet file of another program"):
        read_detailed(tmp_path / "c.parquet")
    with pytest.raises(InputError, match="expected a detailed table, got no file"):
        read_detailed(tmp_path / "d.parquet")
    write_detailed(tmp_path / "e.parquet", detailed)
    table = pq.read_table(tmp_path / "e.parquet")
    pq.write_table(table.drop_columns(["classes"]), tmp_path / "e.parquet")
    with pytest.raises(InputError, match="expected the column classes, got image_id"):
        read_detailed(tmp_path / "e.parquet")


def test_rows_in_order_of_another_table(detailed):
    shuffled = detailed.take(np.array([2, 0, 1]))
    assert rows_in_order_of(detailed.boxes, shuffled.boxes, "b").tolist() == [1, 2, 0]
    assert rows_in_order_of(detailed.boxes, detailed.boxes, "b") is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_place_that_is_no_number_is_another_place(detailed, value):
    moved = detailed.boxes.assign(x=[10.0, value, 10.0])
    for reference, other in ((detailed.boxes, moved), (moved, detailed.boxes)):
        with pytest.raises(InputError, match="b, page p_1, box 1: expected x y w h"):
            rows_in_order_of(reference, other, "b")


def test_concat_of_folds(detailed):
    p, q = (detailed.take((detailed.boxes["image_id"] == page).to_numpy()) for page in ("p_1", "q_1"))
    p, q = replace(p, pages=("p_1", "empty_1")), replace(q, pages=("q_1",))
    joined = concat_detailed([p, q], ["p", "q"])
    assert joined.pages == ("p_1", "empty_1", "q_1")
    assert joined.classes.tolist() == [[0, 1], [1, 2], [2, 0]]
    none = make_detailed([], pages=("r_1",), codes="AB")  # how many classes none has says nothing
    for order in ([none, p, q], [p, none, q]):
        assert concat_detailed(order, ["a", "b", "c"]).classes.tolist() == joined.classes.tolist()
    assert concat_detailed([none], ["none"]).pages == ("r_1",)
    with pytest.raises(InputError, match="q: expected 2 classes a box as in p, got 1"):
        concat_detailed([none, p, q.top(1)], ["none", "p", "q"])
    with pytest.raises(InputError, match="q, page p_1: expected pages of its own, got a page that p has"):
        concat_detailed([p, replace(q, pages=("q_1", "p_1"))], ["p", "q"])
    with pytest.raises(InputError, match="expected at least one"):
        concat_detailed([], [])


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_coordinates_that_no_integer_holds_come_out_the_same(tmp_path, name):
    table = random_detailed(np.random.default_rng(0))
    table.boxes.loc[0, "x"] = 1e300
    write_detailed(tmp_path / name, table)
    assert read_detailed(tmp_path / name, vocabulary=table.vocabulary).boxes.equals(table.boxes)


@pytest.mark.parametrize("word", ["x", '"1\n2"'])
def test_a_text_table_with_something_between_its_numbers_is_refused_in_one_line(tmp_path, word):
    table = random_detailed(np.random.default_rng(0), k=1)
    write_detailed(tmp_path / "t.csv", table)
    text = (tmp_path / "t.csv").read_text().splitlines(keepends=True)
    text[1] = text[1].rpartition(",")[0] + f",{word}\n"
    (tmp_path / "t.csv").write_text("".join(text))
    with pytest.raises(InputError) as refused:
        read_detailed(tmp_path / "t.csv", vocabulary=table.vocabulary)
    assert "\n" not in str(refused.value)
