"""The detailed tables that a stage is given, and what they depend on."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kuzushiji.artifacts import Detailed, read_detailed
from kuzushiji.artifacts.detailed_files import is_text
from kuzushiji.classify.parallel import in_parallel
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.run_folder import VOCABULARY


def data_root_of(paths: Sequence[Path], given: Path | None) -> DataRoot | None:
    """Return the data root, or None where there is none and no table needs one: Parquet brings all with it.

    Raises:
        InputError: there is none, and it was named or some table is text.
    """
    if given is None and not any(is_text(path) for path in paths):
        with suppress(InputError):
            return DataRoot.find()
        return None
    return DataRoot.find(given)


def table_inputs(paths: Sequence[Path], root: DataRoot | None) -> list[Path]:
    """Return the files on which tables depend: text tables have their vocabulary and pages elsewhere."""
    beside = [path.parent / VOCABULARY for path in paths if is_text(path)]
    elsewhere = [path for path in dict.fromkeys(beside) if path.is_file()]
    if beside and root is not None and root.train_csv.is_file():
        elsewhere.append(root.train_csv)
    return [*paths, *elsewhere]


def read_tables(
    paths: Sequence[Path], root: DataRoot | None, top_k: int | None = None, *, at_a_time: int | None = None
) -> list[Detailed]:
    """Read the detailed tables of several models.

    Args:
        paths: The files.
        root: Where text tables have their vocabulary and pages.
        top_k: Classes of each box to keep; all by default.
        at_a_time: Tables read side by side, by default as many as there are cores. Text tables are several times as
            large while they are read, and so read one by one in any case.

    Raises:
        InputError: as `read_detailed`.
    """
    return in_parallel(
        lambda path: read_detailed(path, top_k=top_k, data_root=root),
        paths,
        at_a_time=1 if any(map(is_text, paths)) else at_a_time,
    )
