# PYTHON_ARGCOMPLETE_OK
"""A small language model of characters in reading order: `python -m kuzushiji.lm FEATURES OUT`.

Counts of up to four characters in the training truth, longer contexts drawn towards the shorter ones. Level 2 has such
columns by itself, with the neighbours as a linear model reads them; here they can be read by anything, such as level 2.
"""

import dataclasses
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kuzushiji import cli
from kuzushiji.artifacts import PredictedCharacters
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.context import context_of
from kuzushiji.classify.level2.extra_columns import ExtraColumns, ExtraColumnsConfig
from kuzushiji.classify.level2.ngrams import FEATURES, NGrams
from kuzushiji.errors import InputError
from kuzushiji.options import data_root_option, option
from kuzushiji.ragged import best_of_others, members
from kuzushiji.stage import Facts
from kuzushiji.terminal import format_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts.features import Features
    from kuzushiji.classify.level2.extra_columns import Columns
    from kuzushiji.data.paths import DataRoot


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(ExtraColumnsConfig):
    """What the command line asks for."""

    read_as: Path | None = option(
        None, "table whose best classes are the neighbours, such as oof.parquet of a trained level 2 and, of the test "
        "pages, what goes with its submission (submission_detailed.parquet); else the blend of the features",
        metavar="DETAILED",
    )  # fmt: skip
    n_folds: int | None = option(
        None, "folds, by book; the truth of a page's own fold is not used. Without it those of the classifiers whose "
        "tables the features are of", type=cli.positive_int,
    )  # fmt: skip
    name: str = "lm"
    data_root: Path | None = data_root_option("train.csv")

    def __post_init__(self) -> None:
        if self.n_folds is not None and self.n_folds < 2:
            raise InputError(f"expected --n-folds of at least 2, got {self.n_folds}")


class LanguageModel(ExtraColumns):
    """Count which characters follow each other in the training truth, and say how probable each candidate is.

    Prints the perplexity of each fold's text given the other folds', and writes extra columns for level2: how probable
    a candidate is between its neighbours.
    """

    name = "lm"
    config: LanguageModelConfig

    @cached_property
    def root(self) -> "DataRoot":
        """The data root, whose training truth is counted."""
        from kuzushiji.data.paths import DataRoot

        return DataRoot.find(self.config.data_root)

    @cached_property
    def n_folds(self) -> int:
        """The number of folds."""
        return n_folds_of_run(self.config)

    @cached_property
    def split(self) -> str:
        """What the folds divide."""
        from kuzushiji.classify.given_tables import split_of

        return split_of(classifier_tables(self.config))

    def parameters(self) -> dict[str, Any]:
        """Return the config's, with the folds wherever they come from."""
        return {**super().parameters(), "n_folds": self.n_folds, "split": self.split}

    def inputs(self) -> list[Path]:
        """Return the features, the training truth and the table of neighbours."""
        return [self.config.features, self.root.train_csv, *filter(None, [self.config.read_as])]

    def columns(self, features: "Features") -> "tuple[Columns, Facts]":
        """Return the columns, and the perplexities by fold and number of characters counted together."""
        from kuzushiji.classify.level2.ngrams import count_all, perplexities, texts_of_folds
        from kuzushiji.data.folds import fold_of_pages
        from kuzushiji.data.labels import read_page_labels

        train_csv = self.root.train_csv
        truth = read_page_labels(train_csv)
        folds = fold_of_pages(truth.image_ids, self.n_folds, self.split)
        texts = texts_of_folds(truth, folds, self.n_folds, features.vocabulary, str(train_csv))
        language = count_all(texts, len(features.vocabulary))
        found = [perplexities(language, text, {fold}) for fold, text in enumerate(texts)]
        fold_of_page = dict(zip(truth.image_ids, folds.tolist(), strict=True))
        columns = columns_of(features, classes_read(self.config, features, self.root), language, fold_of_page)
        known = [[None if math.isnan(value) else value for value in values] for values in found]
        return columns, {"perplexity": known}

    def show(self, facts: Facts) -> None:
        """Print the perplexities."""
        if self.config.json:
            super().show(facts)
            return
        found = facts["perplexity"]
        print("perplexity of a fold's text given the others', by the number of characters counted together")
        rows = (
            [str(fold), *(None if value is None else f"{value:.1f}" for value in values)]
            for fold, values in enumerate(found)
        )
        print(format_table(["fold", *map(str, range(1, len(found[0]) + 1))], rows, to_left=["fold"]))


def n_folds_of_run(config: LanguageModelConfig) -> int:
    """Return the number of folds: that of the classifiers whose tables the features are of, where it is known.

    Raises:
        InputError: it is not known and not given, or given as another, with which a page's own truth would count.
    """
    from kuzushiji.classify.given_tables import n_folds_of

    n_folds = n_folds_of(classifier_tables(config), config.n_folds)
    if n_folds is None:
        raise InputError(f"{config.features}: expected --n-folds, no params.json beside the classifiers' tables has it")
    return n_folds


def classifier_tables(config: LanguageModelConfig) -> list[Path]:
    """Return the classifiers' tables that the features are of."""
    from kuzushiji.artifacts.features import read_groups

    return [Path(name) for group in read_groups(config.features) for name in group]


def classes_read(config: LanguageModelConfig, features: "Features", root: "DataRoot") -> "NDArray[np.int32]":
    """Return the classes (n,) as which the boxes are read where they are neighbours.

    Raises:
        InputError: the table of `--read-as` is not of the same boxes or vocabulary.
    """
    from kuzushiji.artifacts import read_characters, read_detailed, rows_in_order_of
    from kuzushiji.artifacts.detailed_files import is_text
    from kuzushiji.artifacts.parquet import kind_of
    from kuzushiji.artifacts.predicted_characters import KIND as CHARACTERS
    from kuzushiji.classify.level2.context import best_classes, blended_logits

    if config.read_as is None:
        return best_classes(features, blended_logits(features))
    if not is_text(config.read_as) and kind_of(config.read_as) == CHARACTERS:
        return classes_of(read_characters(config.read_as), features, str(config.read_as))
    table = read_detailed(config.read_as, top_k=1, data_root=root)
    features.vocabulary.check_same(table.vocabulary, config.read_as)
    wanted = table.take(table.boxes["image_id"].isin(set(features.boxes["image_id"])).to_numpy())
    rows = rows_in_order_of(features.boxes, wanted.boxes, str(config.read_as), str(config.features))
    return wanted.classes[:, 0] if rows is None else wanted.classes[rows, 0]


main = LanguageModel.main

if __name__ == "__main__":
    cli.run(main)


def columns_of(
    features: Features, best: NDArray[np.int32], language: NGrams, fold_of_page: Mapping[str, int]
) -> dict[str, NDArray[np.float32]]:
    """Return what the language says of each candidate (m,); the truth of a training page's own fold is not used.

    Args:
        features: Boxes of whole pages.
        best: (n,) class as which each is read where it is a neighbour.
        language: Counts of the training truth.
        fold_of_page: Of training pages; for pages that are not in it all folds count.

    Returns:
        `before` and `after`: log probability given the characters before and after it; `lead`: by how much both
        together are above those of the best other candidate. NaN for `seg_fp`.
    """
    context = context_of(features).read_as(features, best)
    folds = features.boxes["image_id"].map(fold_of_page).fillna(-1).to_numpy(np.int64)
    values = np.zeros((len(features.candidates), len(FEATURES)), np.float32)
    for fold in np.unique(folds).tolist():
        rows = np.flatnonzero(folds == fold)
        chosen = members(features.offsets, rows)
        box = np.repeat(np.arange(len(rows)), np.diff(features.offsets)[rows])
        around = context.before[rows], context.after[rows]
        values[chosen] = language.log_probabilities(features.candidates[chosen], box, *around, {fold} - {-1})
    seg_fp = features.candidates == features.vocabulary.seg_fp
    frequency = values[:, 0]
    # What comes after three characters is told by those before it, and the other way round.
    before, after = values[:, FEATURES.index("log_after_three")], values[:, FEATURES.index("log_before_three")]
    both = np.where(seg_fp, -np.inf, frequency + before + after)
    others = best_of_others(both, features.offsets)
    lead = np.where(np.isfinite(others) & ~seg_fp, both - np.where(np.isfinite(others), others, 0), np.nan)
    columns = {"before": frequency + before, "after": frequency + after}
    columns = {name: np.where(seg_fp, np.nan, column) for name, column in columns.items()}
    return {name: column.astype(np.float32) for name, column in {**columns, "lead": lead}.items()}


def classes_of(characters: PredictedCharacters, features: Features, name: str) -> NDArray[np.int32]:
    """Return the class (n,) as which each box of the features was read; boxes that are no character are `seg_fp`.

    Args:
        characters: What was read, such as what goes with a submission.
        features: n boxes, of some of these pages.
        name: What messages call the characters.

    Raises:
        InputError: a page was not read, or a character is not of the features' boxes.
    """
    keys = ["image_id", "box", "x", "y"]
    unread = sorted({*features.boxes["image_id"]} - {*characters.pages})
    if unread:
        raise InputError(f"{name}: expected the pages of the features, got no page {unread[0]}")
    rows = characters.rows[characters.rows["image_id"].isin({*features.boxes["image_id"]})]
    places = pd.MultiIndex.from_frame(features.boxes[keys]).get_indexer(pd.MultiIndex.from_frame(rows[keys]))
    if (places < 0).any():
        row = rows.iloc[int(np.argmax(places < 0))]
        where = f"{name}, page {row['image_id']}, box {row['box']}"
        raise InputError(f"{where}: expected a box as in the features, got none or another place")
    classes = np.full(len(features), features.vocabulary.seg_fp, np.int32)
    classes[places] = features.vocabulary.encode(rows["code"], name)
    return classes
