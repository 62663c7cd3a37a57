"""Every fault of a data root is found, with file, row and page; what is no fault is not."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kuzushiji.data.inspection import Findings, inspect_data_root
from kuzushiji.data.paths import DataRoot

A = "U+3042"
PAGE = "100000001_00001_1"  # the first training page, 160 x 240 pixels
TEST_PAGE = "test_100000001_00001_1"


@pytest.fixture
def root(tiny_root: Path, tmp_path: Path) -> Path:
    """A copy of the data root, to be damaged."""
    return Path(shutil.copytree(tiny_root, tmp_path / "root"))


def inspect(root: Path) -> Findings:
    return inspect_data_root(DataRoot.find(root), workers=2)


def relabel(root: Path, labels: str) -> None:
    """Give the first training page other labels."""
    lines = (root / "train.csv").read_text().splitlines()
    assert lines[1].startswith(PAGE)
    lines[1] = f"{PAGE},{labels}"
    (root / "train.csv").write_text("\n".join(lines) + "\n")


def test_a_good_root_has_no_faults(root: Path) -> None:
    found = inspect(root)
    assert found.faults == []
    assert (found.train_pages, found.pages_without_text, found.test_pages, found.clipped) == (13, 1, 3, 0)
    assert found.characters > 100


def test_the_truth_of_the_test_pages_is_not_looked_at(root: Path) -> None:
    (root / "solution.csv").write_text("nonsense")
    assert inspect(root).faults == []


def test_the_real_pages_have_no_faults() -> None:
    real = Path(__file__).parents[3] / "shared" / "real"
    if not real.is_dir():
        pytest.skip(f"{real} is not there")
    found = inspect(real)
    assert found.faults == []
    rows, tests = (csv.DictReader((real / name).open()) for name in ("train.csv", "sample_submission.csv"))
    labels = [row["labels"].split() for row in rows]
    assert (found.train_pages, found.characters) == (len(labels), sum(map(len, labels)) / 5)
    assert found.test_pages == len(list(tests)) > 0


LABELS = {
    # labels of a page of 160 x 240 pixels, what the lines say (none: no fault), clipped boxes, readable labels
    "no text": ("", [], 0, 0),
    "well inside": (f"{A} 10 10 20 20", [], 0, 1),
    "up to the edges": (f"{A} 0 0 160 240", [], 0, 1),
    "over the right edge": (f"{A} 150 10 20 20", [], 1, 1),
    "over the left edge": (f"{A} -10 10 20 20", [], 1, 1),
    "over all edges": (f"{A} -1 -1 200 300", [], 1, 1),
    "right of the page": (f"{A} 160 10 20 20", [f"a box on the page of 160 x 240 pixels, got {A} 160 10"], 0, 1),
    "below the page": (f"{A} 10 240 20 20", ["box 0: expected a box on the page"], 0, 1),
    "left of the page": (f"{A} -20 10 20 20", ["box 0: expected a box on the page"], 0, 1),
    "above the page": (f"{A} 10 10 2 2 {A} 10 -30 20 20", ["box 1: expected a box on the page"], 0, 2),
    "no width": (f"{A} 10 10 0 20", [f"a width and height above 0, got {A} 10 10 0 20"], 0, 1),
    "negative height": (f"{A} 10 10 20 -20", ["box 0: expected a box with a width and height above 0"], 0, 1),
    "unknown code": ("U+4E00 10 10 20 20", ["a code of unicode_translation.csv, got U+4E00 10 10"], 0, 1),
    "wrong length": (f"{A} 10 10 20", ['expected groups of 5 ("U+XXXX x y w h"), got 4 fields'], 0, 0),
    "a word": (f"{A} 10 ten 20 20", [f"box 0: expected a number, got 'ten' in {A} 10 ten 20 20"], 0, 0),
    "NaN": (f"{A} 10 nan 20 20", ["box 0: expected a number, got 'nan'"], 0, 0),
    "no code": ("3042 10 10 20 20", ["box 0: expected a code such as U+3042, got '3042'"], 0, 0),
    # every one of them, each with its number, and what is right counts
    "several": (
        f"{A} 1 1 5 5 X 1 1 1 1 {A} x 1 1 1 U+4E00 300 1 1 1",
        ["box 1: expected a code", "box 2: expected a number", "box 3: expected a code of", "box 3: expected a box"],
        0, 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("labels", "lines", "clipped", "readable"), LABELS.values(), ids=LABELS.keys())
def test_labels(labels: str, lines: list[str], clipped: int, readable: int, root: Path) -> None:
    relabel(root, "")
    others = inspect(root).characters
    relabel(root, labels)
    found = inspect(root)
    place = f"{root / 'train.csv'}, row 2, page {PAGE}"
    assert len(found.faults) == len(lines)
    for fault, line in zip(found.faults, lines, strict=True):
        assert fault.startswith(place) and line in fault
    assert (found.clipped, found.characters - others) == (clipped, readable)


def append(name: str, line: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write(line + "\n")

    return damage


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content) and None


def shorten(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-300]) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def link_outside(root: Path) -> None:
    image = root / "train_images" / f"{PAGE}.jpg"
    image.rename(root / "elsewhere.jpg")
    image.symlink_to(root / "elsewhere.jpg")


def into_subfolder(root: Path) -> None:
    (root / "train_images").rename(root / "unpacked")
    (root / "train_images").mkdir()
    (root / "unpacked").rename(root / "train_images" / "train_images")


def into_deep_subfolder(root: Path) -> None:
    (root / "train_images").rename(root / "unpacked")
    (root / "train_images" / "a").mkdir(parents=True)
    (root / "unpacked").rename(root / "train_images" / "a" / "b")


def moved_below(name: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        (root / "kuzushiji-recognition").mkdir()
        (root / name).rename(root / "kuzushiji-recognition" / name)

    return damage


def still_packed(root: Path) -> None:
    shutil.rmtree(root / "test_images")
    (root / "test_images.zip").touch()


def table_still_packed(root: Path) -> None:
    (root / "train.csv").rename(root / "train.csv.zip")


def all_still_packed(root: Path) -> None:
    (root / "unicode_translation.csv").unlink()
    (root / "kuzushiji-recognition.zip").touch()


def without_images(root: Path) -> None:
    shutil.rmtree(root / "test_images")
    (root / "test_images").mkdir()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    # damage, what the one line says
    "image missing": (
        remove(f"train_images/{PAGE}.jpg"),
        f"train.csv, row 2, page {PAGE}: ROOT/train_images/{PAGE}.jpg: expected the image of a page, cannot be read",
    ),
    "image of the sample missing": (
        remove(f"test_images/{TEST_PAGE}.jpg"), f"sample_submission.csv, row 2, page {TEST_PAGE}: ROOT/test_images/",
    ),
    "image empty": (overwrite(f"train_images/{PAGE}.jpg", b""), "JPEG 2000 image, got an empty file"),
    "image truncated": (shorten(f"train_images/{PAGE}.jpg"), "expected a whole JPEG image"),
    "test image truncated": (shorten(f"test_images/{TEST_PAGE}.jpg"), "expected a whole JPEG image"),
    "image is something else": (
        overwrite(f"train_images/{PAGE}.jpg", b"\x89PNG\r\n\x1a\n" + bytes(50)), "2000 image, got 58 bytes",
    ),
    "image is a link to outside": (link_outside, "expected a file in its folder, got a link to"),
    "id that leaves the folder": (append("train.csv", "../x,"), "row 15, page ../x: ROOT/train_images: expected"),
    "id that is no text": (append("train.csv", '"a\n\x1b[2J",'), r"page 'a\n\x1b[2J': ROOT/train_images: expected"),
    "page twice": (append("train.csv", f"{PAGE},"), f"row 15, page {PAGE}: expected each page once, it is in ROOT"),
    "sample page twice": (append("sample_submission.csv", f"{TEST_PAGE},"), "sample_submission.csv, row 5, page"),
    "row without page": (append("train.csv", ",U+3042 1 1 1 1"), "row 15, page : expected an image id"),
    "row of another length": (append("train.csv", "x"), "train.csv, row 15: expected 2 columns, got 1"),
    "train.csv missing": (remove("train.csv"), "train.csv: cannot be read: No such file"),
    "another competition": (
        overwrite("train.csv", b"id,label\n1,cat\n"),
        "train.csv: expected the columns image_id,labels, got id,label (is it another competition's file?)",
    ),
    "sample missing": (remove("sample_submission.csv"), "sample_submission.csv: cannot be read"),
    "characters damaged": (append("unicode_translation.csv", "3042,x"), "unicode_translation.csv, row 7: expected"),
    "folder still packed": (
        still_packed, "ROOT/test_images: expected a folder with the images, got none; unpack the archive first: "
        "unzip ROOT/test_images.zip -d ROOT/test_images",
    ),
    "table still packed": (table_still_packed, "unpack the archive first: unzip ROOT/train.csv.zip -d ROOT"),
    "all still packed": (all_still_packed, "unpack the archive first: unzip ROOT/kuzushiji-recognition.zip -d ROOT"),
    "images in a subfolder": (
        into_subfolder, "the images in this folder itself, got them in ROOT/train_images/train_images: move",
    ),
    "images two folders too deep": (
        into_deep_subfolder, "the images in this folder itself, got them in ROOT/train_images/a/b: move them up",
    ),
    "table in a subfolder": (
        moved_below("unicode_translation.csv"),
        "cannot be read: No such file or directory; it is in ROOT/kuzushiji-recognition: move all that is there up",
    ),
    "images' folder in a subfolder": (
        moved_below("test_images"),
        "got none; it is in ROOT/kuzushiji-recognition: move all that is there up into ROOT",
    ),
    "no images": (without_images, "ROOT/test_images: expected images (.jpg, .jpeg"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "line"), DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_roots(damage: Callable[[Path], None], line: str, root: Path) -> None:
    damage(root)
    found = inspect(root)
    assert len(found.faults) == 1, found.faults
    assert line.replace("ROOT", str(root)) in found.faults[0]
    assert "\n" not in found.faults[0]
