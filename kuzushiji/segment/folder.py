"""What a fold's run leaves in its folder, and what of it a training may go on from."""

import logging
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.record import StageRecord, same_files
from kuzushiji.run_folder import (
    CHECKPOINT,
    CLF_GT,
    DETECTIONS,
    METRICS,
    METRICS_OOF,
    MODEL_BEST,
    PARAMS,
    TEST_DETECTIONS,
    TEST_PREDICTIONS,
)
from kuzushiji.segment.config import SegmentConfig

logger = logging.getLogger(__name__)

STAGE = "segment.train"
"""Name of the training, in its record and in its checkpoints."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one fold's run."""

    folder: Path

    @property
    def params(self) -> Path:
        """All parameters of the training."""
        return self.folder / PARAMS

    @property
    def metrics(self) -> Path:
        """Metrics of the last epoch and of the best one."""
        return self.folder / METRICS

    @property
    def metrics_oof(self) -> Path:
        """Score of the boxes in `clf_gt`."""
        return self.folder / METRICS_OOF

    @property
    def checkpoint(self) -> Path:
        """State of the training, to go on from."""
        return self.folder / CHECKPOINT

    @property
    def model_best(self) -> Path:
        """Weights of the best epoch."""
        return self.folder / MODEL_BEST

    @property
    def clf_gt(self) -> Path:
        """Boxes found on the held-out pages, with the codes of the truth."""
        return self.folder / CLF_GT

    @property
    def detections(self) -> Path:
        """The same boxes with their scores."""
        return self.folder / DETECTIONS

    @property
    def test_predictions(self) -> Path:
        """Boxes found on the test pages."""
        return self.folder / TEST_PREDICTIONS

    @property
    def test_detections(self) -> Path:
        """The same boxes with their scores."""
        return self.folder / TEST_DETECTIONS


def start_anew_where_needed(config: SegmentConfig, record: StageRecord) -> None:
    """Remove the state of an earlier training that must not be gone on with.

    That is one that is over (its outputs were damaged, or its inputs are others now), one that began with other
    inputs, and any with `--force`. What was merely interrupted stays.

    Raises:
        InputError: a training with other parameters is over and there is no `--force`; the message names them.
    """
    folder = RunFolder(config.output_dir)
    changed = [] if config.force else record.changed_parameters()
    if changed:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise InputError(
            f"{folder.folder}: holds a run with other parameters, they differ in {flags}; "
            "take another --output-dir, or --force to train again"
        )
    began_with = read_json(folder.params).get("inputs") if folder.params.exists() else None
    if config.force or record.path.exists() or not same_files(began_with, record.input_digests()):
        if folder.checkpoint.exists():
            logger.info("%s: starts anew", folder.folder)
        # In this order: what is stopped in between starts anew again.
        for path in (folder.checkpoint, folder.params, record.path):
            path.unlink(missing_ok=True)
