"""Reading pages from Python."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kuzushiji
from kuzushiji import cli
from kuzushiji.data.pictures import pictures_in, read_picture
from kuzushiji.errors import InputError
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.formats.as_json import transcription_json


@pytest.fixture(scope="module")
def reader(light: Path) -> "kuzushiji.Reader":
    return kuzushiji.Reader(light, device="cpu", min_probability=0.0)


def test_reads_as_the_command_does(light: Path, reader: "kuzushiji.Reader", pages: Path, tmp_path: Path) -> None:
    words = ["--models", str(light), "--output", str(tmp_path / "out"), "--device", "cpu", "--min-probability", "0"]
    assert main([str(pages / "page1.jpg"), *words]) == 0
    page = reader.read(pages / "page1.jpg")
    assert transcription_json(page) == (tmp_path / "out" / "page1.json").read_bytes()
    image = read_picture(pictures_in(pages / "page1.jpg")[0])
    assert reader.read(image).text() == page.text() == (tmp_path / "out" / "page1.txt").read_text()


def test_grey_pictures(reader: "kuzushiji.Reader") -> None:
    grey = np.full((60, 40), 200, np.uint8)
    assert (reader.read(grey).width, reader.read(grey).height) == (40, 60)


@pytest.mark.parametrize(
    "page", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)]
)
def test_arrays_that_are_no_pictures(reader: "kuzushiji.Reader", page: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"expected a picture as an array .height, width, 3."):
        reader.read(page)


def test_boxes_from_elsewhere(light: Path, reader: "kuzushiji.Reader", pages: Path, tmp_path: Path) -> None:
    boxes = np.array([[20, 20, 25, 25], [60, 22, 24, 26], [60, 60, 25, 25]])
    page = reader.read(pages / "page1.jpg", boxes_xywh=boxes)
    found = [*page.boxes_xywh.tolist(), *page.doubts.dropped.boxes_xywh.tolist()]
    assert sorted(found) == sorted(boxes.tolist())
    labels = " ".join(f"U+3042 {x} {y} {w} {h}" for x, y, w, h in boxes.tolist())
    table = tmp_path / "boxes.csv"
    pd.DataFrame({"image_id": ["page1"], "labels": [labels]}).to_csv(table, index=False)
    words = ["--models", str(light), "--boxes", str(table), "--device", "cpu", "--min-probability", "0", "--json"]
    assert main([str(pages / "page1.jpg"), *words, "--output", str(tmp_path / "out")]) == 0
    result = json.loads((tmp_path / "out" / "page1.json").read_text())
    assert [item["box"] for item in result["dropped"]] == page.doubts.dropped.boxes_xywh.tolist()
    assert sorted(item["box"] for item in result["characters"]) == sorted(page.boxes_xywh.tolist())


def test_a_page_without_boxes_in_the_table(
    light: Path, pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("image_id,labels\npage1,U+3042 20 20 25 25\n")
    words = [str(pages), "--models", str(light), "--boxes", str(table), "--device", "cpu"]
    with pytest.raises(SystemExit) as exit_:
        cli.run(main, [*words, "--output", str(tmp_path / "out")])
    assert exit_.value.code == 1
    assert "failed: page2: expected a row of --boxes with this name, got none; did you mean page1?" in (
        capsys.readouterr().err
    )
    assert (tmp_path / "out" / "page1.txt").is_file()
    with pytest.raises(InputError, match=r"none.csv: expected a table with boxes, got none"):
        main([str(pages), "--models", str(light), "--boxes", str(tmp_path / "none.csv")])


@pytest.mark.parametrize(
    "boxes", [np.zeros((2, 3)), np.full((1, 4), np.nan), np.array([[1, 2, 0, 4]]), np.array([["a"] * 4])]
)
def test_boxes_that_are_none(reader: "kuzushiji.Reader", boxes: np.ndarray) -> None:
    with pytest.raises(InputError, match="expected boxes"):
        reader.read(np.zeros((40, 40, 3), np.uint8), boxes_xywh=boxes)


def test_unknown_names() -> None:
    with pytest.raises(TypeError, match="colour"):
        kuzushiji.Reader(colour="red")
    with pytest.raises(AttributeError, match="no attribute 'Raeder'"):
        _ = kuzushiji.Raeder
