"""Weights of the models of a blend, found on pages that none of them has seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from kuzushiji.artifacts import Detailed
from kuzushiji.classify.blending import blend_tables
from kuzushiji.data.labels import SEG_FP
from kuzushiji.errors import InputError
from kuzushiji.metric import Counts

WEIGHTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Tried for each model in turn; the first model's weight is 1, only the proportions count."""
_ROUNDS = 3


@dataclass(frozen=True)
class Fold:
    """The tables of one fold, a table a kind of model.

    Attributes:
        tables: Of the same pages, which these models have not seen.
        places: Where each stands among all tables.
    """

    tables: list[Detailed]
    places: list[int]


@dataclass(frozen=True)
class FoundWeights:
    """What was found.

    Attributes:
        weights: (kinds,) of all folds together.
        of_table: One a table, in the order of the tables.
        f1: Out of fold: each fold blended with the weights that were found on the others.
        equal_f1: With equal weights.
    """

    weights: list[float]
    of_table: list[float]
    f1: float
    equal_f1: float


def find_weights(tables: Sequence[Detailed], names: Sequence[str]) -> FoundWeights:
    """Return the weights with the best F1 of characters in the boxes, by trying one model's after the other's.

    What the boxes missed is missed with any weights, so boxes are all that need counting.

    Args:
        tables: Held-out tables: those of the same pages are of one fold, and stand in the same order of models.
        names: Their files, for messages.

    Raises:
        InputError: the folds have different numbers of tables, or one alone.
    """
    folds = _folds(tables)
    n = len(folds[0].tables)
    other = next((fold for fold in folds if len(fold.tables) != n), None)
    if other is not None:
        raise InputError(
            f"--weights auto: expected as many tables of each fold, got {n} of that of {names[folds[0].places[0]]} "
            f"and {len(other.tables)} of that of {names[other.places[0]]}"
        )
    if n < 2:
        raise InputError("--weights auto: expected at least two models of the same pages in --held-out, got one")
    weights = _best(folds, n)
    apart = Counts()
    for fold in folds:
        others = [item for item in folds if item is not fold]
        apart += _counts([fold], _best(others, n) if others else weights)
    of_table = [0.0] * len(tables)
    for fold in folds:
        for place, weight in zip(fold.places, weights, strict=True):
            of_table[place] = weight
    return FoundWeights(weights, of_table, apart.f1, _counts(folds, [1.0] * n).f1)


def _folds(tables: Sequence[Detailed]) -> list[Fold]:
    found: dict[frozenset[str], Fold] = {}
    for place, table in enumerate(tables):
        fold = found.setdefault(frozenset(table.pages), Fold([], []))
        fold.tables.append(table)
        fold.places.append(place)
    return list(found.values())


def _best(folds: Sequence[Fold], n: int) -> list[float]:
    weights = [1.0] * n
    best = _counts(folds, weights).f1
    for _ in range(_ROUNDS):
        before = best
        for model in range(1, n):
            for weight in WEIGHTS:
                tried = [*weights[:model], weight, *weights[model + 1 :]]
                f1 = _counts(folds, tried).f1
                if f1 > best:
                    best, weights = f1, tried
        if best == before:
            break
    return weights


def _counts(folds: Sequence[Fold], weights: Sequence[float]) -> Counts:
    total = Counts()
    for fold in folds:
        blend = blend_tables(fold.tables, [""] * len(fold.tables), weights, top_k=1)
        pred, true = blend.pred, blend.boxes["true"].to_numpy(object)
        hit = int(((pred == true) & (true != SEG_FP)).sum())
        total += Counts(hit, int((pred != SEG_FP).sum()) - hit, int((true != SEG_FP).sum()) - hit)
    return total
