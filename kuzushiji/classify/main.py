# PYTHON_ARGCOMPLETE_OK
"""Stages 2 to 4, which characters they are: `python -m kuzushiji.classify.main CLF_GT --output-dir DIR --fold K`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from kuzushiji import cli
from kuzushiji.classify.config import STAGE, ClassifyConfig
from kuzushiji.classify.inputs import Split, read_split, read_test_boxes
from kuzushiji.classify.predictions import submission_outputs
from kuzushiji.classify.targets import share_of_targets
from kuzushiji.content import Input
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.processes import is_main, on_main, processes, share_of_batch
from kuzushiji.engine.tensorboard import check_installed
from kuzushiji.errors import InputError
from kuzushiji.locks import hold
from kuzushiji.run_folder import (
    CHECKPOINT,
    DETAILED,
    FEATURES_RECORD,
    HEAD_FEATURES,
    METRICS,
    METRICS_OOF,
    MODEL_BEST,
    OOF_RECORD,
    PARAMS,
    SUBMISSION,
    TEST_DETAILED,
    TEST_RECORD,
    TRAIN_RECORD,
    VOCABULARY,
)
from kuzushiji.stage import Command, Facts, Stage, run_parts
from kuzushiji.terminal import print_result

logger = logging.getLogger(__name__)


class Classify(Command):
    """Train a network that classifies given boxes, and apply it to the held-out pages and to the test pages.

    Training needs no flag; it ends with the held-out pages (`detailed.parquet`). `--test-only` and `--submission` apply
    a checkpoint. What is already done is skipped, what was interrupted goes on.
    """

    config: ClassifyConfig

    def execute(self) -> int:
        """Run the parts that the command line asks for."""
        config, root = self.config, DataRoot.find(self.config.data_root)
        if config.print_model:
            return print_model(config, root)
        for path in (config.resume, config.weights_file):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: expected a file with weights, got none")
        if config.with_test and not root.has_test_pages:
            logger.warning("%s: there are no test pages, --with-test reads none", root.root)
        if not (config.test_only or config.submission):
            share_of_batch(config.batch_size)
            share_of_targets(config.max_targets)
        with hold(config.output_dir), processes(config.device):
            results = run_parts(parts_of(config, root), on_main)
            if results and is_main():
                print_result(results, as_json=config.json)
        return 0


class Part(Stage):
    """A part of the command, with a record of its own in the model's folder.

    Attributes:
        record_name: Name of the record.
        root: The data root.
        weights: Of the classifier that is applied.
    """

    config: ClassifyConfig
    record_name: ClassVar[str]

    def __init__(self, config: ClassifyConfig, root: DataRoot, weights: Path) -> None:
        super().__init__(config)
        self.root = root
        self.weights = weights

    def record_path(self) -> Path:
        """Return the path of the part's record."""
        return self.config.output(self.record_name)

    def parameters(self) -> dict[str, Any]:
        """Return the values that decide predictions, once the weights are there."""
        return self.config.inference_parameters()

    def split(self) -> Split:
        """Return the tables of the fold; read when first needed."""
        return read_split(self.config, self.root)

    @property
    def with_test(self) -> bool:
        """Whether the test pages are read too, if there are any."""
        return self.config.submission or (self.config.with_test and self.root.has_test_pages)

    @property
    def training_pages(self) -> list[Input]:
        """The boxes and images that the held-out pages come from."""
        return [self.config.clf_gt, self.root.train_csv, self.root.train_pages]

    @property
    def test_pages(self) -> list[Input]:
        """The boxes and images of the test pages."""
        return [self.config.test_boxes_path, self.root.sample_submission_csv, self.root.test_pages]


class TrainClassifier(Part):
    """Train, or go on with an interrupted training."""

    name = STAGE
    record_name = TRAIN_RECORD

    def record_path(self) -> Path:
        """Return the path of the record: a training has no `--detailed-postfix`."""
        return self.config.output_dir / self.record_name

    def parameters(self) -> dict[str, Any]:
        """Return the values that decide the weights."""
        return self.config.training_parameters()

    def inputs(self) -> list[Input]:
        """Return the training pages, the pseudolabels, and the weights that training starts from."""
        config = self.config
        images = [self.root.test_pages_of(config.pseudolabels)] if config.pseudolabels else []
        start = [path for path in (config.resume, config.weights_file) if path is not None]
        start += [
            path for model in [config.start_model] if model is not None for path in (model.path, model.vocabulary)
        ]
        return [*self.training_pages, *images, *config.pseudolabels, *start]

    def outputs(self) -> list[Path]:
        """Return the model, its metrics, its parameters and its classes."""
        return [self.config.output_dir / name for name in (MODEL_BEST, METRICS, PARAMS, VOCABULARY)]

    def models(self) -> list[Path]:
        """Return the model."""
        return [self.config.output_dir / MODEL_BEST]

    def checkpoint(self) -> Path:
        """Return the state of the training."""
        return self.config.output_dir / CHECKPOINT

    def run(self) -> Facts:
        """Train; return the metrics."""
        if self.with_test:
            read_test_boxes(self.config, self.root)  # what is missing there should not come out after the training
        if self.config.tensorboard:
            check_installed()
        split = self.split()
        from kuzushiji.classify.train import train

        return train(self.config, self.root, split, self.record)


class ReadHeldOutPages(Part):
    """Classify the boxes of the held-out pages."""

    name = "classify.oof"
    record_name = OOF_RECORD

    def inputs(self) -> list[Input]:
        """Return the classifier and the training pages."""
        return [self.weights, *self.training_pages]

    def outputs(self) -> list[Path]:
        """Return the detailed table and its score."""
        return [self.config.output(DETAILED), self.config.output(METRICS_OOF)]

    def run(self) -> Facts:
        """Write the table; return its score."""
        split = self.split()
        from kuzushiji.classify.apply import predict_held_out

        return predict_held_out(self.config, self.root, self.weights, split)


class ReadTestPages(Part):
    """Classify the boxes of the test pages."""

    name = "classify.test"
    record_name = TEST_RECORD

    def inputs(self) -> list[Input]:
        """Return the classifier and the test pages."""
        return [self.weights, *self.test_pages]

    def outputs(self) -> list[Path]:
        """Return the detailed table, and the submission with the probabilities beside it."""
        return [self.config.output(TEST_DETAILED), *submission_outputs(self.config.output(SUBMISSION))]

    def run(self) -> Facts:
        """Write table and submission; return how many boxes there are."""
        boxes, sample = read_test_boxes(self.config, self.root)
        from kuzushiji.classify.apply import predict_test

        return predict_test(self.config, self.root, self.weights, boxes, sample)


class SaveHeadFeatures(Part):
    """Save what the head's last layer sees of the boxes."""

    name = "classify.features"
    record_name = FEATURES_RECORD

    def inputs(self) -> list[Input]:
        """Return the classifier and the pages."""
        return [self.weights, *self.training_pages, *(self.test_pages if self.with_test else [])]

    def outputs(self) -> list[Path]:
        """Return a table for each kind of pages."""
        names = HEAD_FEATURES if self.with_test else HEAD_FEATURES[:-1]
        return [self.config.output(name) for name in names]

    def run(self) -> Facts:
        """Write the tables; return the boxes by file."""
        split = self.split()
        boxes = read_test_boxes(self.config, self.root)[0] if self.with_test else None
        from kuzushiji.classify.head_vectors import save_head_features

        return {**save_head_features(self.config, self.root, self.weights, split, boxes)}


def parts_of(config: ClassifyConfig, root: DataRoot) -> Mapping[str, Part]:
    """Return what the command line asks for, of training, held-out pages, test pages and head features."""
    trains = not (config.test_only or config.submission)
    weights = config.output_dir / MODEL_BEST if trains or config.resume is None else config.resume
    parts: dict[str, Part] = {}
    if trains:
        parts["train"] = TrainClassifier(config, root, weights)
    if not config.submission:
        parts["held_out"] = ReadHeldOutPages(config, root, weights)
    if config.submission or (config.with_test and root.has_test_pages):
        parts["test"] = ReadTestPages(config, root, weights)
    if config.save_features:
        parts["features"] = SaveHeadFeatures(config, root, weights)
    return parts


def print_model(config: ClassifyConfig, root: DataRoot) -> int:
    """Print the model that the command line describes."""
    from kuzushiji.classify.classifier import build_classifier, load_classifier
    from kuzushiji.classify.models import describe
    from kuzushiji.data.vocabulary import Vocabulary
    from kuzushiji.engine.machine import set_up

    precision = set_up(config)
    if config.resume is not None:
        classifier = load_classifier(config.resume, precision, config)
    else:
        classifier = build_classifier(config, Vocabulary.from_train_csv(root.train_csv), precision)
    print(describe(classifier.model))
    return 0


main = Classify.main

if __name__ == "__main__":
    cli.run(main)
