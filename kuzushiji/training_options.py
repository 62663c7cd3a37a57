"""The options that the trainings of both networks share: segment and classify."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from kuzushiji import cli
from kuzushiji.data.folds import check_fold
from kuzushiji.errors import InputError
from kuzushiji.named_models import StartModel, start_model
from kuzushiji.options import (
    BOTH,
    data_root_option,
    force_option,
    from_checkpoint,
    json_option,
    option,
    parameters,
    split_option,
)
from kuzushiji.packaged import weights_file

TASK, MODEL, CROPS, TRAINING, INFERENCE, MACHINE = "what to do", "model", "crops", "training", "inference", "machine"
"""Groups of `--help`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What a network learns from, how, and on which machine; see each option's help.

    A subclass adds its own options, and gives those below other defaults by plain values.

    Attributes:
        start_kind: Which models of an exported folder `start` means: `detectors` or `classifiers`.
        given: Names of the options that the command line set itself: a checkpoint decides about the others.
    """

    start_kind: ClassVar[str]

    output_dir: Path = option(
        dataclasses.MISSING, "folder of this model's outputs", metavar="DIR", group=TASK, changes_result=False
    )
    fold: int = option(0, "number of the fold that is held out", type=cli.non_negative_int, group=TASK, decides=BOTH)
    n_folds: int = option(5, "number of folds, by book", type=cli.positive_int, group=TASK, decides=BOTH)
    split: str = split_option(TASK)
    resume: Path | None = option(
        None, "checkpoint whose weights are used, or trained on; continuing an interrupted run needs no flag",
        metavar="FILE", group=TASK, changes_result=False,
    )  # fmt: skip
    test_only: bool = option(False, "only predict the fold's held-out pages", group=TASK, changes_result=False)
    submission: bool = option(False, "only predict the test pages", group=TASK, changes_result=False)
    with_test: bool = option(False, "after training also predict the test pages", group=TASK, changes_result=False)
    force: bool = force_option("from the beginning", group=TASK)
    json: bool = json_option(group=TASK)
    data_root: Path | None = data_root_option("train.csv and the images", group=TASK)
    train_limit: int = option(
        0, "train on this many pages, spread over the table; 0: all", type=cli.non_negative_int, group=TASK
    )
    test_limit: int = option(
        0, "evaluate and predict this many pages, spread over the table; 0: all",
        type=cli.non_negative_int, group=TASK, decides=BOTH,
    )  # fmt: skip

    pretrained: bool = option(True, "start from published weights, downloaded when needed", group=MODEL)
    weights: str | None = option(
        None, "start from these backbone weights instead (.safetensors, .pth); 'books': those that come with the "
        "package, which end before layer4", metavar="FILE", group=MODEL, changes_result=False,
    )  # fmt: skip
    start: str | None = option(
        None, "start from these models: those that come with the package, by their name (kuzushiji.models lists "
        "them), or a folder of kuzushiji.export", metavar="MODELS", group=MODEL, changes_result=False,
    )  # fmt: skip

    crop_width: int = option(512, "width of a training crop, pixels", type=cli.positive_int, group=CROPS)
    crop_height: int = option(768, "height of a training crop, pixels", type=cli.positive_int, group=CROPS)
    min_visible: float = option(
        0.5, "share of a box that must be inside the crop for it to stay", type=cli.fraction, group=CROPS
    )
    color_hue_aug: int = option(7, "largest shift of the hue", type=cli.non_negative_int, group=CROPS)
    color_sat_aug: int = option(10, "largest shift of the saturation", type=cli.non_negative_int, group=CROPS)
    color_val_aug: int = option(10, "largest shift of the value", type=cli.non_negative_int, group=CROPS)

    epochs: int = option(50, "number of epochs", type=cli.positive_int, group=TRAINING)
    batch_size: int = option(16, "crops in a batch", type=cli.positive_int, group=TRAINING)
    accumulation_steps: int = option(
        1, "batches whose gradients are averaged for one update", type=cli.positive_int, group=TRAINING
    )
    optimizer: str = option("sgd", "optimizer", choices=("sgd", "adamw"), group=TRAINING)
    lr: float = option(0.01, "learning rate", type=cli.non_negative_float, group=TRAINING)
    momentum: float = option(0.9, "momentum of SGD", type=cli.fraction, group=TRAINING)
    wd: float = option(1e-4, "weight decay", type=cli.non_negative_float, group=TRAINING)
    cosine: bool = option(False, "cosine schedule of the learning rate, to zero", group=TRAINING)
    cosine_by_epoch: bool = option(
        False, "the cosine falls after each epoch, as in the reference, and not after each update", group=TRAINING
    )
    warmup_steps: int = option(
        0, "updates over which the learning rate rises from zero, once", type=cli.non_negative_int, group=TRAINING
    )
    clip_grad: float = option(
        0.0, "greatest norm of the gradient; 0: not clipped", type=cli.non_negative_float, group=TRAINING
    )
    ema: float = option(
        0.0, "decay of the averaged weights that are evaluated and kept; 0: none", type=cli.fraction, group=TRAINING
    )
    start_share: float = option(
        0.0, "share of the weights that training starts from (--start, --resume) in those that are evaluated and kept: "
        "what was learned before is forgotten less", type=cli.fraction, group=TRAINING,
    )  # fmt: skip
    evaluate_every: int = option(
        1, "evaluate after every so many epochs, and after the last; 0: never, the last epoch counts as the best",
        type=cli.non_negative_int, group=TRAINING,
    )  # fmt: skip
    seed: int = option(0, "seed of everything random", type=cli.non_negative_int, group=TRAINING)

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", group=MACHINE, changes_result=False)
    opt_level: str = option(
        "O0", "O0: float32, on GPUs from Ampere on with products in TF32; O1: mixed precision; auto: O1 where the "
        "processor or GPU is faster with it, else O0; O2, O3: weights in float16, of --amp-backend apex alone",
        choices=("auto", "O0", "O1", "O2", "O3"), group=MACHINE, decides=BOTH,
    )  # fmt: skip
    amp_backend: str = option(
        "torch", "what mixes the precision in training: PyTorch, or NVIDIA apex where it is installed",
        choices=("torch", "apex"), group=MACHINE,
    )  # fmt: skip
    compile: bool = option(
        False, "compile the backbone for training: minutes at the start, pays on a GPU", group=MACHINE,
        changes_result=False,
    )  # fmt: skip
    benchmark: bool = option(
        False, "let cuDNN time its algorithms for each shape of a training batch", group=MACHINE, changes_result=False
    )
    workers: int = option(
        4, "processes that read pages; 0: this one", type=cli.non_negative_int, group=MACHINE, changes_result=False
    )
    threads: int = option(
        0, "threads of the network on the CPU; 0: one a core", type=cli.non_negative_int, group=MACHINE,
        changes_result=False,
    )  # fmt: skip
    cache_mib: int = option(
        256, "memory for decoded pages, MiB in all processes together", type=cli.non_negative_int, group=MACHINE,
        changes_result=False,
    )  # fmt: skip
    tensorboard: bool = option(
        False, "write the events for TensorBoard too (package tensorboard), into the folder tensorboard/ of the run",
        group=MACHINE, changes_result=False,
    )  # fmt: skip
    strips: Path | None = option(
        None, "folder where training pages that do not fit into --cache-mib are kept cut into strips, so that a crop "
        "decodes only what it shows; written where they are missing, and may be shared by stages and folds",
        metavar="DIR", group=MACHINE, changes_result=False,
    )  # fmt: skip

    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_fold(self.fold, self.n_folds)
        if self.test_only and self.submission:
            raise InputError("expected --test-only or --submission, got both")
        if self.predicts_only and self.resume is None:
            task = "--test-only" if self.test_only else "--submission"
            raise InputError(f"{task}: expected the weights to use, --resume .../model_best.pth, got none")
        if self.predicts_only and self.with_test:
            raise InputError("--with-test goes with training; --submission alone does the test pages")
        if self.resume is not None and self.weights is not None:
            raise InputError("--weights fills the backbone of a new model, --resume the whole: expected one, got both")
        if self.start is not None and (self.resume is not None or self.weights is not None):
            other = "--weights" if self.resume is None else "--resume"
            raise InputError(f"expected --start or {other}, got both: each says what training starts from")
        if self.start_share and self.start is None and self.resume is None:
            raise InputError("--start-share averages with a model to start from: expected --start or --resume")
        if self.ema >= 1:
            raise InputError(f"--ema: expected a decay below 1, got {self.ema}")
        if self.opt_level in ("O2", "O3") and (self.ema or self.start_share):
            option = "--ema" if self.ema else "--start-share"
            raise InputError(
                f"{option}: averages weights of float32, with --opt-level {self.opt_level} they are float16"
            )
        if self.cosine_by_epoch and not self.uses_cosine:
            raise InputError(
                "--cosine-by-epoch is about the cosine of the learning rate: expected --cosine 1, got none"
            )

    @property
    def predicts_only(self) -> bool:
        """Whether nothing is trained."""
        return self.test_only or self.submission

    @property
    def backbone(self) -> str:
        """Name of the backbone."""
        raise NotImplementedError

    @property
    def uses_cosine(self) -> bool:
        """Whether the learning rate follows the cosine."""
        return self.cosine

    @property
    def start_model(self) -> StartModel | None:
        """The model that training starts from; None where no flag names any.

        Raises:
            InputError: as `named_models.start_model`.
        """
        return None if self.start is None else start_model(self.start, self.start_kind, self.backbone)

    @property
    def weights_file(self) -> Path | None:
        """File of the backbone's weights; None where no flag names any.

        Raises:
            InputError: none come with the package for this backbone.
        """
        return weights_file(self.weights, self.backbone)

    def parameters_of(self, decides: str) -> dict[str, Any]:
        """Return the values that decide `options.WEIGHTS` or `PREDICTIONS`; None for what the checkpoint decides."""
        inherited = from_checkpoint(self, decides) if self.resume else []
        return {name: None if name in inherited else value for name, value in parameters(self, decides).items()}

    def output(self, name: str) -> Path:
        """Return the path of a file in the model's folder."""
        return self.output_dir / name
