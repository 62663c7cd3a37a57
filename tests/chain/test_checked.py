"""Data that passed their check are checked again only when their contents have changed."""

import os
import shutil
from pathlib import Path

import pytest

from kuzushiji.chain.begin import is_checked, note_checked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data root of one training page, as far as its check looks at the contents."""
    root = tmp_path / "data"
    (root / "train_images").mkdir(parents=True)
    (root / "train.csv").write_text("image_id,labels\na,\n")
    (root / "train_images" / "a.jpg").write_bytes(b"a")
    (tmp_path / "logs").mkdir()
    return root


def test_data_that_passed_stay_passed_as_copies_with_other_times_and_beside_stray_files(
    data: Path, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    assert not is_checked(data, logs)
    note_checked(data, logs)
    assert is_checked(data, logs)
    os.utime(data / "train_images" / "a.jpg", (1e10, 1e10))
    (data / "train_images" / ".DS_Store").write_text("no page")
    assert is_checked(data, logs)
    assert is_checked(Path(shutil.copytree(data, tmp_path / "copy")), logs)


@pytest.mark.parametrize("name", ["train.csv", "train_images/a.jpg", "unicode_translation.csv"])
def test_data_whose_contents_changed_are_checked_again(data: Path, tmp_path: Path, name: str) -> None:
    note_checked(data, tmp_path / "logs")
    (data / name).write_bytes(b"image_id,labels\na,\n\n")
    assert not is_checked(data, tmp_path / "logs")


def test_data_that_are_gone_are_checked_again(data: Path, tmp_path: Path) -> None:
    note_checked(data, tmp_path / "logs")
    shutil.rmtree(data / "train_images")
    assert not is_checked(data, tmp_path / "logs")
