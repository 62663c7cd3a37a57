"""Training: what it computes with, told from the inside. `test_main.py` runs it from the command line."""

import dataclasses
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from kuzushiji.classify.classifier import build_classifier
from kuzushiji.classify.inputs import pages_of, read_split
from kuzushiji.classify.main import Classify
from kuzushiji.classify.predict import Predictor, evaluate
from kuzushiji.classify.train import build_crops, training_of
from kuzushiji.data.labels import read_page_labels
from kuzushiji.data.paths import DataRoot
from kuzushiji.data.vocabulary import Vocabulary
from kuzushiji.engine.loop import fit
from kuzushiji.engine.machine import set_up
from kuzushiji.engine.optim import factor_of

SMALL = shlex.split(
    "--n-folds 3 --base mobilenetv4_conv_small --pretrained 0 --head-size 32 --head-dropout 0 --test-height 240 "
    "--crop-width 160 --crop-height 240 --batch-size 3 --train-limit 3 --repeat-train 1 --workers 0 --cache-mib 0 "
    "--device cpu"
)
NO_AUGMENTATION = shlex.split("--scale-aug 0 --color-hue-aug 0 --color-sat-aug 0 --color-val-aug 0")


def test_learning_rate_zero_makes_training_and_validation_agree(tiny_root: Path, tmp_path: Path) -> None:
    """The same pages, as crops and as whole pages, through the two paths of the data: the same loss."""
    root = DataRoot(tiny_root)
    shutil.copy(root.train_csv, tmp_path / "clf_gt.csv")
    options = [*SMALL, *NO_AUGMENTATION, "--lr", "0", "--epochs", "2"]
    config = Classify.parse_args([str(tmp_path / "clf_gt.csv"), "--output-dir", str(tmp_path / "run"), *options])
    split = read_split(config, root)
    precision = set_up(config)
    classifier = build_classifier(config, split.vocabulary, precision)
    for module in classifier.model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0  # the running statistics are those of the last batch, which holds all pages
    losses: list[dict[str, float]] = []
    training = training_of(config, classifier, build_crops(config, root, split, classifier.test_height), precision, {})

    def remember(batch: object) -> object:
        output = training.step(batch)
        losses.append({"loss": float(output.loss.detach()), "accuracy": float(output.metrics["accuracy"])})
        return output

    fit(dataclasses.replace(training, step=remember))
    pages = pages_of(split.train, root.train_image, split.vocabulary, "clf_gt.csv")
    truth = read_page_labels(root.train_csv).of_pages(split.train.image_ids)
    classifier.model.eval()
    valid = evaluate(Predictor(precision), classifier.model, pages, split.train, truth, split.vocabulary, height=240)
    assert losses[0]["loss"] == pytest.approx(losses[-1]["loss"], rel=1e-5)
    assert valid["loss"] == pytest.approx(losses[-1]["loss"], rel=0.02)
    assert valid["accuracy"] == pytest.approx(losses[-1]["accuracy"], abs=0.06)


@pytest.mark.parametrize(
    ("words", "factors"),
    [
        # 4 epochs of 10 updates: at the start of epochs 0, 2, 3 and at the very end
        ("--cosine 1", (1, 0.5, 0.1464, 0)),
        ("--cosine 0", (1, 1, 1, 1)),
        ("--drop-lr-epoch 3", (1, 1, 0.1, 0.1)),
        ("--cosine 0 --warmup-steps 20", (0.001, 1, 1, 1)),
    ],
)
def test_learning_rate(words: str, factors: tuple[float, ...]) -> None:
    config = Classify.parse_args(["clf_gt.csv", "--output-dir", "out", "--epochs", "4", *words.split()])
    factor = factor_of(config, batches=10)
    assert [factor(step) for step in (0, 20, 30, 40)] == [pytest.approx(value, abs=1e-4) for value in factors]


def test_accumulated_batches_count_as_one_update() -> None:
    config = Classify.parse_args(shlex.split("clf_gt.csv --output-dir out --epochs 4 --accumulation-steps 5"))
    assert factor_of(config, batches=10)(4) == pytest.approx(0.5)  # half of the 8 updates


def test_new_classifiers_depend_on_the_seed(tiny_root: Path) -> None:
    def weights(seed: int) -> torch.Tensor:
        config = Classify.parse_args(["clf_gt.csv", "--output-dir", "out", *SMALL, "--seed", str(seed)])
        vocabulary = Vocabulary.from_train_csv(DataRoot(tiny_root).train_csv)
        classifier = build_classifier(config, vocabulary, set_up(config))
        return torch.cat([value.flatten().float() for value in classifier.model.state_dict().values()])

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))
