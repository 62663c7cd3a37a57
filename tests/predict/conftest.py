"""What the tests share: a folder of models, and a few pages."""

import shutil
from pathlib import Path

import pytest

from tests.models import write_models


@pytest.fixture(scope="session")
def models(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of untrained models of two kinds with a second level: read-only."""
    runs = tmp_path_factory.mktemp("models")
    write_models(runs, tiny_root)
    return runs


def some_of(models: Path, folder: Path, *names: str) -> Path:
    """Return a new folder with some of the models."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).symlink_to(models / name)
    return folder


@pytest.fixture(scope="session")
def light(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One detector, one classifier, no second level: quick to load."""
    return some_of(models, tmp_path_factory.mktemp("light") / "runs", "segment-fold0", "clf-fold0")


@pytest.fixture
def pages(tiny_root: Path, tmp_path: Path) -> Path:
    """A folder with two pages."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for number, image in enumerate(sorted((tiny_root / "test_images").iterdir())[:2], start=1):
        shutil.copy(image, folder / f"page{number}.jpg")
    return folder
