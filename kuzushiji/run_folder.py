"""Names in the folder of a run (`_runs/README.rst`): what stages leave there for those who read it as a whole."""

import re
from dataclasses import dataclass

SEGMENT = "segment"
CLASSIFY = "clf"

PARAMS = "params.json"
METRICS = "metrics.json"
METRICS_OOF = "metrics-oof.json"
EVENTS = "events.jsonl"
MODEL_BEST = "model_best.pth"
DETAILED = "detailed.parquet"
TEST_DETAILED = "test_detailed.parquet"
TEST_PREDICTIONS = "test_predictions.csv"
SUBMISSION = "submission.csv"
"""Of a classifier in its folder, and of the second level in the run's."""

FUSED = "segment_test_predictions.csv"
LEVEL2 = "level2_models"
LEVEL2_FILE = "level2.json"
LEVEL2_OOF = "oof.parquet"

BUNDLE_FILE = "bundle.json"
"""Describes a folder of exported models; without it a folder is one of a run."""

_FOLDER = re.compile(rf"(?P<stage>{SEGMENT}|{CLASSIFY})-fold(?P<fold>\d+)(?P<suffix>-.+)?")


@dataclass(frozen=True)
class ModelName:
    """Which model of a run.

    Attributes:
        kind: Of model: `segment`, `clf`, `clf-resnet10t`, …
        fold: That it has not seen.
    """

    kind: str
    fold: int

    @classmethod
    def of_folder(cls, name: str) -> "ModelName | None":
        """Return the model whose folder has this name, such as `clf-fold0-resnet10t`; None for another folder."""
        match = _FOLDER.fullmatch(name)
        return cls(match["stage"] + (match["suffix"] or ""), int(match["fold"])) if match else None

    @property
    def folder(self) -> str:
        """Name of its folder."""
        stage, dash, suffix = self.kind.partition("-")
        return f"{stage}-fold{self.fold}{dash}{suffix}"

    @property
    def is_detector(self) -> bool:
        """Whether it finds boxes; the others read them."""
        return self.kind.partition("-")[0] == SEGMENT
