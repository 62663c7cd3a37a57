"""Names in the folder of a run (`_runs/README.rst`): what stages leave there for those who read it as a whole."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SEGMENT = "segment"
CLASSIFY = "clf"

PARAMS = "params.json"
METRICS = "metrics.json"
METRICS_OOF = "metrics-oof.json"
EVENTS = "events.jsonl"
CHECKPOINT = "checkpoint.pth"
MODEL_BEST = "model_best.pth"
VOCABULARY = "vocabulary.json"
TRAIN_RECORD = "record-train.json"
OOF_RECORD = "record-oof.json"
TEST_RECORD = "record-test.json"

CLF_GT = "clf_gt.csv"
DETECTIONS = "detections.parquet"
TEST_PREDICTIONS = "test_predictions.csv"
TEST_DETECTIONS = "test_detections.parquet"

DETAILED = "detailed.parquet"
TEST_DETAILED = "test_detailed.parquet"
SUBMISSION = "submission.csv"
"""Of a classifier in its folder, and of the second level in the run's."""
HEAD_FEATURES = ("head_features.parquet", "train_head_features.parquet", "test_head_features.parquet")
"""Of the held-out pages, the training pages, the test pages."""
FEATURES_RECORD = "record-features.json"

FUSED = "segment_test_predictions.csv"
LEVEL2 = "level2_models"
LEVEL2_FILE = "level2.json"
LEVEL2_OOF = "oof.parquet"
LEVEL2_RECORD = "record-level2.json"

LANGUAGE = "language.safetensors"
"""Counts of pairs of characters, with which boxes are read together where there is no second level."""
READING = "reading.json"
"""`character_size`, of `bundle.members.Bundle`: for which characters the models were made."""

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


def kinds_of(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the kind of each group of tables, such as `clf-resnet10t`, by the folders of a run that these lie in.

    Returns:
        One a group; empty where a group has no kind: its tables lie elsewhere, or are of several kinds.
    """
    kinds: list[str] = []
    for group in groups:
        names = [ModelName.of_folder(Path(table).parent.name) for table in group]
        of_group = {name.kind for name in names if name}
        if len(of_group) != 1 or not all(names):
            return ()
        kinds.extend(of_group)
    return tuple(kinds)
