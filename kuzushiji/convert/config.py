"""What the command line of a conversion can ask for."""

import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.errors import UsageError
from kuzushiji.options import force_option, json_option, option

FORMS = ("root", "csv", "page", "alto", "coco", "yolo", "labelme", "labelstudio", "via", "predict", "corrections")
TARGETS = ("root", "csv", "page", "alto", "tei", "hocr", "koji", "coco", "yolo", "labelme", "corrections")
_NAMES, _TEST = "characters and names", "test pages"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertConfig:
    """Everything that a conversion can be told; see each option's help."""

    source: Path = option(
        dataclasses.MISSING, "a file, or a folder that is searched at any depth", positional=True, metavar="SOURCE"
    )
    out: Path = option(dataclasses.MISSING, "folder to write, new or empty", positional=True, metavar="OUT")
    form: str | None = option(
        None, f"form of SOURCE, one of {', '.join(FORMS)} (csv is CODH's); without it that of the files", choices=FORMS,
        metavar="FORM",
    )  # fmt: skip
    to: str = option(
        "root", f"form of OUT, one of {', '.join(TARGETS)}; root is the competition's layout", choices=TARGETS,
        metavar="FORM",
    )  # fmt: skip
    images: tuple[Path, ...] = option(
        (), "folders with the pictures, where SOURCE has them not", nargs="+", metavar="DIR"
    )
    all: bool = option(False, "of corrections also the pages that are not marked as done")
    copy: bool = option(False, "copy the pictures; without it they are linked, where the disk can")
    json: bool = json_option()
    force: bool = force_option("replacing an earlier conversion in OUT")
    map: Path | None = option(
        None, "table (CSV) of old and new characters or codes, such as old and new forms", metavar="FILE", group=_NAMES
    )
    new_forms: bool = option(
        False, "old forms of kanji become new ones (國 国), by the table of the package joyokanji", group=_NAMES
    )
    normalise: bool = option(
        True, "bring characters to Unicode form C, without variation selectors and compatibility forms", group=_NAMES
    )
    book: str | None = option(
        None, "all pages are of this book; it is put before their names", metavar="NAME", group=_NAMES
    )
    book_folders: bool = option(
        False, "the pictures' folders are books, whose names are put before the pages' names", group=_NAMES
    )
    test_share: float = option(
        0.0, "share of the pages that become test pages, by whole books", type=cli.fraction, group=_TEST
    )
    test_books: tuple[str, ...] = option(
        (), "books whose pages become test pages", nargs="+", metavar="BOOK", group=_TEST
    )

    def __post_init__(self) -> None:
        if self.book is not None and self.book_folders:
            raise UsageError("expected --book or --book-folders, got both")
        if self.test_share and self.test_books:
            raise UsageError("expected --test-share or --test-books, got both")
        if self.to != "root" and (self.test_share or self.test_books):
            raise UsageError(f"test pages are of a data root: expected --to root, got {self.to}")
