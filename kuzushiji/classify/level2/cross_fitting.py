"""Training level 2 across the folds, so that no box is scored by a model that was trained on its label."""

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.boosting import Boosted, Course, Recipe, Rows, Scores, Trees
from kuzushiji.classify.level2.columns import ColumnSource, Table
from kuzushiji.classify.level2.context import blended_logits
from kuzushiji.classify.level2.libraries import TRAINERS
from kuzushiji.classify.level2.linear_start import LinearStart, fit_linear_start
from kuzushiji.classify.level2.shortlist import Shortlist, fit_readers, joined, one_of_each, read, unread
from kuzushiji.classify.parallel import in_parallel
from kuzushiji.ragged import members, softmax

logger = logging.getLogger(__name__)

_EASY = 0.98
"""Boxes whose true candidate has at least this probability in the blend are easy: they are subsampled, weighted."""

_LEAST_EASY = 0.05


@dataclass(frozen=True)
class FoldModel:
    """The models trained on all folds but one.

    Attributes:
        fold: The fold that was left out.
        readers: Linear models that select the likely candidates and predict the neighbours before boosting, one per
            reading; none where the blend is used.
        start: What boosting starts from; None for 0.
        trees: By library.
        rounds: How many of its trees are used, by library: chosen without the left-out fold.
    """

    fold: int
    readers: tuple[LinearStart, ...]
    start: LinearStart | None
    trees: dict[str, Trees]
    rounds: dict[str, int]

    def of_libraries(self, wanted: Collection[str]) -> "FoldModel":
        """Return the model with the trees of those libraries only."""
        trees = {kind: trees for kind, trees in self.trees.items() if kind in wanted}
        return replace(self, trees=trees, rounds={kind: self.rounds[kind] for kind in trees})


@dataclass(frozen=True)
class FoldResult:
    """The results on the left-out fold.

    Attributes:
        model: The models.
        courses: Losses and scores during training, by library; `best` and `last` depend on the fold's labels.
        scores: (m,) of each library, after `model.rounds` rounds; far below the others for candidates that the readers
            ruled out.
    """

    model: FoldModel
    courses: dict[str, Course]
    scores: dict[str, Scores]


@dataclass(frozen=True)
class Level2Training:
    """How to train.

    Attributes:
        recipes: By library.
        readings: How often a linear model re-ranks the candidates before boosting, which then starts from such a model;
            0 for never.
        max_rows: Rows to train on for each fold, about; boxes that are easy stand for others where there are more.
        seed: Of samples and bagging.
        threads: Of all libraries together.
    """

    recipes: dict[str, Recipe]
    readings: int
    max_rows: int
    seed: int
    threads: int

    @property
    def objective(self) -> str:
        """Common objective of the libraries."""
        return next(iter(self.recipes.values())).objective


def target_rows(features: Features, true_classes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which candidate (m,) is right: one of each box.

    If the true class is no candidate, `seg_fp` is right: a miss costs less than a miss and a false positive.

    Args:
        features: Candidates of n boxes.
        true_classes: (n,) class numbers.
    """
    right: NDArray[np.bool_] = features.candidates == np.repeat(true_classes, np.diff(features.offsets))
    return one_of_each(right, features.offsets)


def train_across_folds(
    sources: Mapping[int, ColumnSource], targets: Mapping[int, NDArray[np.bool_]], training: Level2Training
) -> list[FoldResult]:
    """Train, for each fold, on the others.

    The number of rounds used for a fold is the mean of the best numbers of the other folds, each found on the pages
    that its models have not seen.

    Args:
        sources: The boxes of each fold, by its number; at least two folds.
        targets: The right candidates of each fold.
        training: How to train.
    """
    trained = [_train_fold(fold, sources, targets, training) for fold in sources]
    results = []
    for number, one in enumerate(trained):
        rounds = {
            kind: rounds_without([other.boosted[kind].course.best_rounds for other in trained], number)
            for kind in one.boosted
        }
        longer = _train_longer(one, rounds, sources, targets, training)
        trees = {kind: boosted.trees for kind, boosted in (one.boosted | longer).items()}
        courses = {
            kind: Course(course.losses, one.watched.spread(course.best), one.watched.spread(course.last))
            for kind, course in ((kind, boosted.course) for kind, boosted in one.boosted.items())
        }
        model = FoldModel(one.fold, one.readers, one.start, trees, rounds)
        results.append(FoldResult(model, courses, _scores_of(model, one.watched, {one.fold})))
    return results


def rounds_without(best: Sequence[int], left_out: int) -> int:
    """Return the mean of the other folds' best rounds, rounded."""
    others = [rounds for number, rounds in enumerate(best) if number != left_out]
    return round(sum(others) / len(others))


def fold_scores(model: FoldModel, source: ColumnSource, leave_out: Collection[int]) -> dict[str, Scores]:
    """Return the scores (m,) that each library's model gives the candidates of boxes on whole pages.

    Args:
        model: The models.
        source: The boxes.
        leave_out: Folds whose labels are not used for the language columns: the fold of the boxes.
    """
    return _scores_of(model, read(source, model.readers, leave_out), leave_out)


def _scores_of(model: FoldModel, shortlist: Shortlist, leave_out: Collection[int]) -> dict[str, Scores]:
    table = shortlist.source.table(leave_out)
    start = np.zeros(len(table.values), np.float32) if model.start is None else model.start.scores(table)
    kinds = list(model.trees)
    added = in_parallel(lambda kind: model.trees[kind].predict(table.values, model.rounds[kind]), kinds)
    return {kind: shortlist.spread(start + scores) for kind, scores in zip(kinds, added, strict=True)}


@dataclass(frozen=True)
class _Trained:
    """What was trained on all folds but one; the rounds to use are still open."""

    fold: int
    readers: tuple[LinearStart, ...]
    start: LinearStart | None
    boosted: dict[str, Boosted]
    watched: Shortlist


def _train_fold(
    fold: int, sources: Mapping[int, ColumnSource], targets: Mapping[int, NDArray[np.bool_]], training: Level2Training
) -> _Trained:
    """Train on all folds but one, each library until it stops."""
    others = {number: source for number, source in sources.items() if number != fold}
    leave_out = _left_out(fold, others)
    readers: tuple[LinearStart, ...] = ()
    shortlists = {number: unread(source) for number, source in others.items()}
    if training.readings:
        readers, shortlists = fit_readers(others, targets, leave_out, training.readings)
    table, target, weight = _sampled_rows(shortlists, targets, leave_out, training)
    del shortlists
    start = fit_linear_start(table, target, weight) if training.readings else None
    watched = read(sources[fold], readers, {fold})
    rows, left_out = _rows(table, target, start, weight), _watched_rows(watched, targets[fold], start, fold)
    del table
    return _Trained(fold, readers, start, _boost(fold, rows, left_out, training), watched)


def _train_longer(
    one: _Trained,
    rounds: Mapping[str, int],
    sources: Mapping[int, ColumnSource],
    targets: Mapping[int, NDArray[np.bool_]],
    training: Level2Training,
) -> dict[str, Boosted]:
    """Train the libraries that stopped before `rounds` again, without early stopping.

    The first trees are the same. Resuming instead would need the rows of all folds in memory at the same time.
    """
    short = {kind: n for kind, n in rounds.items() if n >= len(one.boosted[kind].course.losses)}
    if not short:
        return {}
    others = {number: source for number, source in sources.items() if number != one.fold}
    leave_out = _left_out(one.fold, others)
    shortlists = {number: read(source, one.readers, leave_out[number]) for number, source in others.items()}
    table, target, weight = _sampled_rows(shortlists, targets, leave_out, training)
    del shortlists
    rows = _rows(table, target, one.start, weight)
    left_out = _watched_rows(one.watched, targets[one.fold], one.start, one.fold)
    recipes = {kind: replace(training.recipes[kind], rounds=n, patience=0) for kind, n in short.items()}
    return _boost(one.fold, rows, left_out, replace(training, recipes=recipes))


def _left_out(fold: int, others: Collection[int]) -> dict[int, set[int]]:
    """Return, for each of the other folds, the folds whose labels must not enter its language columns."""
    return {number: {fold, number} for number in others}


def _watched_rows(watched: Shortlist, target: NDArray[np.bool_], start: LinearStart | None, fold: int) -> Rows:
    every = np.ones(len(watched.source.features), np.float32)
    return _rows(watched.source.table({fold}), watched.target(target), start, every)


def _sampled_rows(
    shortlists: Mapping[int, Shortlist],
    targets: Mapping[int, NDArray[np.bool_]],
    leave_out: Mapping[int, Collection[int]],
    training: Level2Training,
) -> tuple[Table, NDArray[np.bool_], NDArray[np.float32]]:
    """Return about `max_rows` rows of some folds, which of them are right, and for how many boxes each box stands."""
    share = training.max_rows / max(sum(len(part.source.features.candidates) for part in shortlists.values()), 1)
    tables, rights, weights = {}, {}, []
    for number, shortlist in shortlists.items():
        features, target = shortlist.source.features, shortlist.target(targets[number])
        chosen, weight = _sample(features, target, share, training.seed + number)
        tables[number] = shortlist.source.take(chosen).table(leave_out[number])
        rights[number] = target[members(features.offsets, chosen)]
        weights.append(weight)
    return *joined(tables, rights), np.concatenate(weights)


def _boost(fold: int, rows: Rows, watched: Rows, training: Level2Training) -> dict[str, Boosted]:
    """Train both libraries side by side, with a share of the cores each.

    So the single-core parts of one library overlap with the work of the other.
    """
    threads = max(1, training.threads // len(training.recipes))
    with ThreadPoolExecutor(len(training.recipes)) as pool:
        running = {
            kind: pool.submit(TRAINERS[kind], rows, watched, replace(recipe, threads=threads), training.seed)
            for kind, recipe in training.recipes.items()
        }
        boosted = {kind: future.result() for kind, future in running.items()}
    for kind, course in ((kind, one.course) for kind, one in boosted.items()):
        logger.info(
            "fold %d, %s: %s rows, loss %.5f at the start, %.5f after %d rounds, %.5f after %d",
            fold, kind, f"{len(rows.values):,}", course.losses[0], min(course.losses), course.best_rounds,
            course.losses[-1], len(course.losses) - 1,
        )  # fmt: skip
    return boosted


def _rows(table: Table, target: NDArray[np.bool_], start: LinearStart | None, weight: NDArray[np.float32]) -> Rows:
    scores = np.zeros(len(table.values), np.float32) if start is None else start.scores(table)
    return Rows(table.values, table.names, table.offsets, target, scores, weight)


def _sample(
    features: Features, target: NDArray[np.bool_], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return positions of boxes with about `share` of all rows, and for how many boxes each stands.

    All boxes on which the blend is wrong or uncertain are kept; the others are subsampled and weighted.
    """
    n = len(features)
    counts = np.diff(features.offsets)
    if share >= 1 or not n:
        return np.arange(n), np.ones(n, np.float32)
    easy = softmax(blended_logits(features), features.offsets)[target] > _EASY
    wanted = share * counts.sum() - counts[~easy].sum()
    rate = float(np.clip(wanted / max(int(counts[easy].sum()), 1), _LEAST_EASY, 1))
    kept = ~easy | (np.random.default_rng(seed).random(n) < rate)
    weight = np.where(easy, np.float32(1 / rate), np.float32(1))
    return np.flatnonzero(kept), weight[kept]
