# PYTHON_ARGCOMPLETE_OK
"""Stage 1, where the characters are: `python -m kuzushiji.segment.main --output-dir DIR --fold K`."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kuzushiji import cli
from kuzushiji.content import Input
from kuzushiji.data.paths import DataRoot
from kuzushiji.engine.processes import is_main, on_main, processes, share_of_batch
from kuzushiji.engine.tensorboard import check_installed
from kuzushiji.errors import InputError
from kuzushiji.files import make_folder
from kuzushiji.locks import hold
from kuzushiji.options import parameters
from kuzushiji.run_folder import OOF_RECORD, TEST_RECORD, TRAIN_RECORD
from kuzushiji.segment.config import INFERENCE, SegmentConfig
from kuzushiji.segment.folder import STAGE, RunFolder
from kuzushiji.stage import Command, Facts, Stage, run_parts
from kuzushiji.terminal import print_result

if TYPE_CHECKING:
    from kuzushiji.segment.pages import FoldPages

logger = logging.getLogger(__name__)


class Segment(Command):
    """Train the detector of one fold and find the boxes of its held-out pages.

    With --resume and --test-only or --submission, find the boxes of held-out or test pages with a trained detector.
    """

    config: SegmentConfig

    def execute(self) -> int:
        """Run the parts that the command line asks for."""
        config, data = self.config, DataRoot.find(self.config.data_root)
        for path in (config.resume, config.weights_file):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: expected a file with weights, got none")
        if config.with_test and not data.has_test_pages:
            logger.warning("%s: there are no test pages, --with-test finds no boxes there", data.root)
        elif config.with_test:
            from kuzushiji.segment.pages import read_test_images

            read_test_images(config, data)  # what is missing there should not come out after the training
        if not config.predicts_only:
            share_of_batch(config.batch_size)
        with hold(config.output_dir), processes(config.device):
            results = run_parts(parts_of(config, data), on_main)
            if results and is_main():
                print_result(results, as_json=config.json)
        return 0


class Part(Stage):
    """A part of the command, with a record of its own in the fold's folder.

    Attributes:
        record_name: Name of the record.
        data: The data root.
        weights: Of the detector that finds boxes.
        folder: What the run leaves.
    """

    config: SegmentConfig
    record_name: ClassVar[str]

    def __init__(self, config: SegmentConfig, data: DataRoot, weights: Path) -> None:
        super().__init__(config)
        self.data = data
        self.weights = weights
        self.folder = RunFolder(config.output_dir)

    def record_path(self) -> Path:
        """Return the path of the part's record."""
        return self.config.output_dir / self.record_name

    def pages(self) -> "FoldPages":
        """Return the training pages, divided; read when first needed."""
        from kuzushiji.segment.pages import read_fold

        return read_fold(self.config, self.data)


class TrainDetector(Part):
    """Train, or go on with an interrupted training."""

    name = STAGE
    record_name = TRAIN_RECORD

    def parameters(self) -> Mapping[str, Any]:
        """Return the values that decide the weights."""
        return self.config.training_parameters()

    def inputs(self) -> list[Input]:
        """Return the training pages, and the weights that training starts from."""
        start = [path for path in (self.config.weights_file, self.config.resume) if path is not None]
        start += [model.path for model in [self.config.start_model] if model is not None]
        return [self.data.train_csv, self.data.train_pages, *start]

    def outputs(self) -> list[Path]:
        """Return the model, its metrics and its parameters."""
        return [self.folder.model_best, self.folder.metrics, self.folder.params]

    def models(self) -> list[Path]:
        """Return the model."""
        return [self.folder.model_best]

    def checkpoint(self) -> Path:
        """Return the state of the training."""
        return self.folder.checkpoint

    def check(self) -> None:
        """Check that the training does not replace the weights that it starts from."""
        resume = self.config.resume
        if resume is not None and resume.resolve().is_relative_to(self.folder.folder.resolve()):
            raise InputError(
                f"--resume {resume}: training from these weights would replace them, expected another --output-dir; "
                "an interrupted run goes on without --resume"
            )

    def run(self) -> Facts:
        """Train; return the metrics."""
        config = self.config
        if config.tensorboard:
            check_installed()
        pages = self.pages()
        make_folder(self.folder.folder)
        from kuzushiji.segment.train import train

        result = train(config, pages, self.record)
        return {"best_epoch": result.best_epoch, "best": result.best, "last": result.last}


class FindHeldOutBoxes(Part):
    """Find the boxes of the held-out pages."""

    name = "segment.oof"
    record_name = OOF_RECORD
    from_flags = True

    def parameters(self) -> dict[str, Any]:
        """Return the fold, and what the boxes depend on beside the checkpoint."""
        config = self.config
        return {
            "fold": config.fold, "n_folds": config.n_folds, "split": config.split, **inference_parameters(config),
        }  # fmt: skip

    def inputs(self) -> list[Input]:
        """Return the detector and the training pages."""
        return [self.weights, self.data.train_csv, self.data.train_pages]

    def outputs(self) -> list[Path]:
        """Return the boxes with the codes of the truth, the boxes with their scores, and their F1."""
        return [self.folder.clf_gt, self.folder.detections, self.folder.metrics_oof]

    def run(self) -> Facts:
        """Write the boxes; return their score."""
        pages = self.pages()
        from kuzushiji.segment.apply import predict_held_out

        return predict_held_out(self.config, pages, self.weights)


class FindTestBoxes(Part):
    """Find the boxes of the test pages."""

    name = "segment.test"
    record_name = TEST_RECORD
    from_flags = True

    def parameters(self) -> dict[str, Any]:
        """Return what the boxes depend on beside the checkpoint."""
        return inference_parameters(self.config)

    def inputs(self) -> list[Input]:
        """Return the detector and the test pages."""
        return [self.weights, self.data.sample_submission_csv, self.data.test_pages]

    def outputs(self) -> list[Path]:
        """Return the boxes, and the boxes with their scores."""
        return [self.folder.test_predictions, self.folder.test_detections]

    def run(self) -> Facts:
        """Write the boxes; return how many."""
        from kuzushiji.segment.pages import read_test_images

        images = read_test_images(self.config, self.data)
        from kuzushiji.segment.apply import predict_test

        return predict_test(self.config, images, self.weights)


def parts_of(config: SegmentConfig, data: DataRoot) -> Mapping[str, Part]:
    """Return what the command line asks for, of training, held-out pages and test pages."""
    trained = RunFolder(config.output_dir).model_best
    weights = config.resume if config.predicts_only and config.resume is not None else trained
    parts: dict[str, Part] = {}
    if not config.predicts_only:
        parts["train"] = TrainDetector(config, data, weights)
    if not config.submission:
        parts["held_out"] = FindHeldOutBoxes(config, data, weights)
    if config.submission or (config.with_test and data.has_test_pages):
        parts["test"] = FindTestBoxes(config, data, weights)
    return parts


def inference_parameters(config: SegmentConfig) -> dict[str, Any]:
    """Return what the boxes depend on beside the checkpoint, in which everything else is."""
    overridden = parameters(config) if config.predicts_only else {}
    return {
        "test_limit": config.test_limit,
        **{name: value for name, value in overridden.items() if name in INFERENCE and name in config.given},
    }


main = Segment.main

if __name__ == "__main__":
    cli.run(main)
