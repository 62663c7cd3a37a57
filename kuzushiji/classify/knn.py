# PYTHON_ARGCOMPLETE_OK
"""Nearest neighbours among the training characters: `python -m kuzushiji.classify.knn FEATURES OUT`.

Similarities are cosines, computed in blocks as matrix products; of each class the best one counts.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kuzushiji import cli
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.extra_columns import ExtraColumns, ExtraColumnsConfig
from kuzushiji.errors import InputError
from kuzushiji.options import again, option
from kuzushiji.ragged import members as members_of
from kuzushiji.stage import Facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts.features import Features
    from kuzushiji.artifacts.head_features import HeadFeatures
    from kuzushiji.classify.level2.extra_columns import Columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnnConfig(ExtraColumnsConfig):
    """What the command line asks for."""

    queries: Path = option(
        dataclasses.MISSING, "head features of the same boxes (head_features.parquet, test_head_features.parquet)",
        metavar="HEAD_FEATURES", type=Path,
    )  # fmt: skip
    gallery: Path = option(
        dataclasses.MISSING, "head features of the characters to compare with, of the same model "
        "(train_head_features.parquet)", metavar="HEAD_FEATURES", type=Path,
    )  # fmt: skip
    neighbours: int = option(20, "nearest neighbours that vote", type=cli.positive_int)
    name: str = again("knn", help="what the columns' names begin with; another for each model")
    block: int = option(1024, "boxes at a time", type=cli.positive_int, changes_result=False)


class Knn(ExtraColumns):
    """Compare each box with all training characters of other folds.

    Writes extra columns for level2: for each candidate of a box how similar the most similar character is, how far it
    leads the best of another class, and its share of the votes of the nearest neighbours.
    """

    name = "classify.knn"
    config: KnnConfig

    def inputs(self) -> list[Path]:
        """Return the features of level 2 and the head features of boxes and training characters."""
        return [self.config.features, self.config.queries, self.config.gallery]

    def columns(self, features: "Features") -> "tuple[Columns, Facts]":
        """Return the columns, and how often the nearest neighbour is right, where that is known."""
        from kuzushiji.artifacts.head_features import read_head_features

        config = self.config
        queries, gallery = read_head_features(config.queries), read_head_features(config.gallery)
        values = queries.vectors[check_fit(features, queries, gallery, config)]
        known = Gallery.of(gallery.vectors, gallery.vocabulary.encode(gallery.boxes["true"], str(config.gallery)))
        columns, nearest = columns_of(values, known, features, config.neighbours, config.block)
        truth = features.vocabulary.encode(features.boxes["true"], str(config.features))
        of_characters = truth != features.vocabulary.seg_fp
        facts: Facts = {"boxes": len(features), "gallery": len(gallery)}
        if of_characters.any():
            facts["nearest_right"] = float((nearest == truth)[of_characters].mean())
        return columns, facts


def check_fit(
    features: "Features", queries: "HeadFeatures", gallery: "HeadFeatures", config: KnnConfig
) -> "NDArray[np.intp]":
    """Return where in the queries each box of the features stands.

    Raises:
        InputError: other boxes, another vocabulary or another model, a gallery without characters, or one that has
            pages that are to be read: their truth would be known.
    """
    import numpy as np

    from kuzushiji.artifacts import rows_in_order_of

    for path, seen in ((config.queries, queries), (config.gallery, gallery)):
        features.vocabulary.check_same(seen.vocabulary, path)
    if queries.vectors.shape[1] != gallery.vectors.shape[1]:
        raise InputError(
            f"{config.gallery}: expected {queries.vectors.shape[1]} features a box as in {config.queries}, "
            f"got {gallery.vectors.shape[1]}"
        )
    if not len(gallery):
        raise InputError(f"{config.gallery}: expected characters to compare with, got none")
    common = sorted(set(gallery.boxes["image_id"]) & set(queries.boxes["image_id"]))
    if common:
        raise InputError(f"{config.gallery}: expected other pages than those to read, got page {common[0]}")
    rows = rows_in_order_of(features.boxes, queries.boxes, str(config.queries), str(config.features))
    return np.arange(len(features)) if rows is None else rows


main = Knn.main

if __name__ == "__main__":
    cli.run(main)


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
