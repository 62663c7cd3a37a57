# PYTHON_ARGCOMPLETE_OK
"""Stage 1, where the characters are: `python -m kuzushiji.segment.main --output-dir DIR --fold K`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.processes import is_main, on_main, processes, share_of_batch
from kuzushiji.engine.tensorboard import check_installed
from kuzushiji.errors import InputError
from kuzushiji.files import make_folder
from kuzushiji.locks import hold
from kuzushiji.options import add_options, config_from, given_options
from kuzushiji.segment.config import SegmentConfig
from kuzushiji.segment.folder import (
    RunFolder,
    held_out_record,
    start_anew_where_needed,
    test_record,
    train_record,
)
from kuzushiji.terminal import print_result

Facts = dict[str, Any]
"""What a part of the stage found out, by name."""


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.segment.main",
        description="Train the detector of one fold and find the boxes of its held-out pages; or, with --resume and "
        "--test-only or --submission, find the boxes of held-out or test pages with a trained detector.",
    )
    add_options(parser, SegmentConfig)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> SegmentConfig:
    """Return the checked parameters of a command line.

    Raises:
        UsageError: options contradict each other.
    """
    parser = get_parser()
    words = sys.argv[1:] if argv is None else argv
    return config_from(parser.parse_args(words), SegmentConfig, given=given_options(parser, words))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    config = parse_args(argv)
    data = DataRoot.find(config.data_root)
    for path in (config.resume, config.weights_file):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: expected a file with weights, got none")
    if config.with_test:
        from kuzushiji.segment.pages import read_test_images

        read_test_images(config, data)  # what is missing there should not come out after the training
    if not config.predicts_only:
        share_of_batch(config.batch_size)
    with hold(config.output_dir), processes(config.device):
        results = run_parts(config, data)
        if results and is_main():
            print_result(results, as_json=config.json)
    return 0


def run_parts(config: SegmentConfig, data: DataRoot) -> dict[str, Facts]:
    """Run what the command line asks for, of training, held-out pages, test pages; return what was not yet done."""
    weights = RunFolder(config.output_dir).model_best
    results: dict[str, Facts | None] = {}
    if not config.predicts_only:
        results["train"] = run_training(config, data)
    elif config.resume is not None:
        weights = config.resume
    if not config.submission:
        results["held_out"] = run_held_out(config, data, weights)
    if config.submission or config.with_test:
        results["test"] = run_test(config, data, weights)
    return {part: facts for part, facts in results.items() if facts is not None}


def run_training(config: SegmentConfig, data: DataRoot) -> Facts | None:
    """Train, or go on with an interrupted training, unless that is done; return the metrics."""
    folder = RunFolder(config.output_dir)
    record = train_record(config, data)
    if not on_main(lambda: record.needs_run(force=config.force)):
        return None
    if config.resume is not None and config.resume.resolve().is_relative_to(folder.folder.resolve()):
        raise InputError(
            f"--resume {config.resume}: training from these weights would replace them, expected another --output-dir; "
            "an interrupted run goes on without --resume"
        )
    if config.tensorboard:
        check_installed()
    from kuzushiji.segment.pages import read_fold

    pages = read_fold(config, data)
    make_folder(folder.folder)
    on_main(lambda: start_anew_where_needed(config, record))
    from kuzushiji.segment.train import train

    result = train(config, pages, record.input_digests())
    facts: Facts = {"best_epoch": result.best_epoch, "best": result.best, "last": result.last}
    on_main(lambda: record.finish(**facts))
    return facts


def run_held_out(config: SegmentConfig, data: DataRoot, weights: Path) -> Facts | None:
    """Find the boxes of the held-out pages, unless that is done; return their score."""
    record = held_out_record(config, data, weights)
    if not on_main(lambda: record.needs_run(force=config.force)):
        return None
    from kuzushiji.segment.pages import read_fold

    pages = read_fold(config, data)
    from kuzushiji.segment.apply import predict_held_out

    metrics = predict_held_out(config, pages, weights)
    on_main(lambda: record.finish(**metrics))
    return metrics


def run_test(config: SegmentConfig, data: DataRoot, weights: Path) -> Facts | None:
    """Find the boxes of the test pages, unless that is done; return how many."""
    record = test_record(config, data, weights)
    if not on_main(lambda: record.needs_run(force=config.force)):
        return None
    from kuzushiji.segment.pages import read_test_images

    images = read_test_images(config, data)
    from kuzushiji.segment.apply import predict_test

    facts = predict_test(config, images, weights)
    on_main(lambda: record.finish(**facts))
    return facts


if __name__ == "__main__":
    cli.run(main)
