from pathlib import Path

import cv2
import pytest

from kuzushiji.errors import InputError
from kuzushiji.report.draw import main

TEST_PAGE, TRAIN_PAGE = "test_100000001_00001_1", "100000001_00001_1"


def test_a_test_page_of_a_run_beside_the_truth(runs: Path, tiny_root: Path) -> None:
    out = runs / "page.svg"
    assert main([str(runs), TEST_PAGE, str(out), "--data-root", str(tiny_root)]) == 0
    svg = out.read_text(encoding="utf-8")
    assert svg.count('<rect class="right"') > 5 and svg.count('<rect class="missed"') == 1


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
