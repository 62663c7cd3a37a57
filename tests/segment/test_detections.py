"""Boxes with scores: page by page and flat, in a file, and with the codes of the truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kuzushiji.data.labels import SEG_FP, PageLabels
from kuzushiji.errors import InputError
from kuzushiji.segment.detections import Detections, label_with_truth, read_detections, write_detections

NONE = (np.zeros((0, 4)), np.zeros(0))
PAGES = {
    "a": NONE,  # first page empty
    "b": (np.array([[10.0, 10, 30, 40], [50, 10, 70.5, 40]]), np.array([0.9, 0.7])),
    "c": NONE,
    "d": (np.array([[0.0, 0, 5, 5]]), np.array([0.6])),
    "e": NONE,  # last page empty
}


def same(one: Detections, other: Detections) -> bool:
    return one.image_ids == other.image_ids and all(
        np.allclose(getattr(one, name), getattr(other, name)) for name in ("page", "boxes_xyxy", "scores")
    )


@pytest.mark.parametrize("pages", [PAGES, {"a": NONE}, {}])
def test_by_page_and_back(pages: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    flat = Detections.from_pages(pages)
    back = flat.by_page()
    assert list(back) == list(pages)
    for image_id, (boxes_xyxy, scores) in pages.items():
        np.testing.assert_array_equal(back[image_id][0], boxes_xyxy)
        np.testing.assert_array_equal(back[image_id][1], scores)


@pytest.mark.parametrize("pages", [PAGES, {"a": NONE}, {}])
def test_file_and_back(pages: dict[str, tuple[np.ndarray, np.ndarray]], tmp_path: Path) -> None:
    flat = Detections.from_pages(pages)
    write_detections(tmp_path / "detections.parquet", flat)
    assert same(read_detections(tmp_path / "detections.parquet"), flat)


def test_columns_of_the_file(tmp_path: Path) -> None:
    write_detections(tmp_path / "detections.parquet", Detections.from_pages(PAGES))
    table = pd.read_parquet(tmp_path / "detections.parquet")
    assert list(table) == ["image_id", "box", "x", "y", "w", "h", "score"]
    assert table["image_id"].tolist() == ["b", "b", "d"]
    assert table["box"].tolist() == [0, 1, 0]  # numbers within the page
    np.testing.assert_allclose(table.loc[1, ["x", "y", "w", "h", "score"]].astype(float), [50, 10, 20.5, 30, 0.7])


def test_a_damaged_name_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "detections.parquet"
    write_detections(path, Detections.from_pages(PAGES))
    path.write_bytes(path.read_bytes().replace(b"score", b"\xf8core"))
    with pytest.raises(InputError, match=r"detections\.parquet: expected a table of detections"):
        read_detections(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    pd.DataFrame({"image_id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("image_id,labels\n")
    for name, message in (
        ("other.parquet", "got another Parquet table"),
        ("text.parquet", "expected a table of detections"),
        ("none.parquet", "expected a table of detections"),
    ):
        with pytest.raises(InputError, match=message):
            read_detections(tmp_path / name)


@pytest.mark.parametrize(("min_iou", "code"), [(0.5, SEG_FP), (0.25, "U+3042")])
def test_the_least_iou_is_a_parameter(min_iou: float, code: str) -> None:
    truth = PageLabels.from_arrays(["p"], np.zeros(1, np.int64), np.array(["U+3042"], object), np.array([[0, 0, 9, 9]]))
    found = Detections.from_pages({"p": (np.array([[0.0, 0, 9, 27]]), np.array([0.9]))})  # IoU 1/3
    assert label_with_truth(found, truth, {"p": (99, 99)}, min_iou).boxes["code"].tolist() == [code]


@pytest.mark.parametrize(
    ("box_xyxy", "code"),
    [
        ([10, 10, 20, 20], "U+3042"),  # the very box
        ([10, 10, 20, 30], "U+3042"),  # IoU 100 / 200: just enough
        ([10, 10, 20, 31], SEG_FP),  # a little less
        ([28, 10, 42, 20], "U+3044"),  # overlaps both neighbours, the higher IoU wins
        ([60, 60, 70, 70], SEG_FP),  # covers nothing
        ([95, 0, 100, 10], "U+3046"),  # this truth reaches over the edge: what is on the page counts
    ],
)
def test_label_with_truth(box_xyxy: list[float], code: str) -> None:
    truth = PageLabels.from_arrays(
        ["p"],
        np.zeros(4, dtype=np.int64),
        np.array(["U+3042", "U+3040", "U+3044", "U+3046"], dtype=object),
        np.array([[10, 10, 10, 10], [20, 10, 10, 10], [30, 10, 10, 10], [95, 0, 30, 10]]),
    )
    found = Detections.from_pages({"p": (np.array([box_xyxy], dtype=np.float64), np.array([0.9]))})
    assert label_with_truth(found, truth, {"p": (100, 100)}).boxes["code"].tolist() == [code]


def test_fault_2_pages_without_boxes_stay() -> None:
    """No boxes, no truth, or neither: the page is in the table, and its missed characters count in the score."""
    truth = PageLabels.from_arrays(
        ["neither", "missed", "found", "wrong"],
        np.array([1, 2]),
        np.array(["U+3042", "U+3044"], dtype=object),
        np.array([[0, 0, 10, 10], [0, 0, 10, 10]]),
    )
    box = np.array([[0.0, 0, 10, 10]])
    pages = {"wrong": (box, np.ones(1)), "found": (box, np.ones(1)), "missed": NONE, "neither": NONE}
    labels = label_with_truth(Detections.from_pages(pages), truth, dict.fromkeys(pages, (20, 20)))
    assert labels.image_ids == ("wrong", "found", "missed", "neither")
    assert labels.boxes["image_id"].tolist() == ["wrong", "found"]
    assert labels.boxes["code"].tolist() == [SEG_FP, "U+3044"]


def test_page_without_truth() -> None:
    truth = PageLabels.from_arrays(["a"], np.zeros(0, dtype=np.int64), [], np.zeros((0, 4)))
    with pytest.raises(InputError, match="b"):
        label_with_truth(Detections.from_pages({"b": NONE}), truth, {"b": (1, 1)})
