# PYTHON_ARGCOMPLETE_OK
"""Nearest neighbours among the training characters: `python -m kuzushiji.classify.knn FEATURES OUT`.

Similarity is the cosine between what the head's last layer sees of two boxes (`--save-features 1` of
`python -m kuzushiji.classify`).
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji import cli
from kuzushiji.classify.extra_columns import ExtraColumns, ExtraColumnsConfig
from kuzushiji.errors import InputError
from kuzushiji.options import again, option
from kuzushiji.stage import Facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts.features import Features
    from kuzushiji.artifacts.head_features import HeadFeatures
    from kuzushiji.classify.extra_columns import Columns


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
        from kuzushiji.classify.neighbours import Gallery, columns_of

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
    from kuzushiji.artifacts.detailed import vocabulary_difference

    for path, seen in ((config.queries, queries), (config.gallery, gallery)):
        if seen.vocabulary != features.vocabulary:
            raise InputError(vocabulary_difference(str(path), features.vocabulary, seen.vocabulary))
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
