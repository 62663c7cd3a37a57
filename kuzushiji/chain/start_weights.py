"""The weights from which a run's training starts."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from kuzushiji.chain.listing import Job
from kuzushiji.errors import UsageError
from kuzushiji.run_folder import TRAIN_RECORD

PACKAGED = "books"
"""The value of `--weights` for backbones that come with the package."""

VARIABLES = ("SEGMENT_WEIGHTS", "FIRST_WEIGHTS", "SECOND_WEIGHTS")
"""Files for the detector and the two backbones, in place of what the profile starts from."""


def needed_weights(jobs: Iterable[Job], *, force: bool) -> list[str]:
    """Return the networks that jobs start from published weights, or from a file, as NETWORK or NETWORK=FILE.

    Args:
        jobs: Some of them train.
        force: Whether models are trained again that are trained.
    """
    needed: dict[str, None] = {}
    for job in jobs:
        folder, weights = job.value("--output-dir"), job.value("--weights")
        starts_anew = job.trains and job.value("--resume") is None and folder is not None
        if (
            not starts_anew
            or job.value("--start")
            or weights == PACKAGED
            or (not weights and job.value("--pretrained") == "0")
        ):
            continue
        if force or not Path(folder or "", TRAIN_RECORD).exists():
            network = job.value("--model") or job.value("--base") or ""
            needed[f"{network}={weights}" if weights else network] = None
    return list(needed)


def check_weights_files(variables: Mapping[str, str]) -> None:
    """Check that files of weights are there: the stage that reads one may begin days later.

    Raises:
        UsageError: one is not.
    """
    for name in VARIABLES:
        path = variables[name]
        if path not in ("", PACKAGED) and not Path(path).is_file():
            raise UsageError(f"{name}: expected a file of weights, got {path}")
