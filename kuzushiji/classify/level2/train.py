"""Level 2 on training pages: train across the folds, report, and write the models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji.classify.level2.config import (
    AUTO,
    BINARY,
    EXTENDED,
    LIGHTGBM,
    OF_DECISION,
    REFERENCE,
    REFERENCE_FOLDS,
    STAGE,
    XGBOOST,
    Level2Config,
)
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_folder
from kuzushiji.run_folder import LEVEL2_FILE, LEVEL2_OOF, LEVEL2_RECORD
from kuzushiji.stage import Facts, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts.features import Features
    from kuzushiji.classify.level2.choice import Decision
    from kuzushiji.classify.level2.columns import ColumnSource
    from kuzushiji.classify.level2.cross_fitting import FoldResult, Level2Training
    from kuzushiji.classify.level2.ngrams import NGrams
    from kuzushiji.classify.level2.report import FoldChoices, Level2Report
    from kuzushiji.data.labels import PageLabels
    from kuzushiji.data.paths import DataRoot


class TrainLevel2(Stage):
    """Train across the folds, report, and write the models where a folder for them is given.

    Attributes:
        root: The data root.
    """

    name = STAGE
    config: Level2Config

    def __init__(self, config: Level2Config, root: "DataRoot") -> None:
        super().__init__(config)
        self.root = root

    @cached_property
    def n_folds(self) -> int:
        """The number of folds."""
        from kuzushiji.classify.given_tables import n_folds_of

        return self.config.n_folds or n_folds_of(self.config.tables) or REFERENCE_FOLDS

    @cached_property
    def split(self) -> str:
        """What the folds divide."""
        from kuzushiji.classify.given_tables import split_of

        return split_of(self.config.tables)

    def parameters(self) -> dict[str, Any]:
        """Return the config's parameters, with the number of folds and the split that are used."""
        return {**super().parameters(), "n_folds": self.n_folds, "split": self.split}

    def inputs(self) -> list[Path]:
        """Return the tables and the training truth."""
        from kuzushiji.classify.given_tables import table_inputs

        return [*dict.fromkeys([*table_inputs(self.config.tables, self.root), self.root.train_csv])]

    def outputs(self) -> list[Path]:
        """Return the models and their out-of-fold table; nothing without `--save-model`."""
        from kuzushiji.classify.level2.saving import model_files

        folder, language = self.config.save_model, self.config.features != REFERENCE
        if folder is None:
            return []
        return [*model_files(folder, self.n_folds, self.config.libraries, language=language), folder / LEVEL2_OOF]

    def models(self) -> list[Path]:
        """Return the models, without their table."""
        return [path for path in self.outputs() if path.name != LEVEL2_OOF]

    def places(self) -> list[Path]:
        """Return the models' folder."""
        return [*filter(None, [self.config.save_model])]

    def record_path(self) -> Path:
        """Return the path of the record in the models' folder."""
        return self.outputs()[0].parent / LEVEL2_RECORD

    def run(self) -> Facts:
        """Train; return the scores on pages that were not trained on."""
        from kuzushiji.classify.level2.choice import EVERY_FOLD
        from kuzushiji.classify.level2.cross_fitting import train_across_folds

        config = self.config
        boxes = prepare(config, self.n_folds, self.root, self.split)
        training = training_of(config)
        results = train_across_folds(boxes.sources, boxes.targets, training)
        found = decisions(config, boxes, results)
        choices = choices_of(config, boxes, results, found)
        if config.save_model:
            save(config, config.save_model, boxes, results, choices, found[EVERY_FOLD])
        self.report = report_of(config, boxes, results, choices, found)
        return self.report.facts()

    def show(self, facts: Facts) -> None:
        """Print the report, or the scores as JSON."""
        if self.config.json:
            super().show(facts)
        else:
            print("\n".join(self.report.lines()))


def training_of(config: Level2Config) -> "Level2Training":
    """Return how to train."""
    from kuzushiji.classify.level2.boosting import REFERENCE_POSITIVE_WEIGHT, Recipe
    from kuzushiji.classify.level2.cross_fitting import Level2Training
    from kuzushiji.classify.level2.shortlist import N_READINGS
    from kuzushiji.classify.parallel import n_cores

    rates = {LIGHTGBM: config.lr, XGBOOST: config.eta}
    positive_weight = {LIGHTGBM: REFERENCE_POSITIVE_WEIGHT} if config.objective == BINARY else {}
    recipes = {
        kind: Recipe(
            config.objective, config.num_boost_round, config.early_stop, rates[kind], positive_weight.get(kind, 1.0)
        )
        for kind in config.libraries
    }
    readings = N_READINGS if config.features == EXTENDED and config.objective != BINARY else 0
    return Level2Training(recipes, readings, config.max_rows, config.seed, config.threads or n_cores())


@dataclass(frozen=True)
class Boxes:
    """All boxes of the training pages, by fold, and the pages' labels."""

    features: "dict[int, Features]"
    sources: "dict[int, ColumnSource]"
    classes: "dict[int, NDArray[np.int32]]"
    targets: "dict[int, NDArray[np.bool_]]"
    truth: "PageLabels"
    fold_of_page: "NDArray[np.int32]"
    language: "NGrams | None"


def prepare(config: Level2Config, n_folds: int, root: "DataRoot", split: str = "books") -> Boxes:
    """Read the tables and split them into folds."""
    from kuzushiji.classify.level2.columns import source_of
    from kuzushiji.classify.level2.cross_fitting import target_rows
    from kuzushiji.classify.level2.ngrams import count_ngrams
    from kuzushiji.classify.level2.tables import read_input, split_by_fold, true_classes
    from kuzushiji.data.folds import fold_of_pages
    from kuzushiji.data.labels import read_page_labels

    given = read_input(config.tables, root)
    if len(given.views) > 1:
        raise InputError(f"{config.tables[-1]}: expected each training page in one table of features, got it in two")
    every_box = given.views[0]
    truth = read_page_labels(root.train_csv)
    features, fold_of_page = split_by_fold(every_box, given, truth, root.train_csv, n_folds, split)
    language = None
    if config.features != REFERENCE:
        folds = fold_of_pages(truth.image_ids, n_folds, split)
        language = count_ngrams(truth, folds, n_folds, every_box.vocabulary, str(root.train_csv))
    classes = {fold: true_classes(part) for fold, part in features.items()}
    return Boxes(
        features=features,
        sources={fold: source_of(part, config.features, language) for fold, part in features.items()},
        classes=classes,
        targets={fold: target_rows(part, classes[fold]) for fold, part in features.items()},
        truth=truth.of_pages(given.pages),
        fold_of_page=fold_of_page,
        language=language,
    )


def decisions(config: Level2Config, boxes: Boxes, results: "Sequence[FoldResult]") -> "dict[int, Decision]":
    """Return when a box is no character on each fold, and (`EVERY_FOLD`) on test pages.

    `auto` finds the best value on the other folds for a fold, and on all of them for test pages.
    """
    from kuzushiji.classify.level2.choice import EVERY_FOLD, Decision, mean_probability, tuned

    given = {name: getattr(config, name) for name in OF_DECISION}
    fixed = Decision(**{name: value for name, value in given.items() if value != AUTO})
    probability = {
        result.model.fold: mean_probability(
            list(result.scores.values()), boxes.features[result.model.fold].offsets, config.objective
        )
        for result in results
    }
    found = {}
    for fold in (*boxes.features, EVERY_FOLD):
        others = [number for number in boxes.features if number != fold]
        found[fold] = fixed
        features, classes = [boxes.features[n] for n in others], [boxes.classes[n] for n in others]
        for name in (name for name, value in given.items() if value == AUTO):
            found[fold] = tuned(found[fold], name, features, [probability[number] for number in others], classes)
    return found


def choices_of(
    config: Level2Config, boxes: Boxes, results: "Sequence[FoldResult]", found: "Mapping[int, Decision]"
) -> "dict[int, FoldChoices]":
    """Return the models' out-of-fold predictions of each fold."""
    from kuzushiji.classify.level2.report import fold_choices

    decided = any(getattr(config, name) for name in OF_DECISION)
    return {
        fold: fold_choices(boxes.features[fold], result, config.objective, found[fold] if decided else None)
        for fold, result in ((result.model.fold, result) for result in results)
    }


def report_of(
    config: Level2Config,
    boxes: Boxes,
    results: "Sequence[FoldResult]",
    choices: "dict[int, FoldChoices]",
    found: "dict[int, Decision]",
) -> "Level2Report":
    """Return the out-of-fold scores of the training."""
    from kuzushiji.classify.level2.report import Level2Report, calibration_of_folds, score_folds

    return Level2Report(
        scores=score_folds(boxes.truth, boxes.fold_of_page, boxes.features, choices),
        fit=calibration_of_folds(boxes.features, choices),
        results=results,
        boxes={fold: len(part) for fold, part in boxes.features.items()},
        decisions=found,
        tuned=[name for name in OF_DECISION if getattr(config, name) == AUTO],
    )


def save(
    config: Level2Config,
    folder: Path,
    boxes: Boxes,
    results: "Sequence[FoldResult]",
    choices: "dict[int, FoldChoices]",
    decision: "Decision",
) -> None:
    """Write the models and their out-of-fold predictions: all of it, or nothing.

    Raises:
        InputError: the folder cannot be written to.
    """
    import numpy as np

    from kuzushiji.artifacts import write_detailed
    from kuzushiji.classify.level2.model import Level2Model
    from kuzushiji.classify.level2.saving import save_model
    from kuzushiji.classify.level2.tables import out_of_fold_table
    from kuzushiji.run_folder import kinds_of

    first = next(iter(boxes.features.values()))
    columns = next(iter(boxes.sources.values())).take(np.zeros(1, np.int64)).table().names
    model = Level2Model(
        folds=tuple(result.model for result in results),
        feature_set=config.features,
        columns=columns,
        objective=config.objective,
        top_k=first.top_k,
        n_groups=first.n_groups,
        extra=first.extra_columns,
        vocabulary=first.vocabulary,
        language=boxes.language,
        decision=decision,
        kinds=kinds_of(first.groups),
    )
    probability = [choices[fold].candidates for fold in boxes.features]
    table = out_of_fold_table(list(boxes.features.values()), probability, boxes.truth.image_ids)
    with atomic_folder(folder, last=LEVEL2_FILE) as temporary:
        save_model(temporary, model)
        write_detailed(temporary / LEVEL2_OOF, table)
