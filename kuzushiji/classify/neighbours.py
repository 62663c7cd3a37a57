"""Cosine nearest neighbours in blocks: matrix products, and the best of each class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kuzushiji.artifacts.features import Features
from kuzushiji.ragged import members as members_of


@dataclass(frozen=True)
class Gallery:
    """Characters that are known, class after class.

    Attributes:
        vectors: (n, d) float32 of length 1, ordered by class.
        classes: (c,) int32, the classes that occur, ascending.
        starts: (c,) int64, where each begins.
    """

    vectors: NDArray[np.float32]
    classes: NDArray[np.int32]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.floating], classes: NDArray[np.int32]) -> "Gallery":
        """Return the gallery of n characters with these features (n, d) and class numbers (n,)."""
        order = np.argsort(classes, kind="stable")
        found, starts = np.unique(classes[order], return_index=True)
        return cls(of_length_1(values[order]), found, starts.astype(np.int64))

    @property
    def class_of(self) -> NDArray[np.int64]:
        """(n,) position in `classes` of each character's class."""
        return np.repeat(np.arange(len(self.classes)), np.diff(np.append(self.starts, len(self.vectors))))


def of_length_1(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the rows (n, d) scaled to length 1; rows of zeros stay so."""
    rows = values.astype(np.float32)
    scaled: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    return scaled


def columns_of(
    queries: NDArray[np.floating], gallery: Gallery, features: Features, n_neighbours: int, block: int
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int32]]:
    """Return what the gallery says of each candidate, and the class of the most similar character of each box.

    Args:
        queries: (n, d) of the boxes of `features`.
        gallery: At least one character.
        features: n boxes with m candidates.
        n_neighbours: That vote; fewer where the gallery has fewer.
        block: Boxes at a time: memory is that of `block` rows of the gallery's length.

    Returns:
        Columns (m,): `similarity`, the largest cosine with a character of the class, -1 to 1; `lead`, by how much it
        is above that of the best other class; `votes`, the class's share of the nearest neighbours, 0 to 1. NaN for
        classes that the gallery lacks (`votes`: 0). And (n,) class numbers.
    """
    n, m = len(queries), len(features.candidates)
    similarity, lead = np.full((2, m), np.nan, np.float32)
    votes = np.zeros(m, np.float32)
    nearest = np.zeros(n, np.int32)
    k, class_of = min(n_neighbours, len(gallery.vectors)), gallery.class_of
    for start in range(0, n, block):
        rows = np.arange(start, min(start + block, n))
        cosine = of_length_1(queries[rows]) @ gallery.vectors.T
        best = np.maximum.reduceat(cosine, gallery.starts, axis=1)
        near = class_of[np.argpartition(cosine, -k, axis=1)[:, -k:]]
        shares = _shares(near, len(gallery.classes))
        nearest[rows] = gallery.classes[best.argmax(axis=1)]
        chosen = members_of(features.offsets, rows)
        box = np.repeat(np.arange(len(rows)), np.diff(features.offsets)[rows])
        place = np.minimum(np.searchsorted(gallery.classes, features.candidates[chosen]), len(gallery.classes) - 1)
        known = gallery.classes[place] == features.candidates[chosen]
        box, place, chosen = box[known], place[known], chosen[known]
        similarity[chosen] = best[box, place]
        lead[chosen] = best[box, place] - _best_of_others(best)[box, place]
        votes[chosen] = shares[box, place]
    return {"similarity": similarity, "lead": lead, "votes": votes}, nearest


def _shares(near: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Return (n, n_classes) how often each class is in the rows of (n, k), as a share."""
    n, k = near.shape
    keys = np.arange(n)[:, None] * n_classes + near
    shares: NDArray[np.float32] = (np.bincount(keys.reshape(-1), minlength=n * n_classes) / k).astype(np.float32)
    return shares.reshape(n, n_classes)


def _best_of_others(best: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each column of (n, c) the largest of the others in its row; -1, the least cosine, for a single one."""
    if best.shape[1] == 1:
        return np.full_like(best, -1)
    second, first = np.partition(best, -2, axis=1)[:, -2:].T
    others: NDArray[np.float32] = np.where(best == first[:, None], second[:, None], first[:, None])
    return others
