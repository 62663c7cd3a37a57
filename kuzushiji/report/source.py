"""Where a report finds its data: the data root of a run folder."""

from pathlib import Path

from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.run_folder import BUNDLE_FILE


def find_root(given: Path | None, runs: Path) -> DataRoot:
    """Return the data root: `given`, else the books beside the runs (demo), else as all stages find it.

    Raises:
        InputError: `runs` or the data root is no folder; `runs` has models alone.
    """
    if not runs.is_dir():
        raise InputError(f"{runs}: expected a run folder, got none")
    if (runs / BUNDLE_FILE).is_file():
        expected = "expected the run folder that it was made of"
        raise InputError(f"{runs}: {expected}, got exported models ({BUNDLE_FILE}), which have no results to report")
    books = runs / "books"
    return DataRoot.find(books if given is None and books.is_dir() else given)
