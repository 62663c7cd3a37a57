"""Where things lie under a data root."""

import os
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.content import ImageFolder, Input
from kuzushiji.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpf", ".jpx")
"""Of the files that are taken for labelled pages. A file's content decides what it is, not its suffix."""

DEFAULT_ROOT = Path("data")
ENVIRONMENT = "KUZUSHIJI_DATA"

_LONGEST_NAME = 255
"""Bytes that file systems admit in a file's name."""
_LONGEST_SHOWN = 60

_HOW_TO_GET = (
    "download the competition's data (kaggle competitions download kuzushiji-recognition) and unpack them there, "
    "write demo books (python -m kuzushiji.demo DIR), or name the folder by --data-root or KUZUSHIJI_DATA"
)


@dataclass(frozen=True)
class DataRoot:
    """A folder in the layout of the competition's data."""

    root: Path

    @classmethod
    def find(cls, given: Path | None = None) -> "DataRoot":
        """Return the data root: `given`, else `$KUZUSHIJI_DATA`, else `data/`.

        Raises:
            InputError: it is not a folder; the message says how to get the data.
        """
        root = given or Path(os.environ.get(ENVIRONMENT) or DEFAULT_ROOT)
        if not root.is_dir():
            raise InputError(f"{root}: expected a folder with train.csv and train_images/, got none: {_HOW_TO_GET}")
        return cls(root)

    @property
    def train_csv(self) -> Path:
        """Labels of the training pages."""
        return self.root / "train.csv"

    @property
    def train_images(self) -> Path:
        """Folder of the training pages."""
        return self.root / "train_images"

    @property
    def test_images(self) -> Path:
        """Folder of the test pages."""
        return self.root / "test_images"

    @property
    def train_pages(self) -> ImageFolder:
        """The images of the training pages, as an input of a stage."""
        return ImageFolder(self.train_images, (self.train_csv,), SUFFIXES)

    @property
    def test_pages(self) -> ImageFolder:
        """The images of the test pages, as an input of a stage."""
        return self.test_pages_of((self.sample_submission_csv,))

    def test_pages_of(self, tables: tuple[Path, ...]) -> ImageFolder:
        """Return the images of the test pages that tables name, as an input of a stage."""
        return ImageFolder(self.test_images, tables, SUFFIXES)

    def inputs(self) -> list[Input]:
        """Return all that a check of the data reads: the tables that are there, and the images that they name."""
        tables = (self.train_csv, self.sample_submission_csv, self.unicode_translation_csv)
        images = [self.train_pages, *([self.test_pages] if self.has_test_pages else [])]
        return [*(table for table in tables if table.is_file()), *images]

    @property
    def written_by_machine(self) -> bool:
        """Whether kuzushiji.demo has written the pages: its record is there."""
        return (self.root / "record-demo.json").is_file()

    @property
    def unicode_translation_csv(self) -> Path:
        """Code point to character."""
        return self.root / "unicode_translation.csv"

    @property
    def sample_submission_csv(self) -> Path:
        """The test pages that a submission must hold."""
        return self.root / "sample_submission.csv"

    @property
    def has_test_pages(self) -> bool:
        """Whether there are test pages; to have the sample or the images alone is a fault."""
        return self.sample_submission_csv.exists() or self.test_images.exists()

    @property
    def solution_csv(self) -> Path:
        """Truth of the test pages, where there is one: nothing but the final scoring reads it."""
        return self.root / "solution.csv"

    @property
    def test_books_csv(self) -> Path:
        """Book of each test page (image_id,book), where somebody knows it: nothing but the report reads it."""
        return self.root / "test_books.csv"

    def train_image(self, image_id: str) -> Path:
        """Return the path of a training page, whether or not it is there.

        Raises:
            InputError: the path would leave the folder of the training pages.
        """
        return image_path(self.train_images, image_id)

    def test_image(self, image_id: str) -> Path:
        """Return the path of a test page, whether or not it is there.

        Raises:
            InputError: the path would leave the folder of the test pages.
        """
        return image_path(self.test_images, image_id)


def image_path(folder: Path, image_id: str) -> Path:
    """Return `folder/<image_id>.jpg`, or the same with the first of `SUFFIXES` for which there is a file.

    Image ids come from CSV files that others wrote: one that is not a plain file name, or whose file is a link to
    somewhere else, is refused. `folder` itself may be a link.

    Raises:
        InputError: the path would leave `folder`, or cannot be that of a file.
    """
    path = folder / f"{image_id}{SUFFIXES[0]}"
    plain = image_id not in ("", ".", "..") and image_id.isprintable() and not any(sign in image_id for sign in "/\\")
    if not plain or len(path.name.encode()) > _LONGEST_NAME:
        shown = image_id if len(image_id) < _LONGEST_SHOWN else f"{image_id[:_LONGEST_SHOWN]}…"
        raise InputError(f"{folder}: expected an image id that is a plain file name, got {shown!r}")
    path = next(filter(os.path.lexists, (folder / f"{image_id}{suffix}" for suffix in SUFFIXES)), path)
    if path.is_symlink() and not _target(path).is_relative_to(_target(folder)):
        raise InputError(f"{path}: expected a file in its folder, got a link to {_target(path)}")
    return path


def _target(path: Path) -> Path:
    """Return where a path leads; links that go round in a circle lead somewhere on it."""
    return Path(os.path.realpath(path))
