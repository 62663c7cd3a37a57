# PYTHON_ARGCOMPLETE_OK
"""Stage 1, where the characters are: `python -m kuzushiji.segment.main --output-dir DIR --fold K`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuzushiji import cli
from kuzushiji.data.paths import DataRoot
from kuzushiji.files import make_folder
from kuzushiji.options import PREDICTIONS, from_checkpoint, parameters
from kuzushiji.run_folder import (
    CLF_GT,
    DETECTIONS,
    METRICS_OOF,
    OOF_RECORD,
    TEST_DETECTIONS,
    TEST_PREDICTIONS,
    TEST_RECORD,
)
from kuzushiji.segment.config import STAGE, SegmentConfig
from kuzushiji.stage import Facts
from kuzushiji.training_stage import Part, TrainingCommand, TrainPart

if TYPE_CHECKING:
    from kuzushiji.segment.fold_pages import FoldPages


class Segment(TrainingCommand):
    """Train the detector of one fold and find the boxes of its held-out pages.

    With --resume and --test-only or --submission, find the boxes of held-out or test pages with a trained detector.
    """

    config: SegmentConfig

    def parts(self, root: DataRoot, weights: Path) -> Mapping[str, Part]:
        """Return training, held-out pages and test pages."""
        return {
            "train": TrainDetector(self.config, root, weights),
            "held_out": FindHeldOutBoxes(self.config, root, weights),
            "test": FindTestBoxes(self.config, root, weights),
        }


class DetectorPart(Part):
    """A part of the command."""

    def pages(self) -> "FoldPages":
        """Return the training pages, divided; read when first needed."""
        from kuzushiji.segment.fold_pages import read_fold

        return read_fold(self.config, self.root)


class TrainDetector(TrainPart, DetectorPart):
    """Train, or go on with an interrupted training."""

    name = STAGE

    def check_pages(self) -> None:
        """Check that the test pages are there."""
        from kuzushiji.segment.fold_pages import read_test_images

        read_test_images(self.config, self.root)

    def train(self) -> Facts:
        """Train; return the metrics."""
        pages = self.pages()
        make_folder(self.config.output_dir)
        from kuzushiji.segment.train import train

        result = train(self.config, pages, self.record)
        return {"best_epoch": result.best_epoch, "best": result.best, "last": result.last}


class FindHeldOutBoxes(DetectorPart):
    """Find the boxes of the held-out pages: with the codes of the truth, with their scores, and their F1."""

    name = "segment.oof"
    record_name = OOF_RECORD
    written = (CLF_GT, DETECTIONS, METRICS_OOF)
    from_flags = True

    def parameters(self) -> dict[str, Any]:
        """Return the fold, and what the boxes depend on beside the checkpoint."""
        config = self.config
        return {
            "fold": config.fold, "n_folds": config.n_folds, "split": config.split, **inference_parameters(config),
        }  # fmt: skip

    def run(self) -> Facts:
        """Write the boxes; return their score."""
        pages = self.pages()
        from kuzushiji.segment.outputs import predict_held_out

        return predict_held_out(self.config, pages, self.weights)


class FindTestBoxes(Part):
    """Find the boxes of the test pages."""

    name = "segment.test"
    record_name = TEST_RECORD
    written = (TEST_PREDICTIONS, TEST_DETECTIONS)
    reads_test_pages = True
    from_flags = True

    def parameters(self) -> dict[str, Any]:
        """Return what the boxes depend on beside the checkpoint."""
        return inference_parameters(self.config)

    def run(self) -> Facts:
        """Write the boxes; return how many."""
        from kuzushiji.segment.fold_pages import read_test_images

        images = read_test_images(self.config, self.root)
        from kuzushiji.segment.outputs import predict_test

        return predict_test(self.config, images, self.weights)


def inference_parameters(config: SegmentConfig) -> dict[str, Any]:
    """Return what the boxes depend on beside the checkpoint, in which everything else is."""
    overridden = from_checkpoint(config, PREDICTIONS, given=True) if config.predicts_only else []
    values = parameters(config)
    return {name: values[name] for name in ("test_limit", *overridden)}


main = Segment.main

if __name__ == "__main__":
    cli.run(main)
