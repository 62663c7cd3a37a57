"""What the command of the second level does with training pages: train across the folds, report, write the models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kuzushiji.classify.level2.config import AUTO, OF_DECISION, REFERENCE_FOLDS, STAGE, Config
from kuzushiji.classify.level2.names import BINARY, EXTENDED, LIGHTGBM, REFERENCE, XGBOOST
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_folder
from kuzushiji.options import parameters
from kuzushiji.run_folder import LEVEL2_FILE, LEVEL2_OOF, LEVEL2_RECORD
from kuzushiji.terminal import print_result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kuzushiji.artifacts.features import Features
    from kuzushiji.classify.level2.choice import Decision
    from kuzushiji.classify.level2.columns import Source
    from kuzushiji.classify.level2.report import FoldChoices
    from kuzushiji.classify.level2.training import FoldResult, Training
    from kuzushiji.classify.ngrams import NGrams
    from kuzushiji.data.labels import PageLabels
    from kuzushiji.data.paths import DataRoot
    from kuzushiji.record import StageRecord


def train(config: Config, root: "DataRoot") -> None:
    """Train, report, and write the models, unless that is done."""
    from kuzushiji.classify.folds import n_folds_of
    from kuzushiji.classify.level2.folder import model_files
    from kuzushiji.classify.tables import table_inputs
    from kuzushiji.record import StageRecord

    n_folds = config.n_folds or n_folds_of(config.tables) or REFERENCE_FOLDS
    record = None
    if config.save_model:
        language = config.features != REFERENCE
        files = model_files(config.save_model, n_folds, config.libraries, language=language)
        outputs = [*files, config.save_model / LEVEL2_OOF]
        inputs = [*table_inputs(config.tables, root), root.train_csv]
        given = {**parameters(config), "n_folds": n_folds}
        record = StageRecord(config.save_model / LEVEL2_RECORD, STAGE, given, dict.fromkeys(inputs), outputs)
        if not record.needs_run(force=config.force):
            return
    train_anew(config, n_folds, root, record)


def training_of(config: Config) -> "Training":
    """Return how to train."""
    from kuzushiji.classify.level2.boosting import REFERENCE_POSITIVE_WEIGHT, Recipe
    from kuzushiji.classify.level2.shortlist import N_READINGS
    from kuzushiji.classify.level2.training import Training
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
    return Training(recipes, readings, config.max_rows, config.seed, config.threads or n_cores())


def train_anew(config: Config, n_folds: int, root: "DataRoot", record: "StageRecord | None") -> None:
    """Train across the folds and print the report; write the models where there is a record of it."""
    from kuzushiji.classify.level2 import report
    from kuzushiji.classify.level2.choice import EVERY_FOLD
    from kuzushiji.classify.level2.training import train_across_folds

    boxes = prepare(config, n_folds, root)
    training = training_of(config)
    results = train_across_folds(boxes.sources, boxes.targets, training)
    found = decisions(config, boxes, results)
    decided = any(getattr(config, name) for name in OF_DECISION)
    choices = {
        fold: report.fold_choices(boxes.features[fold], result, training.objective, found[fold] if decided else None)
        for fold, result in ((result.model.fold, result) for result in results)
    }
    told = report.Report(
        scores=report.score_folds(boxes.truth, boxes.fold_of_page, boxes.features, choices),
        fit=report.calibration_of_folds(boxes.features, choices),
        results=results,
        boxes={fold: len(part) for fold, part in boxes.features.items()},
        decisions=found,
        tuned=[name for name in OF_DECISION if getattr(config, name) == AUTO],
    )
    if config.json:
        print_result(told.facts(), as_json=True)
    else:
        print("\n".join(told.lines()))
    if config.save_model and record:
        save(config, config.save_model, boxes, results, choices, found[EVERY_FOLD])
        record.finish(**told.facts())


@dataclass(frozen=True)
class Boxes:
    """All boxes of the training pages, by fold, and the pages' truth."""

    features: "dict[int, Features]"
    sources: "dict[int, Source]"
    classes: "dict[int, NDArray[np.int32]]"
    targets: "dict[int, NDArray[np.bool_]]"
    truth: "PageLabels"
    fold_of_page: "NDArray[np.int32]"
    language: "NGrams | None"


def prepare(config: Config, n_folds: int, root: "DataRoot") -> Boxes:
    """Read the tables and split them into folds."""
    from kuzushiji.classify.level2.columns import source_of
    from kuzushiji.classify.level2.tables import read_input, split_by_fold, true_classes
    from kuzushiji.classify.level2.training import target_rows
    from kuzushiji.classify.ngrams import count_ngrams
    from kuzushiji.data.folds import fold_of_pages
    from kuzushiji.data.labels import read_page_labels

    given = read_input(config.tables, root)
    if len(given.views) > 1:
        raise InputError(f"{config.tables[-1]}: expected each training page in one table of features, got it in two")
    every_box = given.views[0]
    truth = read_page_labels(root.train_csv)
    features, fold_of_page = split_by_fold(every_box, given, truth, root.train_csv, n_folds)
    language = None
    if config.features != REFERENCE:
        folds = fold_of_pages(truth.image_ids, n_folds)
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


def decisions(config: Config, boxes: Boxes, results: "Sequence[FoldResult]") -> "dict[int, Decision]":
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


def save(
    config: Config,
    folder: Path,
    boxes: Boxes,
    results: "Sequence[FoldResult]",
    choices: "dict[int, FoldChoices]",
    decision: "Decision",
) -> None:
    """Write the models, and what they read on the pages they had not seen: all of it, or nothing.

    Raises:
        InputError: the folder cannot be written to.
    """
    import numpy as np

    from kuzushiji.artifacts import write_detailed
    from kuzushiji.classify.level2.folder import save_model
    from kuzushiji.classify.level2.kinds import kinds_of
    from kuzushiji.classify.level2.model import Level2Model
    from kuzushiji.classify.level2.tables import out_of_fold_table

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
