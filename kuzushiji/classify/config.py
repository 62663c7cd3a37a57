"""The parameters of the classification networks; the defaults are the reference's recipe for ResNet-152."""

import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.artifacts import N_BEST
from kuzushiji.errors import InputError
from kuzushiji.options import BOTH, PREDICTIONS, again, option
from kuzushiji.run_folder import FUSED, VOCABULARY
from kuzushiji.training_options import CROPS, INFERENCE, MODEL, TASK, TRAINING, TrainingOptions

STAGE = "classify.train"
"""Name of the training, in its record and in its checkpoints."""


def heights_of(test_height: int, n_tta: int) -> tuple[int, ...]:
    """Return `n_tta` page heights from `test_height` on, each a tenth of it above the one before, pixels."""
    return tuple(round(test_height * (1 + i / 10)) for i in range(n_tta))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyConfig(TrainingOptions):
    """The classifier of a fold; see each option's help.

    With `resume` the model and the size of its pages come from the checkpoint; a flag that says otherwise is an error.
    """

    start_kind = "classifiers"
    lr_gamma = 0.1

    clf_gt: Path = option(
        dataclasses.MISSING, "boxes of the training pages with their classes, in the format of train.csv",
        metavar="CLF_GT", group=TASK, positional=True, changes_result=False,
    )  # fmt: skip
    test_book: str | None = option(
        None, "hold out this book alone in place of a fold", metavar="BOOK", group=TASK, decides=BOTH
    )
    save_features: bool = option(
        False, "also save what the head's last layer sees of the boxes of the held-out, training and (where they are "
        "classified) test pages, for python -m kuzushiji.classify.knn", group=TASK, changes_result=False,
    )  # fmt: skip
    print_model: bool = option(False, "print the model and leave", group=TASK, changes_result=False)
    test_boxes: Path | None = option(
        None, "boxes of the test pages; without it segment_test_predictions.csv beside CLF_GT",
        metavar="FILE", group=TASK, changes_result=False,
    )  # fmt: skip
    pseudolabels: tuple[Path, ...] = option(
        (), "boxes of test pages with their classes, to train on too", nargs="+", metavar="FILE", group=TASK,
        changes_result=False,
    )  # fmt: skip
    pseudolabels_oversample: int = option(
        1, "how often each page with pseudolabels comes in a pass", type=cli.positive_int, group=TASK
    )

    base: str = option(
        "resnet152", "backbone: resnet18, 34, 50, 101, 152, resnext101_32x8d_wsl, or a timm model with feature maps",
        group=MODEL, from_checkpoint=BOTH,
    )  # fmt: skip
    head_size: int = option(
        1024, "units of the head's bottleneck", type=cli.positive_int, group=MODEL, from_checkpoint=BOTH
    )
    head_dropout: float = option(
        0.5, "share cleared by both dropouts of the head", type=cli.fraction, group=MODEL, from_checkpoint=BOTH
    )
    frozen_start: bool = option(False, "keep the first convolution, its norm and layer1 as they are", group=MODEL)

    test_height: int = option(
        2528, "nominal height of a page, pixels", type=cli.positive_int, group=CROPS, decides=BOTH,
        from_checkpoint=BOTH,
    )  # fmt: skip
    scale_aug: float = option(
        0.3, "the scale of a crop varies by this share up and down", type=cli.fraction, group=CROPS
    )
    min_visible: float = 0.99
    box_jitter: float = option(
        0.0, "deviation of the random shift of box edges, share of the box's size", type=cli.fraction, group=CROPS
    )
    color_sat_aug: int = 30
    color_val_aug: int = 30

    repeat_train: int = option(6, "passes over the pages in an epoch", type=cli.positive_int, group=TRAINING)
    batch_size: int = 10
    max_targets: int = option(
        0, "most boxes in a batch, then also a multiple of 32; 0: no limit", type=cli.non_negative_int, group=TRAINING
    )
    lr: float = 14e-3
    cosine: bool = True
    drop_lr_epoch: int = option(
        0, "epoch from which the rate is a tenth, in place of the cosine; 0: none",
        type=cli.non_negative_int, group=TRAINING,
    )  # fmt: skip
    label_smoothing: float = option(
        0.0, "share of the target spread over all classes", type=cli.fraction, group=TRAINING
    )
    hold_absent: bool = option(
        False, "keep all classes of the model that training starts from (--start, --resume), also those that train.csv "
        "lacks; without a box in training they keep their rows of the head: the loss leaves their logits out",
        group=TRAINING,
    )  # fmt: skip
    head_start_epochs: int = option(
        0, "before the first epoch train the head alone, with this many passes over the boxes' features, which are "
        "kept in memory: pays where training is short",
        type=cli.non_negative_int, group=TRAINING,
    )  # fmt: skip
    head_start_lr: float = option(
        3e-3, "learning rate of that, of AdamW, cosine to zero", type=cli.positive_float, group=TRAINING
    )

    n_tta: int = option(
        4, "sizes of a page whose logits are averaged: --test-height times 1, 1.1, 1.2, 1.3 ...",
        type=cli.positive_int, group=INFERENCE, decides=(PREDICTIONS,),
    )  # fmt: skip
    tta_heights: tuple[int, ...] = option(
        (), "page heights in place of those, pixels", type=cli.positive_int, nargs="+", group=INFERENCE,
        decides=(PREDICTIONS,),
    )  # fmt: skip
    top_k: int = option(
        N_BEST, "best classes of a box that are written", type=cli.positive_int, group=INFERENCE,
        decides=(PREDICTIONS,),
    )  # fmt: skip
    detailed_postfix: str = option(
        "", "put before the endings of detailed.parquet, test_detailed.parquet and submission.csv", group=INFERENCE,
        changes_result=False,
    )  # fmt: skip

    benchmark: bool = again(
        False, help="let cuDNN time its algorithms for each shape of a training batch: pays with --max-targets"
    )
    cache_mib: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drop_lr_epoch and self.cosine and "cosine" in self.given:
            raise InputError("expected --cosine 1 or --drop-lr-epoch, got both")
        if self.head_dropout >= 1 or self.scale_aug >= 1 or self.label_smoothing >= 1:
            raise InputError("expected --head-dropout, --scale-aug and --label-smoothing below 1, got 1")
        if self.hold_absent and self.label_smoothing:
            raise InputError("--hold-absent leaves classes out, --label-smoothing spreads over all: expected one")
        if "/" in self.detailed_postfix:
            raise InputError(f"--detailed-postfix: expected a part of a file name, got {self.detailed_postfix!r}")

        if self.hold_absent and self.start is None and self.resume is None:
            raise InputError("--hold-absent keeps the classes of a model: expected --start or --resume, got neither")

    @property
    def held_classes(self) -> Path | None:
        """File with the classes of the model that training starts from; None where they are not kept.

        Raises:
            InputError: there is no such model to start from.
        """
        return self.start_classes if self.hold_absent else None

    @property
    def start_classes(self) -> Path | None:
        """File with the classes of the model that training starts from; None where it starts from no whole model.

        Raises:
            InputError: there is no such model to start from.
        """
        if self.resume is not None:
            return self.resume.parent / VOCABULARY
        start = self.start_model
        return None if start is None else start.vocabulary

    @property
    def backbone(self) -> str:
        """Name of the backbone."""
        return self.base

    @property
    def uses_cosine(self) -> bool:
        """Whether the learning rate follows the cosine: `drop_lr_epoch` takes its place."""
        return self.cosine and not self.drop_lr_epoch

    @property
    def lr_steps(self) -> tuple[int, ...]:
        """Epochs from which the learning rate is multiplied by `lr_gamma`."""
        return (self.drop_lr_epoch,) if self.drop_lr_epoch else ()

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
