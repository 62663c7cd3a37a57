"""Tables of labels, both ways."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuzushiji.data.labels import (
    SEG_FP,
    PageLabels,
    PagePoints,
    number_within_page,
    parse_labels,
    read_page_labels,
    read_page_points,
    rows_by_page,
    whole_pixels,
    write_page_labels,
    write_page_points,
)
from kuzushiji.errors import InputError

A, B = "U+3042", "U+20B9F"
TABLE = f"image_id,labels\np1,{A} 1 2 3 4 {SEG_FP} 10 20 30 40\np2,\np3,{B} -5 0 7 8\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_read(tmp_path: Path) -> None:
    labels = read_page_labels(written(tmp_path, TABLE))
    assert labels.image_ids == ("p1", "p2", "p3")
    assert labels.boxes.to_dict("list") == {
        "image_id": ["p1", "p1", "p3"],
        "box": [0, 1, 0],
        "code": [A, SEG_FP, B],
        "x": [1, 10, -5],  # over the edge of the page: kept as it is
        "y": [2, 20, 0],
        "w": [3, 30, 7],
        "h": [4, 40, 8],
    }
    assert labels.boxes["box"].dtype == np.int32
    assert all(labels.boxes[name].dtype == np.float64 for name in "xywh")
    assert labels.page.tolist() == [0, 0, 2]


def test_read_points(tmp_path: Path) -> None:
    points = read_page_points(written(tmp_path, f"image_id,labels\np1,\np2,{A} 1 2 {B} 0.5 1e2\n"))
    assert points.image_ids == ("p1", "p2")
    assert points.points.to_dict("list") == {
        "image_id": ["p2", "p2"], "code": [A, B], "x": [1, 0.5], "y": [2, 100],
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        TABLE.replace("\n", "\r\n"),  # written on Windows
        "\ufeff" + TABLE,  # with a byte order mark
        TABLE + "\n\n",  # blank lines at the end
        TABLE.replace("image_id,labels", "image_id,labels,Usage").replace("40\n", "40,Public\n")
        .replace("p2,\n", "p2,,Public\n").replace("7 8\n", "7 8,Private\n"),  # Kaggle's solution files
        TABLE.replace("1 2 3 4 ", "  1\t2  3.0 4e0   "),  # other spaces, other spellings of numbers
    ],
    ids=["windows", "byte order mark", "blank end", "further column", "spaces"],
)  # fmt: skip
def test_read_as_others_write(text: str, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(text.encode())
    expected = read_page_labels(written(tmp_path, TABLE))
    path.write_bytes(text.encode())
    labels = read_page_labels(path)
    assert labels.image_ids == expected.image_ids
    assert labels.boxes.equals(expected.boxes)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_write_and_read(name: str, tmp_path: Path) -> None:
    labels = read_page_labels(written(tmp_path, TABLE))
    write_page_labels(tmp_path / name, labels)
    again = read_page_labels(tmp_path / name)
    assert again.image_ids == labels.image_ids
    assert again.boxes.equals(labels.boxes)
    first = (tmp_path / name).read_bytes()
    write_page_labels(tmp_path / name, labels)
    assert (tmp_path / name).read_bytes() == first


def test_a_page_of_many_characters(tmp_path: Path) -> None:
    """Python's csv has a limit of 128 KiB for a field, which is that of 6,000 labels."""
    path = written(tmp_path, f"image_id,labels\np1,{'U+3042 1 2 3 4 ' * 10_000}\n")
    assert len(read_page_labels(path).boxes) == 10_000


@pytest.mark.parametrize("text", ["image_id,labels\n", "image_id,labels\np1,\np2,\n"])
def test_tables_without_boxes(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    full = read_page_labels(written(tmp_path, TABLE))
    labels, points = read_page_labels(written(tmp_path, text)), read_page_points(path)
    assert (len(labels.boxes), len(points.points)) == (0, 0)
    assert (labels.boxes.dtypes == full.boxes.dtypes).all()
    write_page_labels(tmp_path / "labels.csv", labels)
    write_page_points(tmp_path / "points.csv", points)
    assert (tmp_path / "labels.csv").read_text() == (tmp_path / "points.csv").read_text() == text
    assert len(list(labels.by_page())) == len(labels.image_ids)


HEADER = "image_id,labels\n"
BAD_TABLES = {
    # file, what the line says
    "empty file": ("", "expected the columns image_id,labels, got an empty file"),
    "other columns": ("id,labels\na,\n", "expected the columns image_id,labels, got id,labels"),
    "a column twice": ("image_id,labels,labels\na,,\n", "expected the columns image_id,labels, got"),
    "a row too short": (HEADER + "a,\nb\n", "row 3: expected 2 columns, got 1"),
    "a row too long": (HEADER + "a,,\n", "row 2: expected 2 columns, got 3"),
    "a blank row": (HEADER + "a,\n\nb,\n", "row 3: expected 2 columns, got 0"),
    "a quote that never ends": (HEADER + 'a,"U+3042 1 1\n', "expected CSV in UTF-8"),
    "no page": (HEADER + ",U+3042 1 1 1 1\n", "row 2: expected an image id, got an empty field"),
    "a page twice": (HEADER + "a,\nb,\na,\n", "row 4: expected each page once, page a stands in row 2 too"),
    "wrong length": (HEADER + "a,\nb,U+3042 1 1 1 1 U+3042 1\n", 'row 3, page b: expected groups of 5'),
    "a word": (HEADER + "a,U+3042 1 1 1 one\n", "row 2, page a: expected a number, got 'one'"),
    "NaN": (HEADER + "a,U+3042 1 nan 1 1\n", "row 2, page a: expected a number, got 'nan'"),
    "infinite": (HEADER + "a,U+3042 -inf 1 1 1\n", "row 2, page a: expected a number, got '-inf'"),
    "too large": (HEADER + "a,U+3042 1e999 1 1 1\n", "row 2, page a: expected a number, got '1e999'"),
    "larger than any page": (HEADER + "a,U+3042 1e10 1 1 1\n", "row 2, page a: expected a number, got '1e10'"),
    "underscore": (HEADER + "a,U+3042 1_0 1 1 1\n", "expected a number, got '1_0'"),
    "digits of another script": (HEADER + "a,U+3042 １ 1 1 1\n", "expected a number, got '１'"),
    "hexadecimal": (HEADER + "a,U+3042 0x10 1 1 1\n", "expected a number, got '0x10'"),
    "negative width": (HEADER + "a,U+3042 1 1 -1 1\n", "expected a width and height of at least 0, got -1 and 1"),
    "negative height": (HEADER + "a,U+3042 1 1 1 -1\n", "expected a width and height of at least 0, got 1 and -1"),
    "no code": (HEADER + "a,\nb,3042 1 1 1 1\n", "row 3, page b: expected a code such as U+3042, got '3042'"),
    "code of small letters": (HEADER + "a,U+304a 1 1 1 1\n", "expected a code such as U+3042, got 'U+304a'"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_bad_tables(text: str, line: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_page_labels(path)
    assert line in str(error.value)
    assert str(error.value).startswith(str(path))


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    for content in (b"\xff\xd8\xff\xe0", b"image_id,labels\n\xff,\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"expected CSV in UTF-8"):
            read_page_labels(path)
    packed = tmp_path / "train.csv.gz"
    write_page_labels(packed, PageLabels.from_arrays(["a"], np.zeros(0, int), [], np.zeros((0, 4))))
    content = packed.read_bytes()
    for damaged in (b"no gzip", content[:-9], content[:12] + b"\xff" * 9 + content[21:]):
        packed.write_bytes(damaged)
        with pytest.raises(InputError, match=r"train.csv.gz: "):
            read_page_labels(packed)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_page_labels(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('U+3042A 15.-nae_,"\n\t１\x00'), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        codes, boxes_xywh = parse_labels(text, "somewhere")
    except InputError as error:
        assert str(error).startswith("somewhere: ")
    else:
        assert len(codes) == len(boxes_xywh) == len(text.split()) / 5
        assert np.isfinite(boxes_xywh).all()


def test_parse_one_page() -> None:
    codes, boxes_xywh = parse_labels(f"{A} 1 2 3 4 {B} 5 6 7 8", "here")
    assert codes.tolist() == [A, B]
    assert boxes_xywh.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    codes, boxes_xywh = parse_labels("", "here")
    assert (codes.shape, boxes_xywh.shape) == ((0,), (0, 4))


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        ((0.6, 0.4, 10, 10), (1, 0, 10, 10)),
        ((0.4, 0.4, 10.2, 10.2), (0, 0, 11, 11)),  # edges are rounded, not sizes: 10.6 -> 11
        ((3.2, 3.2, 0.1, 0), (3, 3, 1, 1)),  # never without area
        ((-2.6, -0.4, 5, 5), (-3, 0, 5, 5)),
    ],
)
def test_whole_pixels(box: tuple[float, ...], whole: tuple[int, ...]) -> None:
    assert whole_pixels(np.array([box]))[0].tolist() == list(whole)
    assert whole_pixels(np.zeros((0, 4))).shape == (0, 4)


def test_points_are_written_to_a_tenth(tmp_path: Path) -> None:
    points = PagePoints.from_arrays(
        ["a"], np.zeros(3, int), [A, A, A], np.array([[1.0, 2.5], [0.06, 1e5 + 0.5], [3, -2]])
    )
    write_page_points(tmp_path / "s.csv", points)
    assert (tmp_path / "s.csv").read_text() == f"image_id,labels\na,{A} 1 2.5 {A} 0.1 100000.5 {A} 3 -2\n"


def test_rows_in_any_order_are_written_page_by_page(tmp_path: Path) -> None:
    labels = PageLabels.from_arrays(["a", "b"], np.array([1, 0, 1]), [A, B, B], np.arange(12).reshape(3, 4))
    assert labels.boxes["box"].tolist() == [0, 0, 1]
    write_page_labels(tmp_path / "out.csv", labels)
    assert (tmp_path / "out.csv").read_text() == (
        f"image_id,labels\na,{B} 4 5 6 7\nb,{A} 0 1 2 3 {B} 8 9 10 11\n"
    )  # fmt: skip
    assert [(name, boxes["code"].tolist()) for name, boxes in labels.by_page()] == [("a", [B]), ("b", [A, B])]


def test_of_pages(tmp_path: Path) -> None:
    labels = read_page_labels(written(tmp_path, TABLE))
    chosen = labels.of_pages(["p3", "p1"])
    assert chosen.image_ids == ("p3", "p1")
    assert chosen.boxes["code"].tolist() == [B, A, SEG_FP]
    assert chosen.boxes["box"].tolist() == [0, 0, 1]
    assert labels.of_pages([]).image_ids == ()
    with pytest.raises(InputError, match="expected pages of the table, which has 3, got p4"):
        labels.of_pages(["p1", "p4"])
    with pytest.raises(InputError, match="page p1 comes twice"):
        labels.of_pages(["p1", "p1"])


def test_number_within_page() -> None:
    assert number_within_page(np.array([3, 1, 3, 3, 1])).tolist() == [0, 0, 1, 2, 1]
    assert number_within_page(np.zeros(0, np.int64)).tolist() == []


def test_rows_by_page() -> None:
    """Pages without rows have none, also the last; rows keep their order."""
    assert [rows.tolist() for rows in rows_by_page(np.array([3, 1, 3, 3, 1]), 5)] == [[], [1, 4], [], [0, 2, 3], []]
    assert [rows.tolist() for rows in rows_by_page(np.zeros(0, np.int64), 2)] == [[], []]
    assert rows_by_page(np.zeros(0, np.int64), 0) == []


def test_tables_check_what_they_are_made_of(tmp_path: Path) -> None:
    boxes = read_page_labels(written(tmp_path, TABLE)).boxes
    with pytest.raises(InputError, match=r"expected rows of the table's 2 pages, got one of page p3"):
        PageLabels(("p1", "p2"), boxes)
    with pytest.raises(InputError, match="expected each page once, page p1 comes twice"):
        PageLabels(("p1", "p1", "p3"), boxes)
    with pytest.raises(ValueError, match="got none named box, w"):
        PageLabels(("p1", "p3"), boxes.drop(columns=["box", "w"]))
    with pytest.raises(InputError, match=r"got one of page (nan|None)"):
        PageLabels(("p1", "p3"), boxes.assign(image_id=pd.Series(["p1", None, "p3"])))


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    labels = read_page_labels(written(tmp_path, TABLE))
    with pytest.raises(InputError, match="cannot write there"):
        write_page_labels(tmp_path / "file" / "out.csv", labels)


@pytest.mark.parametrize(
    "content",
    [
        'image_id,"x\ny"\n1,2\n',  # a header of two lines
        'image_id,labels\n"a\nb",\n"a\nb",\n',  # a page of two lines, twice
        'image_id,labels\n"a\nb",U+3042 1\n',
    ],
)
def test_what_stands_on_several_lines_is_told_on_one(tmp_path, content):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(InputError) as refused:
        read_page_labels(tmp_path / "x.csv")
    assert "\n" not in str(refused.value)
