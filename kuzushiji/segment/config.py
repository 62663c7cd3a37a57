"""The parameters of the segmentation stage; the defaults are the reference's recipe, but for the losses of boxes."""

import argparse
import dataclasses

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import BOTH, PREDICTIONS, WEIGHTS, again, option
from kuzushiji.training_options import CROPS, INFERENCE, MODEL, TRAINING, TrainingOptions

STAGE = "segment.train"
"""Name of the training, in its record and in its checkpoints."""

MODELS = {f"fasterrcnn_resnet{depth}_fpn": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)}
"""Name of the model on the command line -> name of its backbone."""

SMOOTH_L1_BETA = 1 / 9
"""torchvision's, with which every detector was trained before this was an option: records and checkpoints without the
options count as having their defaults."""


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
class SegmentConfig(TrainingOptions):
    """The detector of a fold; see each option's help."""

    start_kind = "detectors"

    model: str = option(
        "fasterrcnn_resnet152_fpn",
        f"one of {', '.join(MODELS)}",
        type=model_name,
        group=MODEL,
        from_checkpoint=(WEIGHTS,),
    )
    anchor_sizes: tuple[int, ...] = option(
        (12, 24, 32, 64, 96), "anchor size of each of the five levels, pixels of the scaled page",
        type=cli.positive_int, nargs="+", group=MODEL, from_checkpoint=(WEIGHTS,),
    )  # fmt: skip
    fpn_channels: int = option(
        256, "channels of the feature pyramid", type=cli.positive_int, group=MODEL, from_checkpoint=(WEIGHTS,)
    )
    box_head_size: int = option(
        1024, "units of the box head's layers", type=cli.positive_int, group=MODEL, from_checkpoint=(WEIGHTS,)
    )
    rois_per_image: int = option(
        512,
        "proposals of a training crop that the box head learns from",
        type=cli.positive_int,
        group=MODEL,
        from_checkpoint=(WEIGHTS,),
    )
    anchors_per_image: int = option(
        256,
        "anchors of a training crop that the proposals learn from",
        type=cli.positive_int,
        group=MODEL,
        from_checkpoint=(WEIGHTS,),
    )
    proposals_train: int = option(
        2000, "most proposals of a training crop", type=cli.positive_int, group=MODEL, from_checkpoint=(WEIGHTS,)
    )
    proposals_test: int = option(
        1000, "most proposals of a page", type=cli.positive_int, group=MODEL, from_checkpoint=BOTH
    )
    norm: str = option(
        "auto", "norm of the backbone: frozen batch norm, batch norm or group norm; auto: frozen if it is pretrained, "
        "else batch",
        choices=("auto", "frozen", "batch", "group"), group=MODEL, from_checkpoint=(WEIGHTS,),
    )  # fmt: skip
    trainable_layers: int | None = option(
        None, "parts of the backbone that are trained, from the last, 0 to 5; without it 3 if it is pretrained, else 5",
        type=cli.non_negative_int, group=MODEL, from_checkpoint=(WEIGHTS,),
    )  # fmt: skip
    rpn_smooth_l1_beta: float = option(
        SMOOTH_L1_BETA, "smooth L1 loss of the proposals' boxes: error up to which it is quadratic; 0: L1, as the "
        "reference",
        type=cli.non_negative_float, group=MODEL, from_checkpoint=(WEIGHTS,),
    )  # fmt: skip
    box_smooth_l1_beta: float = option(
        SMOOTH_L1_BETA,
        "the same of the box head; the reference has 1",
        type=cli.non_negative_float,
        group=MODEL,
        from_checkpoint=(WEIGHTS,),
    )

    long_side: int = option(
        2048, "long side to which a page is scaled, pixels", type=cli.positive_int, group=CROPS, from_checkpoint=BOTH
    )
    min_visible: float = again(0.5, from_checkpoint=(WEIGHTS,))
    crop_width: int = again(512, from_checkpoint=BOTH)
    crop_height: int = again(384, from_checkpoint=BOTH)
    crop_min_height: int = option(
        400, "least height of a crop out of the scaled page, pixels", type=cli.positive_int, group=CROPS,
        from_checkpoint=BOTH,
    )  # fmt: skip
    crop_max_height: int = option(
        533, "greatest height of a crop out of the scaled page, pixels", type=cli.positive_int, group=CROPS,
        from_checkpoint=BOTH,
    )  # fmt: skip

    epochs: int = 45
    repeat_train_step: int = option(
        2, "passes over the training pages in an epoch", type=cli.positive_int, group=TRAINING
    )
    lr_steps: tuple[int, ...] = option(
        (35,), "epochs at which the learning rate is multiplied by --lr-gamma",
        type=cli.positive_int, nargs="*", group=TRAINING,
    )  # fmt: skip
    lr_gamma: float = option(0.1, "factor of --lr-steps", type=cli.fraction, group=TRAINING)
    warmup_steps: int = 1000

    test_long_side: int | None = option(
        None, "long side of a page for inference, pixels; without it that at which characters are as large as in "
        "training on average: --long-side * --crop-height / mean crop height",
        type=cli.positive_int, group=INFERENCE, from_checkpoint=BOTH,
    )  # fmt: skip
    test_scales: tuple[float, ...] = option(
        (1.0,), "sizes of a page for inference, times --test-long-side; what is found in several is fused, and "
        "--score-threshold then also holds for the mean score",
        type=cli.positive_float, nargs="+", group=INFERENCE, from_checkpoint=BOTH,
    )  # fmt: skip
    score_threshold: float = option(
        0.5, "least score of a box", type=cli.fraction, group=INFERENCE, from_checkpoint=BOTH
    )
    nms_threshold: float = option(
        0.25, "of two boxes with a greater IoU only the better stays", type=cli.fraction, group=INFERENCE,
        from_checkpoint=BOTH,
    )  # fmt: skip
    max_detections: int = option(
        1000, "most boxes of a page", type=cli.positive_int, group=INFERENCE, from_checkpoint=BOTH
    )
    match_iou: float = option(
        0.5, "IoU with a truth box from which on a box on a held-out page counts as that character, not as seg_fp",
        type=cli.fraction, group=INFERENCE, from_checkpoint=BOTH,
    )  # fmt: skip

    opt_level: str = again("O0", from_checkpoint=(PREDICTIONS,))
    benchmark: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
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
