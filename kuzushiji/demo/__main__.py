# PYTHON_ARGCOMPLETE_OK
"""Books in the competition's layout that the machine writes itself: `python -m kuzushiji.demo OUT`."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_write_json, read_json
from kuzushiji.options import different_parameters, json_option, option
from kuzushiji.stage import Facts, Stage

_FORMAT = 6  # raised when the same parameters give other pages than before
_SMALLEST_PAGE = 120
_LARGEST_PAGE = 8000
_FEWEST_CLASSES = 10
_TABLES = ("train.csv", "solution.csv", "test_books.csv", "sample_submission.csv", "unicode_translation.csv")
_PARAMETERS = "params.json"
_SOURCES = ("fonts", "layouts", "texts", "codes", "without", "apart")
_RECORD = "record-demo.json"


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """What books to write, and where."""

    out: Path = option(
        Path("_runs/books"), "folder for the books; without it _runs/books", positional=True, nargs="?", metavar="OUT",
        changes_result=False,
    )  # fmt: skip
    seed: int = option(0, "seed of the books: hands, paper, text", type=cli.non_negative_int)
    hidden_seed: int | None = option(
        None, "seed of the test pages and of the books that only they come from; without it --seed",
        type=cli.non_negative_int,
    )  # fmt: skip
    books: int = option(6, "number of training books", type=cli.positive_int)
    pages: int = option(48, "number of training pages, over all books", type=cli.positive_int)
    test_books: int = option(3, "number of books that only test pages come from", type=cli.non_negative_int)
    test_pages: int = option(20, "number of test pages, half of them from such books", type=cli.non_negative_int)
    page_height: int = option(800, "height of a page, pixels; everything on it scales", type=cli.positive_int)
    classes: int | None = option(
        None, "about how many different characters occur; without it those of the texts", type=cli.positive_int
    )
    fonts: Path | None = option(
        None, "folder of calligraphic fonts, one subfolder a family (scripts/fetch-fonts.sh): pages like real ones, in "
        "place of KanjiVG's strokes; needs --layouts and --texts", metavar="DIR",
    )  # fmt: skip
    layouts: Path | None = option(
        None, "labels of real pages in the format of train.csv (.csv, .csv.gz): their layouts, sizes, text",
        metavar="FILE",
    )  # fmt: skip
    texts: tuple[Path, ...] = option(
        (), "texts, plain or CSV with a column text (.txt, .csv, also .gz)", nargs="+", metavar="FILE"
    )
    codes: Path | None = option(
        None, "table Unicode,char of the characters that pages may have, as the competition's unicode_translation.csv",
        metavar="FILE",
    )  # fmt: skip
    without: tuple[str, ...] = option(
        (),
        "books of --layouts that are left out: those that the models are to be measured on",
        nargs="+",
        metavar="BOOK",
    )
    apart: Path | None = option(
        None,
        "file of texts, a page a line: what shares eight characters in a row with them is left out",
        metavar="FILE",
    )
    workers: int = option(
        os.cpu_count() or 1, "number of processes", type=cli.positive_int, changes_result=False
    )  # fmt: skip
    force: bool = option(False, "write again, also where other demo books are", changes_result=False)
    json: bool = json_option()

    def __post_init__(self) -> None:
        if self.pages < self.books:
            raise InputError(f"expected at least one page a book, got --pages {self.pages} for --books {self.books}")
        if self.test_books and self.test_pages < 2 * self.test_books:
            raise InputError(
                f"expected at least two test pages for each of the --test-books {self.test_books} (half of the test "
                f"pages come from them), got --test-pages {self.test_pages}"
            )
        if not _SMALLEST_PAGE <= self.page_height <= _LARGEST_PAGE:
            expected = f"{_SMALLEST_PAGE} to {_LARGEST_PAGE} pixels"
            raise InputError(f"expected a --page-height of {expected}, got {self.page_height}")
        if self.classes is not None and self.classes < _FEWEST_CLASSES:
            raise InputError(f"expected --classes of at least {_FEWEST_CLASSES}, got {self.classes}")
        needed = {"--layouts": self.layouts, "--texts": self.texts, "--codes": self.codes}
        missing = [flag for flag, value in needed.items() if not value]
        if self.fonts is not None and missing:
            raise InputError(f"--fonts: expected {', '.join(needed)} with it, {missing[0]} is missing")
        given = [flag for flag, value in {**needed, "--without": self.without, "--apart": self.apart}.items() if value]
        if self.fonts is None and given:
            raise InputError(f"{given[0]}: expected --fonts with it, got none")


class Demo(Stage):
    """Write books: a data root in the competition's layout, with pages like those of old Japanese books.

    The pages are drawn from KanjiVG's strokes (CC BY-SA 3.0) with a brush; a seed always gives the same books.
    Each book has a text of its own: what a test page says is on no training page.
    With --fonts they imitate real pages: glyphs of calligraphic fonts, layouts of real pages, texts from files.
    """

    name = "demo"
    config: DemoConfig

    def parameters(self) -> dict[str, Any]:
        """Return the config's, and the format of the books; of sources only where there are some."""
        values = super().parameters()
        if self.config.fonts is None:  # records of books without sources stay as they are
            values = {name: value for name, value in values.items() if name not in _SOURCES}
        return {"format": _FORMAT, **values}

    def inputs(self) -> list[Path]:
        """Return the files of layouts and texts; without them the books come from the parameters alone."""
        files = [self.config.layouts, self.config.codes, self.config.apart, *self.config.texts]
        return [path for path in files if path is not None]

    def outputs(self) -> list[Path]:
        """Return the tables; the images are looked for one by one."""
        return [self.config.out / name for name in _TABLES]

    def record_path(self) -> Path:
        """Return the path of the record in the folder."""
        return self.config.out / _RECORD

    def places(self) -> list[Path]:
        """Return the folder."""
        return [self.config.out]

    def check(self) -> None:
        """Check that nothing else is in the folder."""
        _check_folder(self.config, self.parameters())

    def forced(self) -> bool:
        """Return whether to write in any case; also where an image is missing."""
        return self.config.force or not _images_are_there(self.config)

    def run(self) -> Facts:
        """Write the books; return how many pages and characters they have."""
        from kuzushiji.demo.root import write_root

        size = _size(self.config)
        if size.sources is not None:  # what is wrong with them is said before anything is taken away
            from kuzushiji.demo.material import read_material_again

            read_material_again(size.sources)
        _clear(self.config.out)
        atomic_write_json(self.config.out / _PARAMETERS, self.parameters())
        return dict(write_root(self.config.out, size, self.config.workers))


def _size(config: DemoConfig) -> Any:
    from kuzushiji.demo.root import Size

    hidden_seed = config.seed if config.hidden_seed is None else config.hidden_seed
    return Size(
        config.seed, hidden_seed, config.books, config.pages, config.test_books, config.test_pages,
        config.page_height, config.classes, _sources(config),
    )  # fmt: skip


def _sources(config: DemoConfig) -> Any:
    from kuzushiji.demo.material import Sources

    if config.fonts is None or config.layouts is None or config.codes is None:
        return None
    return Sources(config.fonts, config.layouts, config.texts, config.codes, frozenset(config.without), config.apart)


def _check_folder(config: DemoConfig, described: dict[str, object]) -> None:
    """Refuse a folder that holds something else; `--force` replaces other demo books, and nothing else."""
    out = config.out
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder for the books, got a file")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / _PARAMETERS).is_file():
        raise InputError(f"{out}: expected an empty folder or demo books, got other files (no {_PARAMETERS})")
    found = read_json(out / _PARAMETERS)
    if not isinstance(found, dict) or "page_height" not in found:
        raise InputError(f"{out / _PARAMETERS}: expected the parameters of demo books, got something else")
    names = different_parameters(found, described, DemoConfig)
    if names and not config.force:
        differ = ", ".join(f"{name} {found.get(name)} there, {described.get(name)} asked for" for name in names)
        raise InputError(f"{out}: holds demo books of other parameters ({differ}); --force replaces them")


def _images_are_there(config: DemoConfig) -> bool:
    from kuzushiji.demo.root import image_paths, plan_root

    plan, _ = plan_root(_size(config))
    return all(path.is_file() for path in image_paths(config.out, plan))


def _clear(out: Path) -> None:
    """Remove what an earlier or interrupted run wrote."""
    for name in ("train_images", "test_images"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (*_TABLES, _RECORD):
        (out / name).unlink(missing_ok=True)


main = Demo.main

if __name__ == "__main__":
    cli.run(main)
