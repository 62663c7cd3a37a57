"""What is well-formed and probably a mistake is told; what good data have is not."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from kuzushiji.data.inspection import (
    SPREADSHEET_CELL,
    Findings,
    did_you_mean,
    inspect_data_root,
    similar_names,
    warnings_of,
)
from kuzushiji.data.label_text import format_items
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from tests.conftest import PAGE_HEIGHT, PAGE_WIDTH


@pytest.fixture
def root(tiny_root: Path, tmp_path: Path) -> Path:
    """A copy of the data root, to be changed."""
    return Path(shutil.copytree(tiny_root, tmp_path / "root"))


def inspect(root: Path) -> Findings:
    return inspect_data_root(DataRoot.find(root), workers=2)


def test_good_data_raise_no_suspicion(root: Path) -> None:
    found = inspect(root)
    assert (found.faults, found.warnings, found.books) == ([], [], 6)


def test_corners_in_place_of_sizes(root: Path) -> None:
    labels = read_page_labels(root / "train.csv")
    rows = []
    for name, boxes in labels.by_page():
        corners = boxes[["x", "y", "w", "h"]].to_numpy().astype(int)
        corners[:, 2:] += corners[:, :2]
        assert (corners <= (PAGE_WIDTH, PAGE_HEIGHT) * 2).all()
        rows.append(f"{name},{' '.join(format_items(boxes['code'], corners.T.tolist()))}")
    (root / "train.csv").write_text("image_id,labels\n" + "\n".join(rows) + "\n")
    found = inspect(root)
    assert not found.faults and len(found.warnings) == 1
    assert f"of {len(labels.boxes)} boxes reach over the edge" in found.warnings[0]
    assert "are they x1 y1 x2 y2" in found.warnings[0]


@pytest.mark.parametrize(
    ("characters", "clipped", "told"), [(100, 19, False), (100, 20, True), (9, 9, False), (10, 10, True), (0, 0, False)]
)
def test_how_many_boxes_over_the_edge(characters: int, clipped: int, told: bool) -> None:
    assert bool(warnings_of({}, (), characters, clipped)) == told


def test_labels_cut_by_a_spreadsheet(root: Path) -> None:
    label = "U+3042 10 10 20 20 "
    text = (label * 2000)[: SPREADSHEET_CELL - 1] + "7"
    (root / "train.csv").open("a").write(f"100000001_00009_1,{text}\n")
    warnings = inspect(root).warnings
    assert len(warnings) == 1 and "row 15, page 100000001_00009_1: labels of 32,767 characters" in warnings[0]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["0001", "0002", "0003"], "as many books as pages"),
        (["page1", "page2", "page3"], "one book"),
        (["a_1", "a_2", "b_1"], None),
        (["a_1"], None),
        ([], None),
    ],
)
def test_books_by_names(names: list[str], what: str | None) -> None:
    warnings = warnings_of({}, names, 0, 0)
    assert (what in warnings[0]) if what else not warnings


PAGE = "100000001_00001_1"
NAMES: dict[str, tuple[str, str, str]] = {
    # the image id in train.csv, the file that is there, the hint
    "case": ("A_1", "a_1.jpg", "; did you mean a_1.jpg?"),
    "ending": ("a_1.jpg", "a_1.jpg", "; did you mean a_1.jpg?"),
    "an ending that is not read": ("a_1", "a_1.JPG", "; did you mean a_1.JPG?"),
    "Unicode form": (unicodedata.normalize("NFD", "が_1"), "が_1.png", "; did you mean が_1.png?"),
    "another": ("a_2", "a_1.jpg", ""),
    "it is there": ("a_1", "a_1.jpg", ""),
}


@pytest.mark.parametrize(("image_id", "file", "hint"), NAMES.values(), ids=NAMES)
def test_names_that_are_easily_confused(image_id: str, file: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(b"")
    assert did_you_mean(tmp_path, image_id, similar_names(tmp_path)) == hint


def test_a_near_name_is_said_with_the_fault(root: Path) -> None:
    (root / "train_images" / f"{PAGE}.jpg").rename(root / "train_images" / f"{PAGE}.JPG")
    faults = inspect(root).faults
    assert len(faults) == 1 and faults[0].endswith(f"; did you mean {PAGE}.JPG?")


SEPARATORS = {"semicolons": ";", "tabs": "\t", "bars": "|"}


@pytest.mark.parametrize(("name", "sign"), SEPARATORS.items(), ids=SEPARATORS)
def test_another_separator(name: str, sign: str, root: Path) -> None:
    text = (root / "train.csv").read_text().replace(",", sign)
    (root / "train.csv").write_text(text)
    message = f"expected the columns image_id,labels, got them with {name} between in place of commas"
    assert message in inspect(root).faults[0]


def remove(*names: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for name in names:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


OPTIONAL = {
    "no test pages": (remove("test_images", "sample_submission.csv", "solution.csv"), 0, []),
    "no table of characters": (remove("unicode_translation.csv"), 3, []),
    "neither": (remove("test_images", "sample_submission.csv", "solution.csv", "unicode_translation.csv"), 0, []),
    "images without a sample": (remove("sample_submission.csv"), 0, ["sample_submission.csv: cannot be read"]),
    "a sample without images": (remove("test_images"), 3, ["test_images: expected a folder with the images, got none"]),
}


@pytest.mark.parametrize(("change", "test_pages", "faults"), OPTIONAL.values(), ids=OPTIONAL)
def test_what_may_be_missing(change: Callable[[Path], None], test_pages: int, faults: list[str], root: Path) -> None:
    change(root)
    found = inspect(root)
    assert found.test_pages == test_pages and len(found.faults) == len(faults)
    assert all(message in fault for message, fault in zip(faults, found.faults, strict=True))
    assert found.train_pages == 13
