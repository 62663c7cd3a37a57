"""Detailed tables in files: Parquet, or the reference's text format."""

from pathlib import Path

from kuzushiji.artifacts.detailed import Detailed, check_detailed
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError


def write_detailed(path: Path, detailed: Detailed) -> None:
    """Write the table to `path`, whole or not at all: Parquet, or the reference's format for `*.csv` and `*.csv.gz`.

    The text format contains neither pages without boxes nor the vocabulary.

    Raises:
        InputError: the table breaks a rule of `Detailed`, or the folder cannot be written to.
    """
    check_detailed(detailed, str(path))
    if is_text(path):
        from kuzushiji.artifacts.detailed_text import write_text

        write_text(path, detailed)
    else:
        from kuzushiji.artifacts.detailed_parquet import write_parquet

        write_parquet(path, detailed)


def read_detailed(
    path: Path,
    *,
    top_k: int | None = None,
    vocabulary: Vocabulary | None = None,
    data_root: DataRoot | None = None,
) -> Detailed:
    """Read a detailed table, Parquet or (`*.csv`, `*.csv.gz`) the reference's format.

    Args:
        path: The file.
        top_k: Classes of each box to keep; all of the file by default.
        vocabulary: What the classes of a text table mean; without it `vocabulary.json` beside the table, else the
            codes of the data root's `train.csv`. A Parquet table contains its own, which must equal this one if given.
        data_root: Where `train.csv` is. A text table cannot name pages without boxes: if its pages are training
            pages, all pages of their books count as looked at.

    Raises:
        InputError: no such file, other columns, a rule of `Detailed` broken, or another vocabulary.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a detailed table, got no file")
    if is_text(path):
        from kuzushiji.artifacts.detailed_text import read_text

        detailed = read_text(path, vocabulary, data_root)
    else:
        from kuzushiji.artifacts.detailed_parquet import read_parquet

        detailed = read_parquet(path)
        if vocabulary is not None:
            vocabulary.check_same(detailed.vocabulary, path)
    check_detailed(detailed, str(path))
    return detailed if top_k is None else detailed.top(top_k)


def is_text(path: Path) -> bool:
    """Return whether a detailed table of this name is in the reference's text format."""
    return path.name.endswith((".csv", ".csv.gz"))
