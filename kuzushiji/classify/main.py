# PYTHON_ARGCOMPLETE_OK
"""Trains a network that classifies given boxes, and applies it to the held-out pages and to the test pages.

Training needs no flag; it ends with the held-out pages (`detailed.parquet`). `--test-only` and `--submission` apply a
checkpoint. What is already done is skipped, what was interrupted goes on.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.inputs import read_split, read_test_boxes
from kuzushiji.classify.predictions import submission_outputs
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.processes import is_main, on_main, processes, share_of_batch
from kuzushiji.engine.tensorboard import check_installed
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, given_options
from kuzushiji.record import StageRecord
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
from kuzushiji.terminal import print_result

logger = logging.getLogger(__name__)

Facts = dict[str, Any]
"""What a part of the stage found out, by name."""


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(prog="python -m kuzushiji.classify.main", description=__doc__)
    add_options(parser, ClassifyConfig)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> ClassifyConfig:
    """Return the checked config of a command line.

    Raises:
        InputError: options contradict each other.
    """
    parser = get_parser()
    namespace = parser.parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    return config_from(namespace, ClassifyConfig, given=given_options(parser, words))


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    config = parse_args(argv)
    root = DataRoot.find(config.data_root)
    if config.print_model:
        return print_model(config, root)
    if config.with_test:
        read_test_boxes(config, root)  # what is missing there should not come out after the training
    if not (config.test_only or config.submission):
        share_of_batch(config.batch_size)
    with hold(config.output_dir), processes(config.device):
        results = run_parts(config, root)
        if results and is_main():
            print_result(results, as_json=config.json)
    return 0


def run_parts(config: ClassifyConfig, root: DataRoot) -> dict[str, Facts]:
    """Run what the command line asks for, of training, held-out pages, test pages, head features.

    Return what each part that was not yet done found out.
    """
    weights = config.resume
    results: dict[str, Facts | None] = {}
    if not (config.test_only or config.submission):
        weights = config.output_dir / MODEL_BEST
        results["train"] = run_if_needed(
            train_record(config, root), config, lambda record: run_training(config, root, record)
        )
    assert weights is not None
    if not config.submission:
        results["held_out"] = run_if_needed(
            held_out_record(config, root, weights), config,
            lambda record: run_held_out(config, root, weights, record),
        )  # fmt: skip
    if config.submission or config.with_test:
        results["test"] = run_if_needed(
            test_record(config, root, weights), config, lambda record: run_test(config, root, weights, record)
        )
    if config.save_features:
        results["features"] = run_if_needed(
            features_record(config, root, weights), config,
            lambda record: run_features(config, root, weights, record),
        )  # fmt: skip
    return {part: facts for part, facts in results.items() if facts is not None}


def run_if_needed(record: StageRecord, config: ClassifyConfig, run: Callable[[StageRecord], Facts]) -> Facts | None:
    """Run a stage, unless its record says that its outputs are those of the same parameters and inputs."""
    if not on_main(lambda: record.needs_run(force=config.force)):
        logger.info("%s: already done, skipped: %s", record.stage, record.path.parent)
        return None
    return run(record)


def train_record(config: ClassifyConfig, root: DataRoot) -> StageRecord:
    """Return the record of training."""
    names = (MODEL_BEST, METRICS, PARAMS, VOCABULARY)
    return StageRecord(
        config.output_dir / TRAIN_RECORD, "classify.train", config.training_parameters(),
        training_inputs(config, root), [config.output_dir / name for name in names],
    )  # fmt: skip


def training_inputs(config: ClassifyConfig, root: DataRoot) -> list[Path]:
    """Return the files and folders that decide what is trained."""
    images = [root.train_images, *([root.test_images] if config.pseudolabels else [])]
    weights = [path for path in (config.resume, config.weights_file) if path is not None]
    return [config.clf_gt, root.train_csv, *images, *config.pseudolabels, *weights]


def held_out_record(config: ClassifyConfig, root: DataRoot, weights: Path) -> StageRecord:
    """Return the record of the held-out pages' predictions."""
    return StageRecord(
        config.output(OOF_RECORD), "classify.oof", config.inference_parameters(),
        [weights, config.clf_gt, root.train_csv, root.train_images],
        [config.output(DETAILED), config.output(METRICS_OOF)],
    )  # fmt: skip


def test_record(config: ClassifyConfig, root: DataRoot, weights: Path) -> StageRecord:
    """Return the record of the test pages' predictions."""
    return StageRecord(
        config.output(TEST_RECORD), "classify.test", config.inference_parameters(),
        [weights, config.test_boxes_path, root.sample_submission_csv, root.test_images],
        [config.output(TEST_DETAILED), *submission_outputs(config.output(SUBMISSION))],
    )  # fmt: skip


def features_record(config: ClassifyConfig, root: DataRoot, weights: Path) -> StageRecord:
    """Return the record of the head's features."""
    names, inputs = [*HEAD_FEATURES], [weights, config.clf_gt, root.train_csv, root.train_images]
    if config.submission or config.with_test:
        inputs += [config.test_boxes_path, root.sample_submission_csv, root.test_images]
    else:
        names.pop()
    return StageRecord(
        config.output(FEATURES_RECORD), "classify.features", config.inference_parameters(), inputs,
        [config.output(name) for name in names],
    )  # fmt: skip


def run_training(config: ClassifyConfig, root: DataRoot, record: StageRecord) -> Facts:
    """Train, and write what training leaves; return the metrics."""
    if config.tensorboard:
        check_installed()
    split = read_split(config, root)
    on_main(lambda: forget_finished(config, record))
    from kuzushiji.classify.train import train

    metrics = train(config, root, split, record.input_digests())
    on_main(lambda: record.finish(metrics=metrics))
    return metrics


def forget_finished(config: ClassifyConfig, record: StageRecord) -> None:
    """Remove the state of a run that is over, whose outputs were damaged or whose inputs are others now.

    Going on from it would change nothing.
    """
    if record.path.exists() and not record.changed_parameters():
        logger.info("%s: the outputs are not those of the record, training starts anew", config.output_dir)
        for name in (CHECKPOINT, record.path.name):
            (config.output_dir / name).unlink(missing_ok=True)


def run_held_out(config: ClassifyConfig, root: DataRoot, weights: Path, record: StageRecord) -> Facts:
    """Classify the boxes of the held-out pages; return their score."""
    split = read_split(config, root)
    from kuzushiji.classify.stages import predict_held_out

    metrics = predict_held_out(config, root, weights, split)
    on_main(lambda: record.finish(metrics=metrics))
    return metrics


def run_test(config: ClassifyConfig, root: DataRoot, weights: Path, record: StageRecord) -> Facts:
    """Classify the boxes of the test pages; return how many."""
    boxes, sample = read_test_boxes(config, root)
    from kuzushiji.classify.stages import predict_test

    facts = predict_test(config, root, weights, boxes, sample)
    on_main(lambda: record.finish(**facts))
    return facts


def run_features(config: ClassifyConfig, root: DataRoot, weights: Path, record: StageRecord) -> Facts:
    """Save what the head's last layer sees; several processes leave it to the first. Return the boxes by file."""
    split = read_split(config, root)
    boxes = None
    if config.submission or config.with_test:
        boxes, _ = read_test_boxes(config, root)
    from kuzushiji.classify.head_vectors import save_head_features

    facts: Facts = on_main(lambda: save_head_features(config, root, weights, split, boxes))
    on_main(lambda: record.finish(boxes=facts))
    return facts


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


if __name__ == "__main__":
    cli.run(main)
