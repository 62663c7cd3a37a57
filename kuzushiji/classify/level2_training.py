"""Training the second level across the folds, so that no box is scored by a model that has seen its truth."""

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features, members, offsets_of
from kuzushiji.classify.boosters import TRAINERS
from kuzushiji.classify.boosting import Boosting, Course, Recipe, Rows, Scores, Trees, probabilities
from kuzushiji.classify.context import blended_logits
from kuzushiji.classify.level2_columns import Source, Table
from kuzushiji.classify.linear_start import LinearStart, fit_linear_start
from kuzushiji.classify.parallel import in_parallel
from kuzushiji.classify.segments import best_of_group, group_sum, softmax

logger = logging.getLogger(__name__)

_EASY = 0.98
"""Probability of the true candidate, by the blend, from which a box teaches little and may stand for several."""

_LEAST_EASY = 0.05
_ADJUSTMENTS = tuple(round(0.1 * step, 1) for step in range(-20, 21))


@dataclass(frozen=True)
class FoldModel:
    """The models trained on all folds but one.

    Attributes:
        fold: The fold that was left out.
        reader: What reads the neighbours of each box before anything else looks at them; None where the blend does.
        start: What boosting starts from; None for 0.
        trees: By library.
        rounds: How many of its trees are used, by library: chosen without a look at the left-out fold.
    """

    fold: int
    reader: LinearStart | None
    start: LinearStart | None
    trees: dict[str, Trees]
    rounds: dict[str, int]


@dataclass(frozen=True)
class FoldResult:
    """What became of the left-out fold.

    Attributes:
        model: The models.
        courses: What was seen during training, by library; `best` and `last` in it looked at the fold.
        scores: (m,) of each library, after `model.rounds` rounds.
    """

    model: FoldModel
    courses: dict[str, Course]
    scores: dict[str, Scores]


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        recipes: By library.
        linear: Whether a linear model reads the neighbours and gives boosting its start.
        max_rows: Rows to train on for each fold, about; boxes that are easy stand for others where there are more.
        seed: Of samples and bagging.
        threads: Of all libraries together.
    """

    recipes: dict[str, Recipe]
    linear: bool
    max_rows: int
    seed: int
    threads: int

    @property
    def objective(self) -> str:
        """Common objective of the libraries."""
        return next(iter(self.recipes.values())).objective


def target_rows(features: Features, true_classes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which candidate (m,) is right: one of each box.

    A true class that nobody proposes becomes `seg_fp`: a miss costs less than a miss and a false positive.

    Args:
        features: Candidates of n boxes.
        true_classes: (n,) class numbers.
    """
    right: NDArray[np.bool_] = features.candidates == np.repeat(true_classes, np.diff(features.offsets))
    missed = ~np.logical_or.reduceat(right, features.offsets[:-1]) if len(features) else np.zeros(0, np.bool_)
    right[features.offsets[1:][missed] - 1] = True
    return right


def train_across_folds(
    sources: Mapping[int, Source], targets: Mapping[int, NDArray[np.bool_]], training: Training
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
    for number, (model, boostings) in enumerate(trained):
        courses = {kind: boosting.course for kind, boosting in boostings.items()}
        rounds = {}
        for kind, boosting in boostings.items():
            best = [others[kind].course.best_rounds for _, others in trained]
            rounds[kind] = rounds_without(best, number)
            boosting.go_on(rounds[kind])
        model = replace(model, rounds=rounds)
        results.append(FoldResult(model, courses, fold_scores(model, sources[model.fold], {model.fold})))
    return results


def rounds_without(best: Sequence[int], left_out: int) -> int:
    """Return the mean of the other folds' best rounds, rounded."""
    others = [rounds for number, rounds in enumerate(best) if number != left_out]
    return round(sum(others) / len(others))


def fold_scores(model: FoldModel, source: Source, leave_out: Collection[int]) -> dict[str, Scores]:
    """Return the scores (m,) that each library's model gives the candidates of boxes on whole pages.

    Args:
        model: The models.
        source: The boxes.
        leave_out: Folds whose truth is not looked at for the language's columns: the fold of the boxes.
    """
    table = _read_by(model.reader, source, leave_out).table(leave_out)
    start = np.zeros(len(table.values), np.float32) if model.start is None else model.start.scores(table)
    kinds = list(model.trees)
    added = in_parallel(lambda kind: model.trees[kind].predict(table.values, model.rounds[kind]), kinds)
    return {kind: start + scores for kind, scores in zip(kinds, added, strict=True)}


def mean_probability(scores: Sequence[Scores], offsets: NDArray[np.int64], objective: str) -> NDArray[np.float32]:
    """Return the mean over models of the probability (m,) of each candidate."""
    total = sum(probabilities(score, offsets, objective) for score in scores)
    mean: NDArray[np.float32] = (np.asarray(total) / len(scores)).astype(np.float32)
    return mean


@dataclass(frozen=True)
class Choice:
    """What is read in each of n boxes.

    Attributes:
        classes: (n,) int32 the most probable candidate.
        probability: (n,) float32, that it is right.
    """

    classes: NDArray[np.int32]
    probability: NDArray[np.float32]


def choose(
    candidates: NDArray[np.int32],
    offsets: NDArray[np.int64],
    probability: NDArray[np.float32],
    seg_fp_adjust: float = 0.0,
) -> Choice:
    """Return the best candidate of each box.

    Args:
        candidates: (m,) class numbers, each box's in ascending order, `seg_fp` the last.
        offsets: (n + 1,) where each box's candidates begin.
        probability: (m,) of each candidate.
        seg_fp_adjust: Added to the log-odds of `seg_fp` before the best is taken.
    """
    adjusted = probability.astype(np.float64)
    if seg_fp_adjust:
        last = offsets[1:] - 1
        odds = np.exp(seg_fp_adjust) * adjusted[last] / np.maximum(1 - adjusted[last], 1e-9)
        adjusted[last] = odds / (1 + odds)
    best = best_of_group(adjusted, offsets)
    share = adjusted[best] / np.maximum(group_sum(adjusted, offsets), 1e-9)
    return Choice(candidates[best], share.astype(np.float32))


def _train_fold(
    fold: int, sources: Mapping[int, Source], targets: Mapping[int, NDArray[np.bool_]], training: Training
) -> tuple[FoldModel, dict[str, Boosting]]:
    """Train on all folds but one, each library until it stops; the rounds to use are still open."""
    others = [number for number in sources if number != fold]
    reader, start = None, None
    if training.linear:
        first = {number: sources[number].linear_table({fold, number}) for number in others}
        reader = fit_linear_start(*_joined(first, targets))
        sources = {
            number: _read_by(reader, source, {fold, number}, first.get(number)) for number, source in sources.items()
        }
    tables, rights, weights = {}, {}, []
    n_rows = sum(len(targets[number]) for number in others)
    for number in others:
        features = sources[number].features
        chosen, weight = _sample(features, targets[number], training.max_rows / max(n_rows, 1), training.seed + number)
        tables[number] = sources[number].take(chosen).table({fold, number})
        rights[number] = targets[number][members(features.offsets, chosen)]
        weights.append(weight)
    table, target = _joined(tables, rights)
    del tables
    if training.linear:
        start = fit_linear_start(table, target, np.concatenate(weights))
    rows = _rows(table, target, start, np.concatenate(weights))
    watched = _rows(sources[fold].table({fold}), targets[fold], start, np.ones(len(sources[fold].features), np.float32))
    boostings = _boost(fold, rows, watched, training)
    trees = {kind: boosting.trees for kind, boosting in boostings.items()}
    return FoldModel(fold, reader, start, trees, {}), boostings


def _boost(fold: int, rows: Rows, watched: Rows, training: Training) -> dict[str, Boosting]:
    """Train both libraries side by side, with a share of the cores each.

    What one of them does on a single core then hides behind the other's work.
    """
    threads = max(1, training.threads // len(training.recipes))
    with ThreadPoolExecutor(len(training.recipes)) as pool:
        running = {
            kind: pool.submit(TRAINERS[kind], rows, watched, replace(recipe, threads=threads), training.seed)
            for kind, recipe in training.recipes.items()
        }
        boostings = {kind: future.result() for kind, future in running.items()}
    for kind, boosting in boostings.items():
        course = boosting.course
        logger.info(
            "fold %d, %s: %s rows, loss %.5f at the start, %.5f after %d rounds, %.5f after %d",
            fold, kind, f"{len(rows.values):,}", course.losses[0], min(course.losses), course.best_rounds,
            course.losses[-1], len(course.losses) - 1,
        )  # fmt: skip
    return boostings


def _read_by(
    reader: LinearStart | None, source: Source, leave_out: Collection[int], table: Table | None = None
) -> Source:
    """Return the source with its neighbours as the reader reads them; `table` is its linear table if that is known."""
    if reader is None:
        return source
    return source.read_as(reader.scores(source.linear_table(leave_out) if table is None else table))


def _joined(tables: Mapping[int, Table], targets: Mapping[int, NDArray[np.bool_]]) -> tuple[Table, NDArray[np.bool_]]:
    """Return the rows of several folds as one table, and which of them are right."""
    table = Table(
        next(iter(tables.values())).names,
        np.concatenate([part.values for part in tables.values()]),
        offsets_of(np.concatenate([np.diff(part.offsets) for part in tables.values()])),
    )
    return table, np.concatenate([targets[number] for number in tables])


def _rows(table: Table, target: NDArray[np.bool_], start: LinearStart | None, weight: NDArray[np.float32]) -> Rows:
    scores = np.zeros(len(table.values), np.float32) if start is None else start.scores(table)
    return Rows(table.values, table.names, table.offsets, target, scores, weight)


def _sample(
    features: Features, target: NDArray[np.bool_], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return positions of boxes with about `share` of all rows, and for how many boxes each stands.

    Boxes on which the blend errs or doubts are all kept; of those it is sure of, some stand for the rest.
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


def tune_seg_fp(
    features: Sequence[Features], probability: Sequence[NDArray[np.float32]], true_classes: Sequence[NDArray[np.int32]]
) -> float:
    """Return the value of `choose`'s `seg_fp_adjust` with the best F1 on some folds' boxes.

    What the boxes missed is missed whatever the value, so boxes are all that need counting.
    """
    best, best_value = -1.0, 0.0
    for value in sorted(_ADJUSTMENTS, key=abs):
        right = wrong = missed = 0
        for part, p, truth in zip(features, probability, true_classes, strict=True):
            seg_fp = part.vocabulary.seg_fp
            chosen = choose(part.candidates, part.offsets, p, value).classes
            hit = int(((chosen == truth) & (truth != seg_fp)).sum())
            right += hit
            wrong += int((chosen != seg_fp).sum()) - hit
            missed += int((truth != seg_fp).sum()) - hit
        f1 = 2 * right / max(2 * right + wrong + missed, 1)
        if f1 > best:
            best, best_value = f1, value
    return best_value
