"""How many folds there are, and of what: what the classifiers say whose tables a stage reads."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kuzushiji.data.folds import BOOKS, SPLITS
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.run_folder import PARAMS


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
