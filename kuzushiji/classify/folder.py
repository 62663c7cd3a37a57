"""What of a run's folder a training of a classifier may go on from."""

import logging

from kuzushiji.classify.config import ClassifyConfig
from kuzushiji.record import StageRecord
from kuzushiji.run_folder import CHECKPOINT

logger = logging.getLogger(__name__)

STAGE = "classify.train"
"""Name of the training, in its record and in its checkpoints."""


def forget_finished(config: ClassifyConfig, record: StageRecord) -> None:
    """Remove the state of a run that is over, whose outputs were damaged or whose inputs are others now.

    Going on from it would change nothing.
    """
    if record.path.exists() and not record.changed_parameters():
        logger.info("%s: the outputs are not those of the record, training starts anew", config.output_dir)
        for name in (CHECKPOINT, record.path.name):
            (config.output_dir / name).unlink(missing_ok=True)
