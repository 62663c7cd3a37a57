"""Variants of level 2 for `level2_ablation.py`: the boxes of a run, ways to train on them, and training."""

import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from kuzushiji.artifacts import read_detailed
from kuzushiji.artifacts.features import Features
from kuzushiji.classify.level2.boosting import REFERENCE_POSITIVE_WEIGHT, Recipe
from kuzushiji.classify.level2.candidates import build_features
from kuzushiji.classify.level2.choice import Decision
from kuzushiji.classify.level2.columns import ColumnSource, Table, source_of
from kuzushiji.classify.level2.config import BINARY, EXTENDED, LIGHTGBM, RANKING, REFERENCE, SOFTMAX, XGBOOST
from kuzushiji.classify.level2.context import BOX_FEATURES, best_classes, blended_logits, share_of_group
from kuzushiji.classify.level2.cross_fitting import FoldResult, Level2Training, target_rows, train_across_folds
from kuzushiji.classify.level2.model import Level2Model
from kuzushiji.classify.level2.ngrams import FEATURES as LANGUAGE
from kuzushiji.classify.level2.ngrams import NGrams, count_ngrams
from kuzushiji.classify.level2.shortlist import N_READINGS
from kuzushiji.classify.level2.tables import true_classes
from kuzushiji.data.folds import book_id, fold_of_pages
from kuzushiji.data.labels import PageLabels, read_page_labels

LANGUAGE_COLUMNS = (*LANGUAGE, "language_lead")
AGREEMENT_COLUMNS = ("votes", "known_to", "box_agreement", "worst_log_probability", "best_log_probability")
GEOMETRY_COLUMNS = tuple(f"box_{name}" for name in BOX_FEATURES)
LEAD_COLUMNS = ("blend_lead", "box_lead", "box_seg_fp_lead", *(f"group{g}_lead" for g in range(9)))
ROUNDS, PATIENCE, LR, ETA, MAX_ROWS = 200, 20, 0.05, 0.15, 800_000


@dataclass(frozen=True)
class Changed(ColumnSource):
    """A source without some of its columns, and with classes as whole numbers from 0 on where they are categorical."""

    without: frozenset[str] = frozenset()
    categorical: bool = False

    def table(self, leave_out: Collection[int] = ()) -> Table:
        """Return the rows as they are to be."""
        return self._change(super().table(leave_out))

    def linear_table(self, leave_out: Collection[int] = ()) -> Table:
        """Return the rows of the linear model as they are to be."""
        return self._change(super().linear_table(leave_out))

    def _change(self, table: Table) -> Table:
        kept = [i for i, name in enumerate(table.names) if name not in self.without]
        names, rows = tuple(table.names[i] for i in kept), table.values[:, kept]  # noqa: PD011
        if self.categorical:
            for i in (i for i, name in enumerate(names) if is_class(name)):
                rows[:, i] = np.where(rows[:, i] < 0, np.nan, rows[:, i])
        return Table(names, rows, table.offsets)


def is_class(name: str) -> bool:
    """Return whether a column's numbers are classes."""
    return name.endswith("_cls")


@dataclass(frozen=True)
class Run:
    """The boxes of one run: of the training pages by fold, and of the test pages as each fold's models see them."""

    folder: Path
    features: dict[int, Features]
    test: dict[int, Features]
    labels: PageLabels
    truth: PageLabels
    test_truth: PageLabels
    fold_of_page: np.ndarray
    language: NGrams


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        features: Which columns.
        objective: Of boosting.
        readings: How often a linear model reads the pages before.
        without: Names of columns that are left out.
        categorical: Whether columns of classes are split by sets of classes.
        top_k: Best classes of each kind of models that are candidates; all that were read where it is None.
        extra: What adds columns to the boxes of a run.
    """

    features: str = EXTENDED
    objective: str = SOFTMAX
    readings: int = N_READINGS
    without: tuple[str, ...] = ()
    categorical: bool = False
    top_k: int | None = None
    extra: Callable[[Run], Run] | None = None

    @property
    def changes_columns(self) -> bool:
        """Whether models see other columns than `apply_model` would show them on test pages."""
        return bool(self.without) or self.categorical


@dataclass(frozen=True)
class Machine:
    """What trains.

    Attributes:
        libraries: Of boosting; the mean of their probabilities decides.
        threads: Of all of them together.
    """

    libraries: tuple[str, ...]
    threads: int


def with_book(run: Run) -> Run:
    """Add how often a candidate is the best class of its book's other boxes."""

    def columns(features: Features) -> dict[str, np.ndarray]:
        book, _ = pd.factorize(features.boxes["image_id"].map(book_id))
        best = best_classes(features, blended_logits(features))
        return {"in_book": share_of_group(features, best, book.astype(np.int64))}

    return with_columns(run, columns)


def with_classes(run: Run) -> Run:
    """Add the number of the candidate and those of each kind's best class, as the reference: -1 for `seg_fp`."""

    def columns(features: Features) -> dict[str, np.ndarray]:
        best = features.top_classes[features.box_of_candidate, :, 0].T
        classes = {"candidate_cls": features.candidates, **{f"group{g}_cls": best[g] for g in range(len(best))}}
        seg_fp = features.vocabulary.seg_fp
        return {name: np.where(of == seg_fp, -1, of).astype(np.float32) for name, of in classes.items()}

    return with_columns(run, columns)


def with_columns(run: Run, columns: Callable[[Features], dict[str, np.ndarray]]) -> Run:
    """Add columns to all boxes of a run, as optional stages do."""

    def add(parts: dict[int, Features]) -> dict[int, Features]:
        return {fold: replace(part, extra=part.extra | columns(part)) for fold, part in parts.items()}

    return replace(run, features=add(run.features), test=add(run.test))


PLAIN = Variant(features=REFERENCE, objective=BINARY, readings=0, top_k=3)
VARIANTS = {
    "reference": PLAIN,
    "reference, categorical": replace(PLAIN, categorical=True),
    "reference, ranking": replace(PLAIN, objective=RANKING),
    "reference, softmax": replace(PLAIN, objective=SOFTMAX),
    "top 3, no reading, binary": Variant(objective=BINARY, readings=0, top_k=3),
    "top 3, no reading": Variant(readings=0, top_k=3),
    "all columns, ranking": Variant(objective=RANKING),
    "all columns, softmax": Variant(),
    "top 5": Variant(top_k=5),
    "one reading": Variant(readings=1),
    "without language": Variant(without=LANGUAGE_COLUMNS),
    "without geometry": Variant(without=GEOMETRY_COLUMNS),
    "without page": Variant(without=("on_page",)),
    "without agreement": Variant(without=AGREEMENT_COLUMNS),
    "without leads": Variant(without=LEAD_COLUMNS),
    "with book": Variant(extra=with_book),
    "with classes": Variant(extra=with_classes),
    "with classes, categorical": Variant(extra=with_classes, categorical=True),
}
"""All but the reference's columns read the pages before boosting, unless `binary`, as the product does."""


def read_run(folder: Path, root: Path, top_k: int) -> Run:
    """Read the tables of a run."""
    found: dict[int, set[str]] = {}
    for path in folder.glob("clf-fold*/detailed.parquet"):
        match = re.fullmatch(r"clf-fold(\d+)(.*)", path.parent.name)
        if match:
            found.setdefault(int(match[1]), set()).add(match[2])
    kinds = sorted(set.intersection(*found.values()))
    names = ", ".join(kind or "first" for kind in kinds)
    print(f"{folder}: {len(found)} folds, kinds {names}", file=sys.stderr, flush=True)

    def read(name: str, fold: int) -> Features:
        tables = [read_detailed(folder / f"clf-fold{fold}{kind}/{name}.parquet") for kind in kinds]
        return build_features(tables, [[kind] for kind in kinds], {}, top_k)

    features = {fold: read("detailed", fold) for fold in sorted(found)}
    labels = read_page_labels(root / "train.csv")
    folds = fold_of_pages(labels.image_ids, len(found))
    return Run(
        folder, features, {fold: read("test_detailed", fold) for fold in sorted(found)}, labels, labels,
        read_page_labels(root / "solution.csv"), folds,
        count_ngrams(labels, folds, len(found), features[0].vocabulary),
    )  # fmt: skip


def narrowed(run: Run, top_k: int) -> Run:
    """Return the run with the `top_k` best classes of each kind as candidates."""

    def narrow(features: Features) -> Features:
        top = features.top_classes[:, :, :top_k]
        kept = features.candidates == features.vocabulary.seg_fp
        of_box = top.reshape(len(features), -1)[features.box_of_candidate]
        kept |= (of_box == features.candidates[:, None]).any(axis=1)
        return replace(features.keep(kept), top_classes=top, top_logits=features.top_logits[:, :, :top_k])

    return replace(
        run, features={k: narrow(part) for k, part in run.features.items()},
        test={k: narrow(part) for k, part in run.test.items()},
    )  # fmt: skip


def training_of(variant: Variant, machine: Machine, names: tuple[str, ...]) -> Level2Training:
    """Return how to train a variant on columns of these names."""
    categorical = tuple(filter(is_class, names)) if variant.categorical else ()
    rates = {LIGHTGBM: LR, XGBOOST: ETA}
    weights = {LIGHTGBM: REFERENCE_POSITIVE_WEIGHT} if variant.objective == BINARY else {}
    recipes = {
        kind: Recipe(
            variant.objective, ROUNDS, PATIENCE, rates[kind], weights.get(kind, 1.0), categorical=categorical
        )
        for kind in machine.libraries
    }  # fmt: skip
    return Level2Training(recipes, variant.readings, MAX_ROWS, 0, machine.threads)


def train(run: Run, variant: Variant, machine: Machine) -> tuple[list[FoldResult], Level2Model]:
    """Train across the folds of a run."""
    language = None if variant.features == REFERENCE else run.language
    sources = {
        fold: Changed(
            **vars(source_of(part, variant.features, language)),
            without=frozenset(variant.without),
            categorical=variant.categorical,
        )
        for fold, part in run.features.items()
    }
    targets = {fold: target_rows(part, true_classes(part)) for fold, part in run.features.items()}
    names = next(iter(sources.values())).take(np.zeros(1, np.int64)).table().names
    results = train_across_folds(sources, targets, training_of(variant, machine, names))
    first = next(iter(run.features.values()))
    return results, Level2Model(
        folds=tuple(result.model for result in results), feature_set=variant.features, columns=names,
        objective=variant.objective, top_k=first.top_k, n_groups=first.n_groups, extra=first.extra_columns,
        vocabulary=first.vocabulary, language=language, decision=Decision(),
    )  # fmt: skip
