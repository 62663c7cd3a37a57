"""How many folds there are: what the classifiers say whose tables a stage reads."""

from collections.abc import Iterable
from pathlib import Path

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
    for params in dict.fromkeys(table.with_name(PARAMS) for table in tables):
        told = read_json(params) if params.is_file() else None
        if isinstance(told, dict) and isinstance(told.get("n_folds"), int):
            found.setdefault(told["n_folds"], str(params))
    if not found:
        return None
    (n_folds, first), *others = found.items()
    for number, place in others:
        raise InputError(f"{place}: expected {n_folds} folds as of {first}, got {number}")
    return n_folds
