"""The detailed tables that a stage is given: what they depend on, and the folds of the classifiers that wrote them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kuzushiji.artifacts import Detailed, read_detailed
from kuzushiji.artifacts.detailed_files import is_text
from kuzushiji.classify.parallel import in_parallel
from kuzushiji.data.folds import BOOKS, SPLITS
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.run_folder import PARAMS, VOCABULARY


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


def n_folds_of(tables: Iterable[Path], given: int | None = None) -> int | None:
    """Return the number of folds of the classifiers that wrote tables, from `params.json` beside these.

    Args:
        tables: Need not be there themselves.
        given: The number that they must have.

    Returns:
        The number; `given` where nothing is beside the tables.

    Raises:
        InputError: two of these numbers differ.
    """
    found = {} if given is None else {given: "--n-folds"}
    for params, told in _params_beside(tables):
        if isinstance(told.get("n_folds"), int):
            found.setdefault(told["n_folds"], str(params))
    if not found:
        return None
    (n_folds, first), *others = found.items()
    for number, place in others:
        raise InputError(f"{place}: expected {n_folds} folds as of {first}, got {number}")
    return n_folds


def split_of(tables: Iterable[Path]) -> str:
    """Return what the folds of the classifiers that wrote tables divide, from `params.json` beside these.

    Raises:
        InputError: two of them divide different things.
    """
    found: dict[str, str] = {}
    for params, told in _params_beside(tables, strict=False):
        split = told.get("split", BOOKS)
        if split in SPLITS:
            found.setdefault(split, str(params))
    if len(found) > 1:
        (split, first), (other, place) = found.items()
        raise InputError(f"{place}: expected folds of {split} as in {first}, got folds of {other}")
    return next(iter(found), BOOKS)


def _params_beside(tables: Iterable[Path], *, strict: bool = True) -> Iterator[tuple[Path, dict[str, Any]]]:
    for params in dict.fromkeys(table.with_name(PARAMS) for table in tables):
        try:
            told = read_json(params) if params.is_file() else None
        except InputError:
            if strict:
                raise
            told = None  # the number of folds, where it is read, reports the damage
        if isinstance(told, dict):
            yield params, told
