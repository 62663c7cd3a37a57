"""What the machine has, and how jobs share it."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kuzushiji.chain.listing import ALL_GPUS, Job, Listing
from kuzushiji.errors import UsageError

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""The control group's share of processor time, as a container has it: microseconds of each period, and the period."""

SLURM_CPUS = 8
"""Cores of a job of Slurm, unless JOB_CPUS says otherwise."""

TARGETS_MULTIPLE = 32
"""The boxes of each process's part of a batch are a multiple of it: `kuzushiji.classify.targets.MULTIPLE`."""


@dataclass(frozen=True)
class Places:
    """Where jobs run.

    Attributes:
        jobs: Jobs side by side.
        threads: Of one process of a job that runs beside others.
        cores: Of the machine: threads of a job that runs alone.
        gpus: Their names, as CUDA_VISIBLE_DEVICES has them.
        job_gpus: GPUs of one job that trains.
    """

    jobs: int
    threads: int
    cores: int
    gpus: tuple[str, ...]
    job_gpus: int

    def gpus_of(self, place: int) -> str:
        """Return the GPUs of a place, from 0, as CUDA_VISIBLE_DEVICES has them."""
        first = place % (len(self.gpus) // self.job_gpus) * self.job_gpus
        return ",".join(self.gpus[first : first + self.job_gpus])


def plan_places(listing: Listing) -> Places:
    """Return the places for jobs on this machine.

    Without a number of jobs there is one for each group of GPUs or, without a GPU, one a core, but no more than a stage
    can use: two backbones, or two kinds of pseudolabel models, of each fold.

    Raises:
        UsageError: there are not so many GPUs.
    """
    cores, gpus = usable_cores(QUOTA), visible_gpus(os.environ)
    jobs, job_gpus = listing.variables["JOBS"], listing.variables["JOB_GPUS"]
    per_job = max(1, len(gpus)) if job_gpus == ALL_GPUS else int(job_gpus or 1)
    if per_job > max(1, len(gpus)):
        raise UsageError(f"--gpus-per-job: expected at most the {len(gpus)} GPUs of this machine, got {per_job}")
    places = int(jobs) if jobs else len(gpus) // per_job if gpus else min(cores, 2 * listing.n_folds)
    return Places(places, max(1, cores // places // per_job), cores, gpus, per_job)


def slurm_places(listing: Listing) -> Places:
    """Return the places for jobs of Slurm, of JOB_CPUS cores each: without a number of jobs none waits for a place.

    Raises:
        UsageError: all GPUs are asked for, of nodes that nobody knows yet.
    """
    jobs, job_gpus = listing.variables["JOBS"], listing.variables["JOB_GPUS"]
    if job_gpus == ALL_GPUS:
        raise UsageError("--gpus-per-job: expected a number with --executor slurm, got all")
    cores, per_job = int(listing.variables["JOB_CPUS"] or SLURM_CPUS), int(job_gpus or 1)
    places = int(jobs) if jobs else sum(len(stage.jobs) for stage in listing.stages)
    return Places(places, max(1, cores // per_job), cores, (), per_job)


def usable_cores(quota: Path) -> int:
    """Return how many cores this process may use: those of its affinity, and no more than its control group's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        return max(1, min(cores, -(-int(limit) // int(period))))
    except (OSError, ValueError):  # no control group, or no limit: "max"
        return cores


def visible_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the GPUs that may be used: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi counts."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        names = [name.strip() for name in given.split(",")]
        return tuple(names[: names.index("-1")] if "-1" in names else filter(None, names))
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip().isdecimal())


def check_division(jobs: Iterable[Job], job_gpus: int) -> None:
    """Check that the batches of all jobs can be divided among their GPUs: the job that cannot may begin days later.

    Raises:
        UsageError: one cannot.
    """
    for job in jobs:
        for option, multiple in (("--batch-size", 1), ("--max-targets", TARGETS_MULTIPLE)):
            value = job.value(option) if job.trains and job_gpus > 1 else None
            if value is not None and int(value) % (multiple * job_gpus):
                raise UsageError(
                    f"--gpus-per-job {job_gpus}: {job.name} divides {option} among its GPUs, "
                    f"expected a multiple of {multiple * job_gpus}, got {value}"
                )
