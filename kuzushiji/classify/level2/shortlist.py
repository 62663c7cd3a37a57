"""Reading a page before boosting: a linear model picks each box's likely candidates and reads the neighbours.

Many candidates make it likely that the truth is among them, and few that boosting is fast and learns what matters. So
the long list is cut: first what the blend rules out, then what a linear model with the language rules out. And the
language says the more of a candidate the better its neighbours are read, so they are read several times.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.classify.level2.columns import ColumnSource, Table
from kuzushiji.classify.level2.context import blended_logits
from kuzushiji.classify.level2.linear_start import ENOUGH_BOXES, LinearStart, fit_linear_start
from kuzushiji.ragged import group_max, members, offsets_of, softmax

N_READINGS = 3
"""On the demo's pages, out of fold, the linear model alone: F1 0.8702, 0.8780, 0.8799 after 1, 2, 3 readings, and no
more after 5."""

_BLEND_RULES_OUT = 1e-4
"""Probability below which the blend rules a candidate out. Of the 20 best of four kinds of models on the demo's pages,
this leaves two thirds of the rows, and all but 5 of 24,000 characters keep the truth."""

_READER_RULES_OUT = 1e-3
"""The same for the first reading: 8 candidates a box are left of 34, 99.6 % of the characters keep the truth. At the
competition's size (synthetic tables) it is 2 of 10, and all keep it."""

_RULED_OUT = 14.0
"""By how much the score of what was ruled out is below the box's best: a probability of at most 1e-6."""


@dataclass(frozen=True)
class Shortlist:
    """Boxes of whole pages with their likely candidates and the predictions of their neighbours.

    Attributes:
        source: The boxes with the candidates that are left.
        kept: (m,) bool, which of the candidates that is.
    """

    source: ColumnSource
    kept: NDArray[np.bool_]

    def keep(self, likely: NDArray[np.bool_]) -> "Shortlist":
        """Return the shortlist with those of its candidates only."""
        kept = self.kept.copy()
        kept[self.kept] = likely
        return Shortlist(self.source.keep(likely), kept)

    def target(self, target: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the candidates that are left are right, given that (m,) of all."""
        return one_of_each(target[self.kept], self.source.features.offsets)

    def spread(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of all candidates (m,): far below the box's best for those that were ruled out."""
        best = group_max(scores, self.source.features.offsets)
        every: NDArray[np.float32] = np.empty(len(self.kept), np.float32)
        every[self.kept] = scores
        box = np.cumsum(self._begins()) - 1
        every[~self.kept] = best[box[~self.kept]] - _RULED_OUT
        return every

    def _begins(self) -> NDArray[np.bool_]:
        """Return where among all candidates (m,) a box begins: after each `seg_fp`, which is always kept."""
        last = np.flatnonzero(self.kept)[self.source.features.offsets[1:] - 1]
        begins = np.zeros(len(self.kept), np.bool_)
        begins[:1] = True
        begins[last[:-1] + 1] = True
        return begins


def one_of_each(right: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return `right` with the last candidate of a box, `seg_fp`, right where none is."""
    whole: NDArray[np.bool_] = right.copy()
    missed = ~np.logical_or.reduceat(right, offsets[:-1]) if len(right) else right
    whole[offsets[1:][missed] - 1] = True
    return whole


def unread(source: ColumnSource) -> Shortlist:
    """Return all candidates, with the neighbours of the source."""
    return Shortlist(source, np.ones(len(source.features.candidates), np.bool_))


def read(source: ColumnSource, readers: tuple[LinearStart, ...], leave_out: Collection[int]) -> Shortlist:
    """Return what the readers make of boxes on whole pages; all of it as it is where there are no readers.

    Args:
        source: The boxes.
        readers: One a reading.
        leave_out: Folds whose truth is not looked at for the language's columns.
    """
    if not readers:
        return unread(source)
    shortlist = _without_what_the_blend_rules_out(source)
    for number, reader in enumerate(readers):
        shortlist = _read_once(shortlist, reader, leave_out, first=number == 0)
    return shortlist


def fit_readers(
    sources: Mapping[int, ColumnSource],
    targets: Mapping[int, NDArray[np.bool_]],
    leave_out: Mapping[int, Collection[int]],
    n_readings: int = N_READINGS,
) -> tuple[tuple[LinearStart, ...], dict[int, Shortlist]]:
    """Return the readers that fit the boxes of some folds, and what they read there.

    Args:
        sources: The boxes of each fold.
        targets: The right candidates of each fold.
        leave_out: Folds whose truth is not looked at for the language's columns of each fold.
        n_readings: How often they are read.
    """
    shortlists = {number: _without_what_the_blend_rules_out(source) for number, source in sources.items()}
    step = -(-sum(len(source.features) for source in sources.values()) // ENOUGH_BOXES) or 1
    readers = []
    for number in range(n_readings):
        tables, rights = {}, {}
        for fold, shortlist in shortlists.items():
            features = shortlist.source.features
            some = np.arange(0, len(features), step)
            tables[fold] = shortlist.source.take(some).linear_table(leave_out[fold])
            rights[fold] = shortlist.target(targets[fold])[members(features.offsets, some)]
        readers.append(fit_linear_start(*joined(tables, rights)))
        shortlists = {
            fold: _read_once(shortlist, readers[-1], leave_out[fold], first=number == 0)
            for fold, shortlist in shortlists.items()
        }
    return tuple(readers), shortlists


def joined(tables: Mapping[int, Table], targets: Mapping[int, NDArray[np.bool_]]) -> tuple[Table, NDArray[np.bool_]]:
    """Return the rows of several folds as one table, and which of them are right."""
    table = Table(
        next(iter(tables.values())).names,
        np.concatenate([part.values for part in tables.values()]),
        offsets_of(np.concatenate([np.diff(part.offsets) for part in tables.values()])),
    )
    return table, np.concatenate([targets[number] for number in tables])


def _without_what_the_blend_rules_out(source: ColumnSource) -> Shortlist:
    features = source.features
    likely = softmax(blended_logits(features), features.offsets) >= _BLEND_RULES_OUT
    return unread(source).keep(_with_seg_fp(likely, features.offsets))


def _read_once(shortlist: Shortlist, reader: LinearStart, leave_out: Collection[int], *, first: bool) -> Shortlist:
    scores = reader.scores(shortlist.source.linear_table(leave_out))
    if first:
        offsets = shortlist.source.features.offsets
        likely = _with_seg_fp(softmax(scores, offsets) >= _READER_RULES_OUT, offsets)
        shortlist, scores = shortlist.keep(likely), scores[likely]
    return Shortlist(shortlist.source.read_as(scores), shortlist.kept)


def _with_seg_fp(likely: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the mask with the last candidate of each box in it."""
    likely[offsets[1:] - 1] = True
    return likely
