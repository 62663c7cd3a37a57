"""A small folder of untrained models for tests: what a run leaves, as far as reading new pages needs it."""

import json
from pathlib import Path

import torch

from kuzushiji.classify import level2_features
from kuzushiji.classify.classifier import Classifier, meta_of
from kuzushiji.classify.level2 import __main__ as level2
from kuzushiji.classify.network import ModelConfig, build_model
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.checkpoint import save_checkpoint
from kuzushiji.files import atomic_write_json
from kuzushiji.segment.config import STAGE, SegmentConfig
from kuzushiji.segment.detector import build_model as build_detector
from kuzushiji.segment.detector import checkpoint_meta
from tests.tables import N_FOLDS, write_runs

KINDS = ("clf", "clf-b")
HEIGHT = 120
LEVEL2 = ["--num-boost-round", "2", "--early-stop", "1", "--n-folds", str(N_FOLDS), "--use-xgb", "0"]


def write_detector(folder: Path, long_side: int = 120, *, score_threshold: float = 0.05) -> None:
    """Write an untrained detector that finds a dozen boxes wherever it looks; none with a threshold of 1."""
    config = SegmentConfig(
        output_dir=folder, model="fasterrcnn_resnet18_fpn", pretrained=False, norm="batch", fpn_channels=16,
        box_head_size=16, test_long_side=long_side, score_threshold=score_threshold, max_detections=12,
        proposals_test=60, nms_threshold=0.3,
    )  # fmt: skip
    torch.manual_seed(0)
    meta = {**checkpoint_meta(config, []), "stage": STAGE, "epoch": 0, "metrics": {}}
    folder.mkdir(parents=True)
    save_checkpoint(folder / "model_best.pth", {"model": build_detector(config)}, meta)
    atomic_write_json(folder / "metrics-oof.json", {"f1": 0.5})


def write_classifier(folder: Path, seed: int, vocabulary: Vocabulary) -> None:
    """Write an untrained classifier with two sizes of a page."""
    config = ModelConfig("resnet18", 8, 0.0)
    torch.manual_seed(seed)
    classifier = Classifier(build_model(config, len(vocabulary), pretrained=False), config, vocabulary, HEIGHT)
    folder.mkdir(parents=True)
    save_checkpoint(folder / "model_best.pth", {"model": classifier.model}, meta_of(classifier))
    atomic_write_json(folder / "params.json", {"n_tta": 2, "tta_heights": [], "top_k": 50, "opt_level": "O0"})
    atomic_write_json(folder / "metrics-oof.json", {"f1": 0.75})


def write_models(runs: Path, root: Path) -> None:
    """Write the detectors of two folds, the classifiers of two kinds and three folds, and a second level of tables."""
    vocabulary = Vocabulary.from_train_csv(root / "train.csv")
    for fold in range(2):
        write_detector(runs / f"segment-fold{fold}", 120 + 4 * fold)
    for number, kind in enumerate(KINDS):
        stage, _, suffix = kind.partition("-")
        for fold in range(N_FOLDS):
            name = f"{stage}-fold{fold}{'-' if suffix else ''}{suffix}"
            write_classifier(runs / name, 10 * number + fold, vocabulary)
    write_level2(runs, root)


def write_level2(runs: Path, root: Path) -> None:
    """Train a second level on made-up tables of these kinds of models, and leave its records."""
    tables = runs / "tables"
    write_runs(root, tables, KINDS)
    words = []
    for fold in range(N_FOLDS):
        groups = []
        for kind in KINDS:
            stage, _, suffix = kind.partition("-")
            table = runs / f"{stage}-fold{fold}{'-' if suffix else ''}{suffix}" / "detailed.parquet"
            (tables / f"fold{fold}-{kind}.parquet").rename(table)
            groups.append([str(table)])
        level2_features.main([json.dumps(groups), str(runs / f"level2_features_fold{fold}.parquet"), "--top-k", "2"])
        words += [groups[0][0], str(runs / f"level2_features_fold{fold}.parquet")]
    assert level2.main([*words, "--save-model", str(runs / "level2_models"), "--data-root", str(root), *LEVEL2]) == 0


def some_of(models: Path, folder: Path, *names: str) -> Path:
    """Return a new folder with some of the models."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).symlink_to(models / name)
    return folder
