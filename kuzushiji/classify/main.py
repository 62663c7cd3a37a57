# PYTHON_ARGCOMPLETE_OK
"""Trains a network that classifies given boxes, and applies it to the held-out pages and to the test pages.

Training needs no flag; it ends with the held-out pages (`detailed.parquet`). `--test-only` and `--submission` apply a
checkpoint. What is already done is skipped, what was interrupted goes on.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.folder import features_record, forget_finished, held_out_record, test_record, train_record
from kuzushiji.classify.inputs import read_split, read_test_boxes
from kuzushiji.classify.targets import share_of_targets
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.processes import is_main, on_main, processes, share_of_batch
from kuzushiji.engine.tensorboard import check_installed
from kuzushiji.errors import InputError
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, given_options
from kuzushiji.record import StageRecord
from kuzushiji.run_folder import MODEL_BEST
from kuzushiji.terminal import print_result

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
    for path in (config.resume, config.weights_file):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: expected a file with weights, got none")
    if not (config.test_only or config.submission):
        share_of_batch(config.batch_size)
        share_of_targets(config.max_targets)
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
        return None
    return run(record)


def run_training(config: ClassifyConfig, root: DataRoot, record: StageRecord) -> Facts:
    """Train, and write what training leaves; return the metrics."""
    if config.with_test:
        read_test_boxes(config, root)  # what is missing there should not come out after the training
    if config.tensorboard:
        check_installed()
    split = read_split(config, root)
    on_main(lambda: forget_finished(config, record))
    from kuzushiji.classify.train import train

    metrics = train(config, root, split, record.input_digests())
    on_main(lambda: record.finish(metrics=metrics))
    return metrics


def run_held_out(config: ClassifyConfig, root: DataRoot, weights: Path, record: StageRecord) -> Facts:
    """Classify the boxes of the held-out pages; return their score."""
    split = read_split(config, root)
    from kuzushiji.classify.apply import predict_held_out

    metrics = predict_held_out(config, root, weights, split)
    on_main(lambda: record.finish(metrics=metrics))
    return metrics


def run_test(config: ClassifyConfig, root: DataRoot, weights: Path, record: StageRecord) -> Facts:
    """Classify the boxes of the test pages; return how many."""
    boxes, sample = read_test_boxes(config, root)
    from kuzushiji.classify.apply import predict_test

    facts = predict_test(config, root, weights, boxes, sample)
    on_main(lambda: record.finish(**facts))
    return facts


def run_features(config: ClassifyConfig, root: DataRoot, weights: Path, record: StageRecord) -> Facts:
    """Save what the head's last layer sees. Return the boxes by file."""
    split = read_split(config, root)
    boxes = None
    if config.submission or config.with_test:
        boxes, _ = read_test_boxes(config, root)
    from kuzushiji.classify.head_vectors import save_head_features

    facts: Facts = {**save_head_features(config, root, weights, split, boxes)}
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
