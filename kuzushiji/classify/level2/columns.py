"""The table of level 2: one row per box and candidate, as columns of numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2 import ngrams
from kuzushiji.classify.level2.config import REFERENCE
from kuzushiji.classify.level2.context import BOX_FEATURES, Context, best_classes, blended_logits, context_of
from kuzushiji.classify.level2.ngrams import NGrams
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.ragged import best_of_group, best_of_others, group_max, spread


@dataclass(frozen=True)
class Table:
    """Rows of n boxes with m candidates.

    Attributes:
        names: Of the columns.
        values: (m, columns) float32; NaN where something is not known.
        offsets: (n + 1,) int64, where each box's rows begin.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one column (m,)."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True)
class ColumnSource:
    """The data from which the rows of some pages are made.

    Attributes:
        features: Of whole pages.
        context: Of the same boxes; None for the reference's columns.
        language: None for the reference's columns.
    """

    features: Features
    context: Context | None
    language: NGrams | None

    def take(self, rows: NDArray[np.int64]) -> "ColumnSource":
        """Return the source of the boxes at `rows`."""
        context = None if self.context is None else self.context.take(self.features.offsets, rows)
        return replace(self, features=self.features.take(rows), context=context)

    def keep(self, kept: NDArray[np.bool_]) -> "ColumnSource":
        """Return the source of the same boxes with those candidates (m,) only."""
        context = None if self.context is None else self.context.keep(kept)
        return replace(self, features=self.features.keep(kept), context=context)

    def table(self, leave_out: Collection[int] = ()) -> Table:
        """Return the rows of all boxes.

        Args:
            leave_out: Folds whose labels are not used for the language columns.
        """
        if self.context is None:
            return reference_table(self.features)
        columns = _Columns(len(self.features.candidates))
        _add_models(columns, self.features)
        _add_blend(columns, self.features)
        box = self.features.box_of_candidate
        for k, name in enumerate(BOX_FEATURES):
            columns.add(f"box_{name}", self.context.geometry[box, k])
        self._add_page_and_language(columns, self.context, leave_out)
        _add_extra(columns, self.features)
        return columns.table(self.features.offsets)

    def linear_table(self, leave_out: Collection[int] = ()) -> Table:
        """Return the rows with only the columns that a linear model uses."""
        assert self.context is not None, "the reference's columns have no linear model"
        columns = _Columns(len(self.features.candidates))
        for g in range(self.features.n_groups):
            columns.add(f"group{g}_logit", self.features.candidate_logits[:, g])
        columns.add("votes", _votes(self.features))
        columns.add("is_seg_fp", self.features.candidates == self.features.vocabulary.seg_fp)
        columns.add("box_overlap", self.features.overlap[self.features.box_of_candidate])
        self._add_page_and_language(columns, self.context, leave_out)
        return columns.table(self.features.offsets)

    def read_as(self, scores: NDArray[np.floating]) -> "ColumnSource":
        """Return the source whose neighbours are read by these scores (m,)."""
        assert self.context is not None, "the reference's columns have no neighbours"
        return replace(self, context=self.context.read_as(self.features, best_classes(self.features, scores)))

    def _add_page_and_language(self, columns: "_Columns", context: Context, leave_out: Collection[int]) -> None:
        columns.add("on_page", context.on_page)
        if self.language is not None:
            _add_language(columns, self.features, context, self.language, leave_out)


def source_of(features: Features, feature_set: str, language: NGrams | None) -> ColumnSource:
    """Return the source for the rows of `feature_set`."""
    if feature_set == REFERENCE:
        return ColumnSource(features, None, None)
    return ColumnSource(features, context_of(features), language)


def column_names(
    feature_set: str,
    n_groups: int,
    top_k: int,
    extra: Sequence[str],
    vocabulary: Vocabulary,
    language: NGrams | None,
) -> tuple[str, ...]:
    """Return the names of the columns of such features, taken from the table of an empty box."""
    nothing = np.zeros(1, np.float32)
    box = {"image_id": "", "box": 0, "x": 0.0, "y": 0.0, "w": 1.0, "h": 1.0}
    features = Features(
        boxes=pd.DataFrame([box]),
        overlap=nothing,
        top_classes=np.full((1, n_groups, top_k), vocabulary.seg_fp, np.int32),
        top_logits=np.zeros((1, n_groups, top_k), np.float32),
        log_sum=np.zeros((1, n_groups), np.float32),
        offsets=np.array([0, 1]),
        candidates=np.full(1, vocabulary.seg_fp, np.int32),
        candidate_logits=np.zeros((1, n_groups), np.float32),
        vocabulary=vocabulary,
        pages=("",),
        groups=((),) * n_groups,
        sources={},
        extra=dict.fromkeys(extra, nothing),
    )
    return source_of(features, feature_set, language).table().names


def reference_table(features: Features) -> Table:
    """Return the rows with the columns of the reference.

    `candidate_cls` (-1 for `seg_fp`), for each group and rank the class (-1 for `seg_fp`), its logit and whether it is
    the candidate, and `box_overlap`.
    """
    seg_fp = features.vocabulary.seg_fp
    box = features.box_of_candidate
    columns = _Columns(len(features.candidates))
    columns.add("candidate_cls", np.where(features.candidates == seg_fp, -1, features.candidates))
    for g in range(features.n_groups):
        for k in range(features.top_k):
            classes = features.top_classes[:, g, k]
            columns.add(f"group{g}_top{k}_cls", np.where(classes == seg_fp, -1, classes)[box])
            columns.add(f"group{g}_top{k}_logit", features.top_logits[box, g, k])
            columns.add(f"group{g}_top{k}_is_candidate", classes[box] == features.candidates)
    columns.add("box_overlap", features.overlap[box])
    _add_extra(columns, features)
    return columns.table(features.offsets)


class _Columns:
    """Columns that are added one by one to a block of memory, each contiguous; the block doubles when it is full."""

    def __init__(self, n_rows: int) -> None:
        self._names: list[str] = []
        self._block = np.empty((48, n_rows), np.float32)

    def add(self, name: str, values: NDArray[np.generic]) -> None:
        if len(self._names) == len(self._block):
            self._block = np.concatenate([self._block, np.empty_like(self._block)])
        self._block[len(self._names)] = values
        self._names.append(name)

    def table(self, offsets: NDArray[np.int64]) -> Table:
        return Table(tuple(self._names), self._block[: len(self._names)].T, offsets)


def _add_models(columns: _Columns, features: Features) -> None:
    """Add each group's log probability of the candidate, and its distance to the best other candidate."""
    box, offsets = features.box_of_candidate, features.offsets
    for g in range(features.n_groups):
        logits = features.candidate_logits[:, g]
        known = np.where(np.isnan(logits), -np.inf, logits)
        columns.add(f"group{g}_log_probability", logits - features.log_sum[box, g])
        with np.errstate(invalid="ignore"):
            lead = known - best_of_others(known, offsets)
        columns.add(f"group{g}_lead", np.where(np.isfinite(lead), lead, np.nan))
        columns.add(f"group{g}_logit", logits)


def _add_blend(columns: _Columns, features: Features) -> None:
    """Add columns of all groups together: the blend, their agreement, and the uncertainty of the box itself."""
    offsets, box = features.offsets, features.box_of_candidate
    blend = blended_logits(features)
    best = best_of_group(blend, offsets)
    top = features.top_classes[:, :, 0]
    log_probabilities = features.candidate_logits - features.log_sum[box]
    known = np.isfinite(log_probabilities)
    lead = blend - best_of_others(blend, offsets)
    lead = np.where(np.isfinite(lead), lead, 50)
    columns.add("blend_logit", blend)
    columns.add("blend_lead", lead)
    columns.add("votes", _votes(features))
    columns.add("known_to", known.sum(axis=1))
    columns.add("worst_log_probability", np.where(known, log_probabilities, 0).min(axis=1))
    columns.add("best_log_probability", np.where(known, log_probabilities, -100).max(axis=1))
    columns.add("is_seg_fp", features.candidates == features.vocabulary.seg_fp)
    columns.add("box_lead", lead[best][box])
    columns.add("box_best_logit", blend[best][box])
    columns.add("box_seg_fp_lead", (blend[offsets[1:] - 1] - blend[best])[box])
    columns.add("box_agreement", (top == features.candidates[best][:, None]).sum(axis=1)[box])
    columns.add("box_candidates", np.diff(offsets)[box])
    columns.add("box_overlap", features.overlap[box])


def _votes(features: Features) -> NDArray[np.int64]:
    """Return how many groups have each candidate (m,) as their best class."""
    top = features.top_classes[:, :, 0]
    votes: NDArray[np.int64] = (top[features.box_of_candidate] == features.candidates[:, None]).sum(axis=1)
    return votes


def _add_language(
    columns: _Columns, features: Features, context: Context, language: NGrams, leave_out: Collection[int]
) -> None:
    """Add the candidate's n-gram statistics given its neighbours, from the training labels; NaN for `seg_fp`."""
    box = features.box_of_candidate
    values = language.log_probabilities(features.candidates, box, context.before, context.after, leave_out)
    values[features.candidates == features.vocabulary.seg_fp] = np.nan
    for k, name in enumerate(ngrams.FEATURES):
        columns.add(name, values[:, k])
    after, before = (ngrams.FEATURES.index(f"log_{side}_three") for side in ("after", "before"))
    both = np.nan_to_num(values[:, after] + values[:, before])
    best = spread(group_max(both, features.offsets), features.offsets)
    columns.add("language_lead", np.where(np.isnan(values[:, 0]), np.nan, both - best))


def _add_extra(columns: _Columns, features: Features) -> None:
    """Add the columns of optional stages."""
    for name, values in features.extra.items():
        columns.add(name, values)
