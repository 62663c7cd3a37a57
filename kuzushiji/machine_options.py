"""What the stages with networks share on the command line: the machine and the seed, and what cannot go together."""

import dataclasses
from pathlib import Path
from typing import Any

from kuzushiji import cli
from kuzushiji.errors import InputError
from kuzushiji.options import option

_GROUP = "machine"

AUTO = "auto"
"""Of `--opt-level`: each machine chooses. A run of any level counts as one of this."""


def benchmark_option(default: bool, what: str) -> Any:
    """Return the option that lets cuDNN time its algorithms; `what` ends the sentence of its help."""
    return option(default, f"let cuDNN time its algorithms{what}", group=_GROUP, changes_result=False)


def cache_option(mib: int) -> Any:
    """Return the option that says how much memory pages may take."""
    return option(
        mib, "memory for decoded pages, MiB in all processes together", type=cli.non_negative_int, group=_GROUP,
        changes_result=False,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """The machine that a run works on, and its seed; see each option's help."""

    seed: int = option(0, "seed of everything random", type=cli.non_negative_int, group="training")

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", group=_GROUP, changes_result=False)
    opt_level: str = option(
        "O0", "O0: float32, on GPUs from Ampere on with products in TF32; O1: mixed precision; auto: O1 where the "
        "processor or GPU has matrix units for it, else O0; O2, O3: weights in float16, of --amp-backend apex alone",
        choices=(AUTO, "O0", "O1", "O2", "O3"), group=_GROUP,
    )  # fmt: skip
    amp_backend: str = option(
        "torch", "what mixes the precision in training: PyTorch, or NVIDIA apex where it is installed",
        choices=("torch", "apex"), group=_GROUP,
    )  # fmt: skip
    compile: bool = option(
        False, "compile the backbone for training: minutes at the start, pays on a GPU", group=_GROUP,
        changes_result=False,
    )  # fmt: skip
    benchmark: bool = benchmark_option(False, "")
    workers: int = option(
        4, "processes that read pages; 0: this one", type=cli.non_negative_int, group=_GROUP, changes_result=False
    )
    threads: int = option(
        0, "threads of the network on the CPU; 0: one a core", type=cli.non_negative_int, group=_GROUP,
        changes_result=False,
    )  # fmt: skip
    cache_mib: int = cache_option(256)
    tensorboard: bool = option(
        False, "write the events for TensorBoard too (package tensorboard), into the folder tensorboard/ of the run",
        group=_GROUP, changes_result=False,
    )  # fmt: skip
    strips: Path | None = option(
        None, "folder where training pages that do not fit into --cache-mib are kept cut into strips, so that a crop "
        "decodes only what it shows; written where they are missing, and may be shared by stages and folds",
        metavar="DIR", group=_GROUP, changes_result=False,
    )  # fmt: skip


def start_option(what: str, group: str) -> Any:
    """Return the option for the models that a training starts from; `what` says what is taken of them."""
    return option(
        None, f"start from {what} of these models: those that come with the package, by their name (kuzushiji.models "
        "lists them), or a folder of kuzushiji.export", metavar="MODELS", group=group, changes_result=False,
    )  # fmt: skip


def check_task(
    *,
    test_only: bool,
    submission: bool,
    with_test: bool,
    resume: Path | None,
    weights: str | None,
    start: str | None,
) -> None:
    """Check that a command asks for tasks that go together: training, or one kind of pages with weights that are there.

    Raises:
        InputError: it does not.
    """
    if test_only and submission:
        raise InputError("expected --test-only or --submission, got both")
    predicts = "--test-only" if test_only else "--submission" if submission else ""
    if predicts and resume is None:
        raise InputError(f"{predicts}: expected the weights to use, --resume .../model_best.pth, got none")
    if predicts and with_test:
        raise InputError("--with-test goes with training; --submission alone does the test pages")
    if resume is not None and weights is not None:
        raise InputError("--weights fills the backbone of a new model, --resume the whole: expected one, got both")
    if start is not None and (resume is not None or weights is not None):
        other = "--weights" if resume is None else "--resume"
        raise InputError(f"expected --start or {other}, got both: each says what training starts from")


def check_average(ema: float, opt_level: str) -> None:
    """Check that the weights can be averaged.

    Raises:
        InputError: the decay is no share, or the weights are float16.
    """
    if ema >= 1:
        raise InputError(f"--ema: expected a decay below 1, got {ema}")
    if opt_level in ("O2", "O3") and ema:
        raise InputError(f"--ema: averages weights of float32, with --opt-level {opt_level} they are float16")
