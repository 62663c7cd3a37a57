import dataclasses
from pathlib import Path

import cv2
import pytest

from kuzushiji.artifacts import characters_path, read_characters, write_characters
from kuzushiji.errors import InputError
from kuzushiji.report.draw import main

TEST_PAGE, TRAIN_PAGE = "test_100000001_00001_1", "100000001_00001_1"


def test_a_test_page_of_a_run_beside_the_truth(runs: Path, tiny_root: Path) -> None:
    out = runs / "page.svg"
    assert main([str(runs), TEST_PAGE, str(out), "--data-root", str(tiny_root)]) == 0
    svg = out.read_text(encoding="utf-8")
    assert svg.count('<rect class="right"') > 5 and svg.count('<rect class="missed"') == 1


def test_a_misread_character_is_wrong_and_not_missed_too(runs: Path, tiny_root: Path) -> None:
    path, out = characters_path(runs / "submission.csv"), runs / "page.svg"
    characters = read_characters(path)
    rows = characters.rows.copy()
    rows.loc[rows.index[rows["image_id"] == TEST_PAGE][0], "code"] = "U+4E00"
    write_characters(path, dataclasses.replace(characters, rows=rows))
    assert main([str(runs), TEST_PAGE, str(out), "--data-root", str(tiny_root)]) == 0
    svg = out.read_text(encoding="utf-8")
    assert svg.count('<rect class="wrong"') == svg.count('<rect class="missed"') == 1
    assert svg.count("U+4E00, probability 0.900, truth ") == 1


def test_a_run_that_has_not_come_so_far(runs: Path, tiny_root: Path) -> None:
    (runs / "submission_detailed.parquet").unlink()
    with pytest.raises(InputError, match=r"expected submission\.csv and the probabilities of its characters, got none"):
        main([str(runs), TEST_PAGE, str(runs / "page.svg"), "--data-root", str(tiny_root)])


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_training_page_of_a_table_as_pixels(tiny_root: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"page.{suffix}"
    arguments = [str(tiny_root / "train.csv"), TRAIN_PAGE, str(out), "--data-root", str(tiny_root), "--height", "120"]
    assert main(arguments) == 0
    assert cv2.imread(str(out)).shape == (120, 172, 3)


@pytest.mark.parametrize(
    ("page", "name", "message"),
    [
        ("other", "page.svg", "expected one of the 3 pages that were read, got other"),
        (TEST_PAGE, "page.gif", r"page\.gif: expected a name that ends in \.svg, \.png, \.jpg"),
    ],
)
def test_bad_input(runs: Path, tiny_root: Path, page: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        main([str(runs), page, str(runs / name), "--data-root", str(tiny_root)])
