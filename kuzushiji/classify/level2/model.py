"""A trained level 2: the models of all folds, whose predictions are averaged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts import Detailed
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.choice import Choice, Decision, choose, mean_probability
from kuzushiji.classify.level2.columns import source_of
from kuzushiji.classify.level2.cross_fitting import FoldModel, fold_scores
from kuzushiji.classify.level2.ngrams import NGrams
from kuzushiji.classify.level2.tables import best_candidates
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.errors import InputError
from kuzushiji.ragged import members
from kuzushiji.run_folder import kinds_of

N_KEPT = 10
"""Candidates of a box of a test page that are written."""
_CHUNK_BOXES = 100_000
"""Boxes of whole pages that are predicted together: half a gigabyte."""


@dataclass(frozen=True)
class Level2Model:
    """The models of all folds, and the properties of their input.

    Attributes:
        folds: One model a fold.
        feature_set: Which columns.
        columns: Their names.
        objective: Of boosting.
        top_k: Of the features.
        n_groups: Of the features.
        extra: Names of the columns of optional stages.
        vocabulary: Of the features.
        language: Counts of the training truth; None for the reference's columns.
        decision: When a box is no character.
        kinds: Of models, one a group of the features; empty where their tables lay in no folders of a run.
    """

    folds: tuple[FoldModel, ...]
    feature_set: str
    columns: tuple[str, ...]
    objective: str
    top_k: int
    n_groups: int
    extra: tuple[str, ...]
    vocabulary: Vocabulary
    language: NGrams | None
    decision: Decision
    kinds: tuple[str, ...] = ()

    @property
    def libraries(self) -> list[str]:
        """Names of the libraries whose trees the model has."""
        return sorted({kind for fold in self.folds for kind in fold.trees})

    def of_libraries(self, wanted: Collection[str]) -> "Level2Model":
        """Return the model with the trees of those libraries only."""
        return replace(self, folds=tuple(fold.of_libraries(wanted) for fold in self.folds))

    def check(self, features: Features, name: str) -> None:
        """Check that features are of the kind the models were trained on.

        Raises:
            InputError: another top k, other groups, other kinds of models in them, another vocabulary or other extra
                columns.
        """
        kinds = kinds_of(features.groups)
        for what, expected, got in (
            ("top-k", self.top_k, features.top_k),
            ("number of groups", self.n_groups, features.n_groups),
            ("kinds of models", self.kinds or kinds, kinds or self.kinds),
            ("vocabulary", self.vocabulary.digest(), features.vocabulary.digest()),
            ("extra columns", self.extra, features.extra_columns),
        ):
            if expected != got:
                raise InputError(f"{name}: expected features with the {what} of the model, {expected}, got {got}")


@dataclass(frozen=True)
class Pooled:
    """Candidates of n boxes, of all views of them together.

    Attributes:
        candidates: (m,) class numbers, each box's in ascending order.
        offsets: (n + 1,) where each box's candidates begin.
        probability: (m,) float32 of each.
    """

    candidates: NDArray[np.int32]
    offsets: NDArray[np.int64]
    probability: NDArray[np.float32]

    def choose(self, decision: Decision) -> Choice:
        """Return the best candidate of each box."""
        if len(self.offsets) == 1:
            return Choice(*2 * (np.zeros(0, np.int32), np.zeros(0, np.float32)))
        return choose(self.candidates, self.offsets, self.probability, decision)

    def table(self, boxes: Features, pages: Sequence[str]) -> Detailed:
        """Return a detailed table: the best `N_KEPT` candidates of each box, log probabilities as logits.

        Args:
            boxes: Any of the views.
            pages: All pages.
        """
        k = min(int(np.diff(self.offsets).min(initial=N_KEPT)), N_KEPT)
        classes, logits = best_candidates(self.candidates, self.offsets, self.probability, k)
        return Detailed(boxes.boxes, classes, logits, boxes.vocabulary, tuple(pages))


def apply_model(model: Level2Model, views: Sequence[Features]) -> Choice:
    """Return what the models of all folds read together in boxes that none of them has seen; see `pool`."""
    return pool(model, views).choose(model.decision)


def pool(model: Level2Model, views: Sequence[Features]) -> Pooled:
    """Return the candidates of boxes that no model has seen, with their probabilities.

    Each model looks at each view, and all probabilities are averaged; a candidate that a view lacks has none there.
    The language is that of all training pages: no truth of these boxes is in it.

    Args:
        model: The models.
        views: Of the same boxes, on whole pages, in the same order.
    """
    size, n = len(model.vocabulary), len(views[0])
    if not n:
        return Pooled(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.float32))
    keys = np.concatenate([view.box_of_candidate * size + view.candidates for view in views])
    probability = np.concatenate([_probability(model, view) for view in views]) / len(views)
    every, place = np.unique(keys, return_inverse=True)
    pooled = np.bincount(place, probability, len(every)).astype(np.float32)
    offsets = np.searchsorted(every, np.arange(n + 1) * size).astype(np.int64)
    return Pooled((every % size).astype(np.int32), offsets, pooled)


def _probability(model: Level2Model, features: Features) -> NDArray[np.float32]:
    """Return the mean over the folds' models of the probability of each candidate (m,), some pages at a time."""
    page, _ = pd.factorize(features.boxes["image_id"])
    order = np.argsort(page, kind="stable")
    chunk = np.cumsum(np.bincount(page))[page[order]] // _CHUNK_BOXES
    mean = np.zeros(len(features.candidates), np.float32)
    for rows in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
        part = features.take(rows)
        source = source_of(part, model.feature_set, model.language)
        chosen = members(features.offsets, rows)
        for fold in model.folds:
            scores = list(fold_scores(fold, source, ()).values())
            mean[chosen] += mean_probability(scores, part.offsets, model.objective) / len(model.folds)
    return mean
