"""What a run costs, or its part of one fold or stage: hours and disk, before anything begins."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from kuzushiji.chain.listing import Listing
from kuzushiji.disks import free_bytes
from kuzushiji.errors import InputError
from kuzushiji.run_folder import LEVEL2, ModelName

REFERENCE = Path("_runs/reference/results.csv")
STAGES = {
    "segment": "segment", "clf": "classify", "clf-wsl8d-mt256-frozen": "classify-second",
    "clf-wsl8d-mt256-frozen-pseudo": "pseudo", "clf-wsl8d-mt256-frozen-pseudo-ft": "pseudo-ft",
}  # fmt: skip
"""The stages that train, by the names of the reference's runs."""

BANDWIDTH = {"A100": 1555, "RTX 2080 Ti": 616, "P100": 732}
"""Of the cards' memory, GB/s, from data sheets. The hours of an A100 are estimated by its ratio, which is smaller than
the ratio of the cards' arithmetic in mixed precision."""

SPARE = 1.1
"""The free disk is to be so many times what a profile needs: a full disk in the last stage costs days."""

FOLDERS = ("strips", "books", LEVEL2, "logs")
"""Of a run, beside those of its models: others in the same folder are of other profiles."""


def plan(listing: Listing, stage: str | None, fold: int | None) -> str:
    """Return what to expect: of the whole chain, of one fold's part or of one stage."""
    n_folds = listing.n_folds if fold is None else 1
    folds, hours = f"{n_folds} of {listing.n_folds} folds", listing.variables["HOURS"]
    words = listing.variables["HOURS_SHARE"].split()
    shares = {name: float(share) for name, share in zip(words[::2], words[1::2], strict=True)}
    if hours:
        part = "" if fold is None else "; this is one fold's part of it"
        minutes = round(float(hours) * 60)
        lines = [f"The plan: the whole chain takes about {minutes} minutes on two cores (measured){part}"]
    elif listing.profile == "kaggle":
        lines = [
            f"The plan: {folds} of the reference's recipe; hours as measured by its author in 2019",
            "(RTX 2080 Ti; the first classifier on P100), and for an A100 by the cards' memory bandwidths, from data "
            "sheets",
            *_gpu_hours(stage, n_folds, {}),
            "  GPU memory: 16 GB for the first classifier (clf), 11 GB for the others, as the reference's author had "
            "them",
        ]
    elif shares:
        lines = [
            f"The plan: {folds}; hours ESTIMATED for the cards of 2019 and an A100: those of the",
            "reference's recipe by how much this one multiplies in training (benchmarks/multiplications.py); none is "
            "measured",
            *_gpu_hours(stage, n_folds, shares),
        ]
    else:
        lines = [
            f"The plan: {folds}; the hours of the profile {listing.profile} are not known (those of the reference's "
            "recipe: bash run-all.sh kaggle --dry-run)"
        ]
    needed, free = listing.variables["DISK_GB"], free_bytes(listing.runs)
    there = "unknown" if free is None else f"{free >> 30} GB"
    note = ": too little, it would not start" if lacks_disk(listing) else ""
    lines.append(f"  disk: about {needed} GB for all folds below {listing.runs}/; free there: {there}{note}")
    return "\n".join(lines)


def _gpu_hours(only: str | None, n_folds: int, shares: dict[str, float]) -> Iterator[str]:
    """Yield the hours of the stages that train, a line each: the reference's mean over folds, times a stage's share."""
    hours: dict[str, list[float]] = {}
    with REFERENCE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            hours.setdefault(row["run"], []).append(float(row["hours"]))
    total = total_a100 = 0.0
    for run, of_folds in hours.items():
        stage = STAGES[run]
        mean = sum(of_folds) / len(of_folds) * shares.get(stage, 1)
        card = BANDWIDTH["P100" if run == "clf" else "RTX 2080 Ti"]
        a100 = mean * n_folds * card / BANDWIDTH["A100"]
        total, total_a100 = total + mean * n_folds, total_a100 + a100
        if only in (None, stage):
            yield f"  {stage:<18} {n_folds:2} runs x {mean:5.1f} h = {mean * n_folds:6.1f} h {a100:10.1f} h"
    if only is None:
        yield f"  {'together':<18} {total:17.1f} h of GPU {total_a100:7.1f} h, level 2 without one"


def check_disk(listing: Listing) -> None:
    """Check that the disk has the room that the profile needs, less what the run has written already.

    Raises:
        InputError: it has not.
    """
    free = free_bytes(listing.runs)
    if free is not None and lacks_disk(listing):
        needed = listing.variables["DISK_GB"]
        raise InputError(
            f"too little disk: about {needed} GB are needed below {listing.runs}/, {free >> 20} MiB are free there "
            "(RUNS=FOLDER puts the run elsewhere; DISK_GB=0 starts all the same)"
        )


def lacks_disk(listing: Listing) -> bool:
    """Return whether there is too little, as far as the disk says."""
    needed = float(listing.variables["DISK_GB"]) * SPARE * 2**30
    free = free_bytes(listing.runs)
    return free is not None and free + used_bytes(listing.runs) < needed


def used_bytes(runs: Path) -> int:
    """Return how much a run has written: its folders and files, not those of other profiles in its folder."""
    if not runs.is_dir():
        return 0
    mine = [
        entry for entry in os.scandir(runs)
        if not entry.is_dir() or entry.name in FOLDERS or ModelName.of_folder(entry.name)
    ]  # fmt: skip
    found = [Path(parent, name) for entry in mine for parent, _, names in os.walk(entry.path) for name in names]
    return sum(map(_bytes_on_disk, [*found, *(Path(entry.path) for entry in mine if entry.is_file())]))


def _bytes_on_disk(path: Path) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:  # a job that is at work removed it
        return 0
    return getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
