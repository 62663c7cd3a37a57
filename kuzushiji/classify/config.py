"""The parameters of the classification networks; the defaults are the reference's recipe for ResNet-152."""

import dataclasses
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.artifacts import N_BEST
from kuzushiji.data.folds import check_fold
from kuzushiji.errors import InputError
from kuzushiji.machine_options import (
    MachineOptions,
    benchmark_option,
    cache_option,
    check_average,
    check_task,
    start_option,
)
from kuzushiji.named_models import StartModel, start_model
from kuzushiji.options import data_root_option, force_option, json_option, option, parameters, split_option
from kuzushiji.packaged import weights_file
from kuzushiji.run_folder import FUSED

STAGE = "classify.train"
"""Name of the training, in its record and in its checkpoints."""

TASK, DATA, MODEL, CROPS, TRAINING, INFERENCE = "what to do", "data", "model", "crops", "training", "inference"
_INFERENCE_ONLY = ("n_tta", "tta_heights", "top_k", "detailed_postfix", "test_boxes")
_OF_INFERENCE = (
    "fold",
    "n_folds",
    "split",
    "test_book",
    "test_limit",
    "test_height",
    "n_tta",
    "tta_heights",
    "top_k",
    "opt_level",
)
_OF_CHECKPOINT = ("base", "head_size", "head_dropout", "test_height")


def heights_of(test_height: int, n_tta: int) -> tuple[int, ...]:
    """Return `n_tta` page heights from `test_height` on, each a tenth of it above the one before, pixels."""
    return tuple(round(test_height * (1 + i / 10)) for i in range(n_tta))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyConfig(MachineOptions):
    """Everything that a run of the networks can be told; see each option's help.

    Attributes:
        given: Names of the options that the command line set itself: with `resume` the model and the size of its
            pages come from the checkpoint, and a flag that says otherwise is an error.
    """

    clf_gt: Path = option(
        dataclasses.MISSING, "boxes of the training pages with their classes, in the format of train.csv",
        metavar="CLF_GT", group=TASK, positional=True, changes_result=False,
    )  # fmt: skip
    output_dir: Path = option(
        dataclasses.MISSING, "folder of this model's outputs", metavar="DIR", group=TASK, changes_result=False
    )
    fold: int = option(0, "number of the fold that is held out", type=cli.non_negative_int, group=TASK)
    n_folds: int = option(5, "number of folds, by book", type=cli.positive_int, group=TASK)
    split: str = split_option(TASK)
    test_book: str | None = option(None, "hold out this book alone in place of a fold", metavar="BOOK", group=TASK)
    resume: Path | None = option(
        None, "checkpoint whose weights are used, or trained on; continuing an interrupted run needs no flag",
        metavar="FILE", group=TASK, changes_result=False,
    )  # fmt: skip
    test_only: bool = option(False, "only classify the boxes of the held-out pages", group=TASK, changes_result=False)
    submission: bool = option(False, "only classify the boxes of the test pages", group=TASK, changes_result=False)
    with_test: bool = option(
        False, "after training also classify the boxes of the test pages", group=TASK, changes_result=False
    )
    save_features: bool = option(
        False, "also save what the head's last layer sees of the boxes of the held-out, training and (where they are "
        "classified) test pages, for python -m kuzushiji.classify.knn", group=TASK, changes_result=False,
    )  # fmt: skip
    print_model: bool = option(False, "print the model and leave", group=TASK, changes_result=False)
    force: bool = force_option("from the beginning", group=TASK)
    json: bool = json_option(group=TASK)

    data_root: Path | None = data_root_option("train.csv and the images", group=DATA)
    test_boxes: Path | None = option(
        None, "boxes of the test pages; without it segment_test_predictions.csv beside CLF_GT",
        metavar="FILE", group=DATA, changes_result=False,
    )  # fmt: skip
    pseudolabels: tuple[Path, ...] = option(
        (), "boxes of test pages with their classes, to train on too", nargs="+", metavar="FILE", group=DATA,
        changes_result=False,
    )  # fmt: skip
    pseudolabels_oversample: int = option(
        1, "how often each page with pseudolabels comes in a pass", type=cli.positive_int, group=DATA
    )
    train_limit: int = option(
        0, "train on this many pages, spread over the table; 0: all", type=cli.non_negative_int, group=DATA
    )
    test_limit: int = option(
        0, "evaluate and predict this many pages, spread over the table; 0: all",
        type=cli.non_negative_int, group=DATA,
    )  # fmt: skip

    base: str = option(
        "resnet152", "backbone: resnet18, 34, 50, 101, 152, resnext101_32x8d_wsl, or a timm model with feature maps",
        group=MODEL,
    )  # fmt: skip
    pretrained: bool = option(True, "start from the published weights of the backbone", group=MODEL)
    weights: str | None = option(
        None, "start from these backbone weights (.safetensors, .pth); 'books': those that come with the package",
        metavar="FILE", group=MODEL, changes_result=False,
    )  # fmt: skip
    start: str | None = start_option("the classifier of this backbone", group=MODEL)
    head_size: int = option(1024, "units of the head's bottleneck", type=cli.positive_int, group=MODEL)
    head_dropout: float = option(0.5, "share cleared by both dropouts of the head", type=cli.fraction, group=MODEL)
    frozen_start: bool = option(
        False, "keep the first convolution, its norm and layer1 as they are", group=MODEL
    )  # fmt: skip

    test_height: int = option(2528, "nominal height of a page, pixels", type=cli.positive_int, group=CROPS)
    crop_height: int = option(768, "height of a training crop, pixels", type=cli.positive_int, group=CROPS)
    crop_width: int = option(512, "width of a training crop, pixels", type=cli.positive_int, group=CROPS)
    scale_aug: float = option(
        0.3, "the scale of a crop varies by this share up and down", type=cli.fraction, group=CROPS
    )
    min_visible: float = option(
        0.99, "share of a box that must be inside the crop for it to stay", type=cli.fraction, group=CROPS
    )
    box_jitter: float = option(
        0.0, "deviation of the random shift of box edges, share of the box's size", type=cli.fraction, group=CROPS
    )
    color_hue_aug: int = option(7, "largest shift of the hue", type=cli.non_negative_int, group=CROPS)
    color_sat_aug: int = option(30, "largest shift of the saturation", type=cli.non_negative_int, group=CROPS)
    color_val_aug: int = option(30, "largest shift of the value", type=cli.non_negative_int, group=CROPS)

    epochs: int = option(50, "number of epochs", type=cli.positive_int, group=TRAINING)
    repeat_train: int = option(6, "passes over the pages in an epoch", type=cli.positive_int, group=TRAINING)
    batch_size: int = option(10, "crops in a batch", type=cli.positive_int, group=TRAINING)
    max_targets: int = option(
        0, "most boxes in a batch, then also a multiple of 32; 0: no limit", type=cli.non_negative_int, group=TRAINING
    )
    accumulation_steps: int = option(
        1, "batches whose gradients are averaged for one update", type=cli.positive_int, group=TRAINING
    )
    optimizer: str = option("sgd", "optimizer", choices=("sgd", "adamw"), group=TRAINING)
    lr: float = option(14e-3, "learning rate", type=cli.non_negative_float, group=TRAINING)
    momentum: float = option(0.9, "momentum of SGD", type=cli.fraction, group=TRAINING)
    wd: float = option(1e-4, "weight decay", type=cli.non_negative_float, group=TRAINING)
    cosine: bool = option(True, "cosine schedule of the learning rate, to zero", group=TRAINING)
    drop_lr_epoch: int = option(
        0, "epoch from which the rate is a tenth, in place of the cosine; 0: none",
        type=cli.non_negative_int, group=TRAINING,
    )  # fmt: skip
    warmup_steps: int = option(
        0, "updates over which the learning rate rises from zero, once", type=cli.non_negative_int, group=TRAINING
    )
    clip_grad: float = option(
        0.0, "greatest norm of the gradient; 0: not clipped", type=cli.non_negative_float, group=TRAINING
    )
    label_smoothing: float = option(
        0.0, "share of the target spread over all classes", type=cli.fraction, group=TRAINING
    )  # fmt: skip
    hold_absent: bool = option(
        False, "classes without a box in training keep their rows of the head: the loss leaves their logits out",
        group=TRAINING,
    )  # fmt: skip
    ema: float = option(
        0.0, "decay of the averaged weights that are evaluated and kept; 0: none", type=cli.fraction, group=TRAINING
    )
    head_start_epochs: int = option(
        0, "before the first epoch train the head alone, with this many passes over the boxes' features, which are "
        "kept in memory: pays where training is short",
        type=cli.non_negative_int, group=TRAINING,
    )  # fmt: skip
    head_start_lr: float = option(
        3e-3, "learning rate of that, of AdamW, cosine to zero", type=cli.positive_float, group=TRAINING
    )
    evaluate_every: int = option(
        1, "evaluate after every so many epochs, and after the last; 0: never, the last epoch counts as the best",
        type=cli.non_negative_int, group=TRAINING,
    )  # fmt: skip

    n_tta: int = option(
        4, "sizes of a page whose logits are averaged: --test-height times 1, 1.1, 1.2, 1.3 ...",
        type=cli.positive_int, group=INFERENCE,
    )  # fmt: skip
    tta_heights: tuple[int, ...] = option(
        (), "page heights in place of those, pixels", type=cli.positive_int, nargs="+", group=INFERENCE
    )
    top_k: int = option(N_BEST, "best classes of a box that are written", type=cli.positive_int, group=INFERENCE)
    detailed_postfix: str = option(
        "", "put before the endings of detailed.parquet, test_detailed.parquet and submission.csv", group=INFERENCE
    )

    benchmark: bool = benchmark_option(False, ": pays with --max-targets")
    cache_mib: int = cache_option(1024)

    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Check what one option alone cannot.

        Raises:
            InputError: options contradict each other.
        """
        check_fold(self.fold, self.n_folds)
        check_task(
            test_only=self.test_only, submission=self.submission, with_test=self.with_test, resume=self.resume,
            weights=self.weights, start=self.start,
        )  # fmt: skip
        check_average(self.ema, self.opt_level)
        if self.drop_lr_epoch and self.cosine and "cosine" in self.given:
            raise InputError("expected --cosine 1 or --drop-lr-epoch, got both")
        if self.head_dropout >= 1 or self.scale_aug >= 1 or self.label_smoothing >= 1:
            raise InputError("expected --head-dropout, --scale-aug and --label-smoothing below 1, got 1")
        if self.hold_absent and self.label_smoothing:
            raise InputError("--hold-absent leaves classes out, --label-smoothing spreads over all: expected one")
        if "/" in self.detailed_postfix:
            raise InputError(f"--detailed-postfix: expected a part of a file name, got {self.detailed_postfix!r}")

    @property
    def uses_cosine(self) -> bool:
        """Whether the learning rate follows the cosine: `drop_lr_epoch` takes its place."""
        return self.cosine and not self.drop_lr_epoch

    @property
    def heights(self) -> tuple[int, ...]:
        """Page heights of test-time augmentation, pixels."""
        return self.tta_heights or heights_of(self.test_height, self.n_tta)

    @property
    def test_boxes_path(self) -> Path:
        """Table of the boxes of the test pages."""
        return self.test_boxes or self.clf_gt.parent / FUSED

    def output(self, name: str) -> Path:
        """Return the path of an output, `detailed_postfix` put before its last ending."""
        stem, _, ending = name.rpartition(".")
        return self.output_dir / f"{stem}{self.detailed_postfix}.{ending}"

    @property
    def start_model(self) -> StartModel | None:
        """The model that training starts from; None where no flag names any.

        Raises:
            InputError: as `named_models.start_model`.
        """
        return None if self.start is None else start_model(self.start, "classifiers", self.base)

    @property
    def weights_file(self) -> Path | None:
        """File of the backbone's weights; None where no flag names any.

        Raises:
            InputError: none come with the package for this backbone.
        """
        return weights_file(self.weights, self.base)

    def training_parameters(self) -> dict[str, Any]:
        """Return the values that decide the weights of the model; None for those that the checkpoint decides."""
        return {name: value for name, value in self._parameters().items() if name not in _INFERENCE_ONLY}

    def inference_parameters(self) -> dict[str, Any]:
        """Return the values that decide predictions, once the weights are there."""
        return {name: value for name, value in self._parameters().items() if name in _OF_INFERENCE}

    def _parameters(self) -> dict[str, Any]:
        inherited = set(_OF_CHECKPOINT) - self.given if self.resume else set()
        return {name: None if name in inherited else value for name, value in parameters(self).items()}
