"""Blends of detailed tables: joined by page and box, logits averaged over models; and the weights of the models.

Weights are found on pages that none of the models has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts import Detailed, concat_detailed, rows_in_order_of
from kuzushiji.classify.parallel import in_chunks
from kuzushiji.data.labels import SEG_FP
from kuzushiji.errors import InputError
from kuzushiji.metric import Counts

_CHUNK = 128
"""Boxes blended at a time: ten tables of 50 classes then fit a core's cache, and what is in between is small enough to
be used again. With 1,024 a blend of ten tables got 323,000 pages of new memory from the system, with 128 2,000."""


def blend_tables(
    tables: Sequence[Detailed], names: Sequence[str], weights: Sequence[float] | None = None, top_k: int | None = None
) -> Detailed:
    """Return one table with the weighted mean of the tables' logits for each box.

    A class that is not among a table's best counts 0 there, as in the reference. Tables of the same pages are
    models to average; tables of other pages, such as those of other folds, are put one after the other.

    Args:
        tables: At least one.
        names: Their files, for messages.
        weights: One a table, above 0; equal by default.
        top_k: Classes to keep, by default as many as the longest table has, and never more.

    Raises:
        InputError: a table with neither boxes nor pages; different vocabularies; tables that share pages and have
            other boxes, coordinates or truth; pages that are in fewer tables than others; more classes a box on some
            pages than on others, where `top_k` does not make them equal.
    """
    weights = [1.0] * len(tables) if weights is None else weights
    if not tables:
        raise InputError("expected at least one detailed table, got none")
    for table, name in zip(tables, names, strict=True):
        tables[0].vocabulary.check_same(table.vocabulary, name, names[0])
        if not table.pages:
            raise InputError(f"{name}: expected boxes, or pages that were looked at, got a table without both")
    groups = _group_by_pages(tables, names)
    blended = [
        _blend_same_boxes([tables[i] for i in group], [names[i] for i in group], [weights[i] for i in group], top_k)
        for group in groups
    ]
    return blended[0] if len(blended) == 1 else concat_detailed(blended, [names[group[0]] for group in groups])


def blend_logits(
    classes: Sequence[NDArray[np.integer]],
    logits: Sequence[NDArray[np.floating]],
    weights: Sequence[float],
    top_k: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `top_k` classes of the highest weighted mean logit of each box, and these means.

    Works on the sparse lists: per box at most the sum of the tables' k entries, never all classes. Equal means are
    ordered by class.

    Args:
        classes: (n, k_i) of each table, class numbers, each at most once in a row.
        logits: (n, k_i) of each table.
        weights: One a table.
        top_k: At most the largest k_i.

    Returns:
        (n, top_k) int32 and (n, top_k) float32, descending.
    """
    n = len(classes[0])
    share = np.asarray(weights, np.float64) / np.sum(weights)
    best, means = np.empty((n, top_k), np.int32), np.empty((n, top_k), np.float32)

    def blend_rows(rows: slice) -> None:
        joined = np.concatenate([table[rows] for table in classes], axis=1)
        scaled = [(table[rows] * part).astype(np.float32) for table, part in zip(logits, share, strict=True)]
        best[rows], means[rows] = _sum_by_class(joined, np.concatenate(scaled, axis=1), top_k)

    in_chunks(n, _CHUNK, blend_rows)
    return best, means


def _sum_by_class(
    classes: NDArray[np.integer], values: NDArray[np.float32], top_k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `top_k` classes of the largest sums of `values` (n, m) in each row, and the sums.

    Sorting numbers is several times faster than sorting positions: a class and its column share one integer.
    """
    n, m = classes.shape
    bits = max(1, int(m - 1).bit_length())
    small: Any = np.int32 if int(classes.max(initial=0)) < 1 << (31 - bits) else np.int64
    columns: NDArray[Any] = np.arange(m, dtype=small)
    keys: NDArray[Any] = np.sort((classes.astype(small) << bits) | columns, axis=1)
    ordered = np.take(values, (keys & ((1 << bits) - 1)) + (np.arange(n) * m)[:, None])
    runs: NDArray[np.int32] = (keys >> bits).astype(np.int32)
    starts = np.ones((n, m), np.bool_)
    np.not_equal(runs[:, 1:], runs[:, :-1], out=starts[:, 1:])
    sums = np.full((n, m), -np.inf, np.float32)
    sums[starts] = np.add.reduceat(ordered.reshape(-1), np.flatnonzero(starts))
    best = _largest(sums, top_k)
    return np.take_along_axis(runs, best, axis=1), np.take_along_axis(sums, best, axis=1)


def _largest(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the columns (n, k) of the largest values of each row, descending, the first where they are equal.

    The k-th largest value of each row says which columns can be among them; a value and its column then share one
    integer.
    """
    n, m = values.shape
    least = np.partition(values, m - k, axis=1)[:, m - k]
    row, column = np.divmod(np.flatnonzero(values >= least[:, None]), m)
    counts = np.bincount(row, minlength=n)
    width = int(counts.max(initial=k))  # more than k where values are equal
    place = np.arange(len(row)) + (np.arange(n) * width - (np.cumsum(counts) - counts))[row]
    bits = max(1, int(m - 1).bit_length())
    keys = np.full(n * width, np.iinfo(np.int64).max)
    keys[place] = (_descending(values[row, column]) << bits) | column
    return np.sort(keys.reshape(n, width), axis=1)[:, :k] & ((1 << bits) - 1)


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return integers whose ascending order is the descending order of the numbers."""
    raw = (values + np.float32(0)).view(np.int32)  # + 0 makes -0 and 0 equal
    ascending: NDArray[np.int64] = (raw ^ ((raw >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
    return ~ascending


def _blend_same_boxes(
    tables: Sequence[Detailed], names: Sequence[str], weights: Sequence[float], top_k: int | None
) -> Detailed:
    first = tables[0]
    aligned = [first]
    for table, name in zip(tables[1:], names[1:], strict=True):
        order = rows_in_order_of(first.boxes, table.boxes, name, names[0])
        aligned.append(table if order is None else table.take(order))
    longest = max(table.classes.shape[1] for table in tables)
    k = longest if top_k is None else min(top_k, longest)
    if len(tables) == 1:
        classes, logits = first.classes[:, :k], first.logits[:, :k]
    else:
        classes, logits = blend_logits([t.classes for t in aligned], [t.logits for t in aligned], weights, k)
    pages = tuple(dict.fromkeys(page for table in tables for page in table.pages))
    return replace(first, classes=classes, logits=logits, pages=pages)


def _group_by_pages(tables: Sequence[Detailed], names: Sequence[str]) -> list[list[int]]:
    """Return the positions of tables that share pages, group by group."""
    groups: list[list[int]] = []
    group_of_page: dict[str, int] = {}
    for i, table in enumerate(tables):
        number = next((group_of_page[page] for page in table.pages if page in group_of_page), len(groups))
        if number == len(groups):
            groups.append([])
        groups[number].append(i)
        group_of_page |= dict.fromkeys(table.pages, number)
    small = min(groups, key=len)
    large = max(groups, key=len)
    if len(small) != len(large):
        raise InputError(
            f"{names[small[0]]}: expected its pages in {len(large)} tables as those of {names[large[0]]}, "
            f"got {len(small)}"
        )
    return groups


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
