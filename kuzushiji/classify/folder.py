"""The records by which the parts of a classifier's run are skipped when they are done, and what starts anew."""

import logging
from pathlib import Path

from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.classify.predictions import submission_outputs
from kuzushiji.data.paths import DataRoot
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

logger = logging.getLogger(__name__)

STAGE = "classify.train"
"""Name of the training, in its record and in its checkpoints."""


def train_record(config: ClassifyConfig, root: DataRoot) -> StageRecord:
    """Return the record of training."""
    names = (MODEL_BEST, METRICS, PARAMS, VOCABULARY)
    return StageRecord(
        config.output_dir / TRAIN_RECORD, STAGE, config.training_parameters(),
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


def forget_finished(config: ClassifyConfig, record: StageRecord) -> None:
    """Remove the state of a run that is over, whose outputs were damaged or whose inputs are others now.

    Going on from it would change nothing.
    """
    if record.path.exists() and not record.changed_parameters():
        logger.info("%s: the outputs are not those of the record, training starts anew", config.output_dir)
        for name in (CHECKPOINT, record.path.name):
            (config.output_dir / name).unlink(missing_ok=True)
