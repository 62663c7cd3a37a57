"""What the tests share: a few pages."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def pages(tiny_root: Path, tmp_path: Path) -> Path:
    """A folder with two pages."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for number, image in enumerate(sorted((tiny_root / "test_images").iterdir())[:2], start=1):
        shutil.copy(image, folder / f"page{number}.jpg")
    return folder
