"""What a fold's run leaves in its folder."""

from dataclasses import dataclass
from pathlib import Path

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
