# PYTHON_ARGCOMPLETE_OK
"""Stages 2 to 4, which characters they are: `python -m kuzushiji.classify.main CLF_GT --output-dir DIR --fold K`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.classify.config import STAGE, ClassifyConfig
from kuzushiji.classify.inputs import Split, read_split, read_test_boxes, vocabulary_of
from kuzushiji.classify.results import submission_outputs
from kuzushiji.classify.targets import share_of_targets
from kuzushiji.content import Input
from kuzushiji.data.paths import DataRoot
from kuzushiji.options import PREDICTIONS
from kuzushiji.run_folder import (
    DETAILED,
    FEATURES_RECORD,
    HEAD_FEATURES,
    METRICS_OOF,
    OOF_RECORD,
    SUBMISSION,
    TEST_DETAILED,
    TEST_RECORD,
    VOCABULARY,
)
from kuzushiji.stage import Facts
from kuzushiji.training_stage import Part, TrainingCommand, TrainPart


class Classify(TrainingCommand):
    """Train a network that classifies given boxes, and apply it to the held-out pages and to the test pages.

    Training needs no flag; it ends with the held-out pages (`detailed.parquet`). `--test-only` and `--submission` apply
    a checkpoint. What is already done is skipped, what was interrupted goes on.
    """

    config: ClassifyConfig

    def execute(self) -> int:
        """Run the parts that the command line asks for, or print the model."""
        return print_model(self.config) if self.config.print_model else super().execute()

    def check_division(self) -> None:
        """Check that a batch and its boxes can be divided among the processes."""
        super().check_division()
        share_of_targets(self.config.max_targets)

    def parts(self, root: DataRoot, weights: Path) -> Mapping[str, Part | None]:
        """Return training, held-out pages, test pages and head features."""
        return {
            "train": TrainClassifier(self.config, root, weights),
            "held_out": ReadHeldOutPages(self.config, root, weights),
            "test": ReadTestPages(self.config, root, weights),
            "features": SaveHeadFeatures(self.config, root, weights) if self.config.save_features else None,
        }


class ClassifierPart(Part):
    """A part of the command."""

    config: ClassifyConfig

    def parameters(self) -> Mapping[str, Any]:
        """Return the values that decide predictions, once the weights are there."""
        return self.config.parameters_of(PREDICTIONS)

    def split(self) -> Split:
        """Return the tables of the fold; read when first needed."""
        return read_split(self.config, self.root)

    @property
    def training_pages(self) -> list[Input]:
        """The boxes and images that the held-out pages come from."""
        return [self.config.clf_gt, *super().training_pages]

    @property
    def test_pages(self) -> list[Input]:
        """The boxes and images of the test pages."""
        return [self.config.test_boxes_path, *super().test_pages]


class TrainClassifier(TrainPart, ClassifierPart):
    """Train, or go on with an interrupted training."""

    name = STAGE

    def inputs(self) -> list[Input]:
        """Return the training pages, the pseudolabels, and the weights that training starts from."""
        config = self.config
        images = [self.root.test_pages_of(config.pseudolabels)] if config.pseudolabels else []
        start = [] if config.start_model is None else [config.start_model.vocabulary]
        held = [] if config.held_classes is None else [config.held_classes]
        return [*super().inputs(), *images, *config.pseudolabels, *dict.fromkeys([*start, *held])]

    def outputs(self) -> list[Path]:
        """Return the model, its metrics, its parameters and its classes."""
        return [*super().outputs(), self.file(VOCABULARY)]

    def check_pages(self) -> None:
        """Check the boxes of the test pages."""
        read_test_boxes(self.config, self.root)

    def train(self) -> Facts:
        """Train; return the metrics."""
        split = self.split()
        from kuzushiji.classify.train import train

        return train(self.config, self.root, split, self.record)


class ReadHeldOutPages(ClassifierPart):
    """Classify the boxes of the held-out pages: the detailed table and its score."""

    name = "classify.oof"
    record_name = OOF_RECORD
    written = (DETAILED, METRICS_OOF)

    def run(self) -> Facts:
        """Write the table; return its score."""
        split = self.split()
        from kuzushiji.classify.outputs import predict_held_out

        return predict_held_out(self.config, self.root, self.weights, split)


class ReadTestPages(ClassifierPart):
    """Classify the boxes of the test pages."""

    name = "classify.test"
    record_name = TEST_RECORD
    reads_test_pages = True

    def outputs(self) -> list[Path]:
        """Return the detailed table, and the submission with the probabilities beside it."""
        return [self.config.output(TEST_DETAILED), *submission_outputs(self.config.output(SUBMISSION))]

    def run(self) -> Facts:
        """Write table and submission; return how many boxes there are."""
        boxes, sample = read_test_boxes(self.config, self.root)
        from kuzushiji.classify.outputs import predict_test

        return predict_test(self.config, self.root, self.weights, boxes, sample)


class SaveHeadFeatures(ClassifierPart):
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
        from kuzushiji.classify.outputs import save_head_features

        return {**save_head_features(self.config, self.root, self.weights, split, boxes)}


def print_model(config: ClassifyConfig) -> int:
    """Print the model that the command line describes."""
    from kuzushiji.classify.classifier import build_classifier, load_classifier
    from kuzushiji.classify.network import describe
    from kuzushiji.data.labels import read_page_labels
    from kuzushiji.engine.machine import set_up

    precision = set_up(config)
    if config.resume is not None:
        classifier = load_classifier(config.resume, precision, config)
    else:
        vocabulary = vocabulary_of(config, read_page_labels(DataRoot.find(config.data_root).train_csv))
        classifier = build_classifier(config, vocabulary, precision)
    print(describe(classifier.model))
    return 0


main = Classify.main

if __name__ == "__main__":
    cli.run(main)
