"""Boxes with scores: page by page and flat, and in a file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kuzushiji.artifacts.detections import Detections, read_detections, write_detections
from kuzushiji.errors import InputError

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
    with pytest.raises(InputError, match=r"detections\.parquet: expected a Parquet table"):
        read_detections(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    pd.DataFrame({"image_id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("image_id,labels\n")
    for name, message in (
        ("other.parquet", "got another Parquet table"),
        ("text.parquet", "expected a Parquet table"),
        ("none.parquet", "expected a Parquet table"),
    ):
        with pytest.raises(InputError, match=message):
            read_detections(tmp_path / name)
