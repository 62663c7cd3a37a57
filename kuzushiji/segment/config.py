"""The parameters of the segmentation stage; the defaults are the reference's recipe, but for the losses of boxes."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.data.folds import check_fold
from kuzushiji.errors import InputError
from kuzushiji.machine_options import (
    MachineOptions,
    benchmark_option,
    check_average,
    check_task,
    start_option,
)
from kuzushiji.named_models import StartModel, start_model
from kuzushiji.options import data_root_option, force_option, json_option, option, parameters, split_option
from kuzushiji.packaged import weights_file

MODELS = {f"fasterrcnn_resnet{depth}_fpn": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)}
"""Name of the model on the command line -> name of its backbone."""

SMOOTH_L1_BETA = 1 / 9
"""torchvision's, with which every detector was trained before this was an option: records and checkpoints without the
options count as having their defaults."""

INFERENCE = (
    "long_side", "crop_width", "crop_height", "crop_min_height", "crop_max_height", "test_long_side",
    "test_scales", "score_threshold", "nms_threshold", "max_detections", "match_iou", "proposals_test", "opt_level",
)  # fmt: skip
"""Options that, where a checkpoint is only applied, come from it unless a flag is given."""


OF_CHECKPOINT = (
    *(name for name in INFERENCE if name != "opt_level"), "model", "anchor_sizes", "fpn_channels", "box_head_size",
    "norm", "trainable_layers", "min_visible", "rois_per_image", "anchors_per_image", "proposals_train",
    "rpn_smooth_l1_beta", "box_smooth_l1_beta",
)  # fmt: skip
"""Options that, where a checkpoint is trained on, come from it unless a flag is given."""


def model_name(text: str) -> str:
    """Parse the name of a model."""
    if text in MODELS:
        return text
    import difflib

    near = difflib.get_close_matches(text, [*MODELS, *MODELS.values()], n=1)
    by_backbone = {backbone: model for model, backbone in MODELS.items()}
    hint = f"; did you mean {by_backbone.get(near[0], near[0])}?" if near else ""
    raise argparse.ArgumentTypeError(f"expected one of {', '.join(MODELS)}, got {text!r}{hint}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentConfig(MachineOptions):
    """Everything that a run of the stage can be told; see each option's help.

    Attributes:
        given: Names of the options that the command line set itself: a checkpoint decides about the others.
    """

    output_dir: Path = option(
        dataclasses.MISSING, "folder of the fold's outputs", metavar="DIR", group="what to do", changes_result=False
    )
    fold: int = option(0, "number of the fold that is held out", type=cli.non_negative_int, group="what to do")
    n_folds: int = option(5, "number of folds, by book", type=cli.positive_int, group="what to do")
    split: str = split_option("what to do")
    resume: Path | None = option(
        None, "checkpoint whose weights are used, or trained on; continuing an interrupted run needs no flag",
        metavar="FILE", group="what to do", changes_result=False,
    )  # fmt: skip
    test_only: bool = option(
        False, "only find boxes on the fold's held-out pages", group="what to do", changes_result=False
    )
    submission: bool = option(False, "only find boxes on the test pages", group="what to do", changes_result=False)
    with_test: bool = option(
        False, "after training also find boxes on the test pages", group="what to do", changes_result=False
    )
    force: bool = force_option("from the beginning", group="what to do")
    json: bool = json_option(group="what to do")
    data_root: Path | None = data_root_option("train.csv and the images", group="what to do")
    train_limit: int = option(
        0, "train on this many pages, spread over the table; 0: all", type=cli.non_negative_int, group="what to do"
    )
    test_limit: int = option(
        0, "evaluate and predict this many pages, spread over the table; 0: all",
        type=cli.non_negative_int, group="what to do",
    )  # fmt: skip

    model: str = option("fasterrcnn_resnet152_fpn", f"one of {', '.join(MODELS)}", type=model_name, group="model")
    pretrained: bool = option(True, "start from ImageNet weights (V1), downloaded when needed", group="model")
    weights: str | None = option(
        None, "start from these backbone weights instead (.safetensors, .pth); 'books': those that come with the "
        "package, layer4 at random", metavar="FILE", group="model",
        changes_result=False,
    )  # fmt: skip
    start: str | None = start_option("the detector", group="model")
    anchor_sizes: tuple[int, ...] = option(
        (12, 24, 32, 64, 96), "anchor size of each of the five levels, pixels of the scaled page",
        type=cli.positive_int, nargs="+", group="model",
    )  # fmt: skip
    fpn_channels: int = option(256, "channels of the feature pyramid", type=cli.positive_int, group="model")
    box_head_size: int = option(1024, "units of the box head's layers", type=cli.positive_int, group="model")
    rois_per_image: int = option(
        512, "proposals of a training crop that the box head learns from", type=cli.positive_int, group="model"
    )
    anchors_per_image: int = option(
        256, "anchors of a training crop that the proposals learn from", type=cli.positive_int, group="model"
    )
    proposals_train: int = option(2000, "most proposals of a training crop", type=cli.positive_int, group="model")
    proposals_test: int = option(1000, "most proposals of a page", type=cli.positive_int, group="model")
    norm: str = option(
        "auto", "norm of the backbone: frozen batch norm, batch norm or group norm; auto: frozen if it is pretrained, "
        "else batch",
        choices=("auto", "frozen", "batch", "group"), group="model",
    )  # fmt: skip
    trainable_layers: int | None = option(
        None, "parts of the backbone that are trained, from the last, 0 to 5; without it 3 if it is pretrained, else 5",
        type=cli.non_negative_int, group="model",
    )  # fmt: skip
    rpn_smooth_l1_beta: float = option(
        SMOOTH_L1_BETA, "smooth L1 loss of the proposals' boxes: error up to which it is quadratic; 0: L1, as the "
        "reference",
        type=cli.non_negative_float, group="model",
    )  # fmt: skip
    box_smooth_l1_beta: float = option(
        SMOOTH_L1_BETA, "the same of the box head; the reference has 1", type=cli.non_negative_float, group="model"
    )

    long_side: int = option(2048, "long side to which a page is scaled, pixels", type=cli.positive_int, group="crops")
    crop_width: int = option(512, "width of the network's input, pixels", type=cli.positive_int, group="crops")
    crop_height: int = option(384, "height of the network's input, pixels", type=cli.positive_int, group="crops")
    crop_min_height: int = option(
        400, "least height of a crop out of the scaled page, pixels", type=cli.positive_int, group="crops"
    )
    crop_max_height: int = option(
        533, "greatest height of a crop out of the scaled page, pixels", type=cli.positive_int, group="crops"
    )
    min_visible: float = option(
        0.5, "part of a box that must be inside the crop for it to stay", type=cli.fraction, group="crops"
    )
    color_hue_aug: int = option(7, "largest shift of the hue", type=cli.non_negative_int, group="crops")
    color_sat_aug: int = option(10, "largest shift of the saturation", type=cli.non_negative_int, group="crops")
    color_val_aug: int = option(10, "largest shift of the value", type=cli.non_negative_int, group="crops")

    epochs: int = option(45, "number of epochs", type=cli.positive_int, group="training")
    repeat_train_step: int = option(
        2, "passes over the training pages in an epoch", type=cli.positive_int, group="training"
    )
    batch_size: int = option(16, "crops in a step", type=cli.positive_int, group="training")
    accumulation_steps: int = option(
        1, "batches whose gradients are averaged for one step", type=cli.positive_int, group="training"
    )
    optimizer: str = option("sgd", "optimizer", choices=("sgd", "adamw"), group="training")
    lr: float = option(0.01, "learning rate", type=cli.non_negative_float, group="training")
    momentum: float = option(0.9, "momentum of SGD", type=cli.fraction, group="training")
    wd: float = option(1e-4, "weight decay", type=cli.non_negative_float, group="training")
    lr_steps: tuple[int, ...] = option(
        (35,), "epochs at which the learning rate is multiplied by --lr-gamma",
        type=cli.positive_int, nargs="*", group="training",
    )  # fmt: skip
    lr_gamma: float = option(0.1, "factor of --lr-steps", type=cli.fraction, group="training")
    cosine: bool = option(False, "cosine schedule to zero instead of --lr-steps", group="training")
    warmup_steps: int = option(
        1000, "steps over which the learning rate rises from zero, once", type=cli.non_negative_int, group="training"
    )
    clip_grad: float = option(
        0.0, "greatest norm of the gradient; 0: not clipped", type=cli.non_negative_float, group="training"
    )
    ema: float = option(
        0.0, "decay of the averaged weights that are evaluated and kept; 0: none", type=cli.fraction, group="training"
    )
    evaluate_every: int = option(
        1, "evaluate after every so many epochs, and after the last; 0: never, the last epoch counts as the best",
        type=cli.non_negative_int, group="training",
    )  # fmt: skip

    test_long_side: int | None = option(
        None, "long side of a page for inference, pixels; without it that at which characters are as large as in "
        "training on average: --long-side * --crop-height / mean crop height",
        type=cli.positive_int, group="inference",
    )  # fmt: skip
    test_scales: tuple[float, ...] = option(
        (1.0,), "sizes of a page for inference, times --test-long-side; what is found in several is fused, and "
        "--score-threshold then also holds for the mean score",
        type=cli.positive_float, nargs="+", group="inference",
    )  # fmt: skip
    score_threshold: float = option(0.5, "least score of a box", type=cli.fraction, group="inference")
    nms_threshold: float = option(
        0.25, "of two boxes with a greater IoU only the better stays", type=cli.fraction, group="inference"
    )
    max_detections: int = option(1000, "most boxes of a page", type=cli.positive_int, group="inference")
    match_iou: float = option(
        0.5, "IoU with a truth box from which on a box on a held-out page counts as that character, not as seg_fp",
        type=cli.fraction, group="inference",
    )  # fmt: skip

    benchmark: bool = benchmark_option(True, " for each shape of images")

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
        if self.cosine and "lr_steps" in self.given:
            raise InputError("expected --cosine 1 or --lr-steps, got both")
        if self.norm == "group" and self.pretrained and self.weights is None and self.resume is None:
            raise InputError("--norm group: there are no ImageNet weights for it, expected --pretrained 0 or --weights")
        if self.crop_min_height > self.crop_max_height:
            raise InputError(
                f"expected --crop-min-height of at most --crop-max-height, "
                f"got {self.crop_min_height} and {self.crop_max_height}"
            )
        if len(self.anchor_sizes) != 5:
            raise InputError(f"--anchor-sizes: expected five, one a level, got {len(self.anchor_sizes)}")
        if self.trainable_layers is not None and self.trainable_layers > 5:
            raise InputError(f"--trainable-layers: expected 0 to 5, got {self.trainable_layers}")

    @property
    def predicts_only(self) -> bool:
        """Whether nothing is trained."""
        return self.test_only or self.submission

    def training_parameters(self) -> dict[str, Any]:
        """Return the values that decide the weights of the detector; None for those that the checkpoint decides."""
        inherited = set(OF_CHECKPOINT) - self.given if self.resume and not self.predicts_only else set()
        return {name: None if name in inherited else value for name, value in parameters(self).items()}

    @property
    def start_model(self) -> StartModel | None:
        """The model that training starts from; None where no flag names any.

        Raises:
            InputError: as `named_models.start_model`.
        """
        return None if self.start is None else start_model(self.start, "detectors", self.backbone)

    @property
    def weights_file(self) -> Path | None:
        """File of the backbone's weights; None where no flag names any.

        Raises:
            InputError: none come with the package for this backbone.
        """
        return weights_file(self.weights, self.backbone)

    @property
    def backbone(self) -> str:
        """Name of the backbone."""
        return MODELS[self.model]

    @property
    def inference_long_side(self) -> int:
        """Long side of a page for inference, pixels: with the reference's numbers 2048 * 384 / 466.5 = 1685."""
        if self.test_long_side is not None:
            return self.test_long_side
        mean_height = (self.crop_min_height + self.crop_max_height) / 2
        return int(self.long_side * self.crop_height / mean_height)

    @property
    def inference_long_sides(self) -> tuple[int, ...]:
        """Long sides of a page in all sizes of inference, pixels."""
        return tuple(max(round(self.inference_long_side * scale), 1) for scale in self.test_scales)
