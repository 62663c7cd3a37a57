"""Where jobs run: as processes of this machine, or as jobs of Slurm."""

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kuzushiji.chain.listing import THREADS, Job, ListedStage
from kuzushiji.chain.resources import Places

Process = subprocess.Popen[bytes]


@dataclass
class Running:
    """A job at work.

    Attributes:
        job: The command.
        stage: That it belongs to.
        process: Ends with the job's exit code.
        log: File of its output.
        started: Time of `time.monotonic`.
    """

    job: Job
    stage: ListedStage
    process: Process
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self.started


class Executor(Protocol):
    """Starts jobs and passes signals on to them."""

    places: Places

    def start(self, job: Job, place: int, log: Path) -> Process:
        """Start a job, with its output in `log`; return a process here that ends with its exit code."""

    def stop(self, running: Running, number: signal.Signals) -> None:
        """Pass a signal on to a job; it is called again with SIGKILL until the job has ended."""

    def ended(self, running: Running) -> None:
        """Hear that a job has ended."""


def command_of(job: Job, places: Places, python: str = "python") -> list[str]:
    """Return the words of a job's command: by torchrun if it trains on several GPUs."""
    words = [str(threads_of(job, places)) if word == THREADS else word for word in job.words]
    if job.trains and places.job_gpus > 1:
        words = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(places.job_gpus), "-m", *words]
    return [python, "-m", *words]


def threads_of(job: Job, places: Places) -> int:
    """Return the threads of each process of a job."""
    return places.cores if job.alone else places.threads


def begin_log(log: Path, job: Job, places: Places) -> None:
    """Write the command as it would be typed into a new log."""
    log.write_text(f"{shlex.join(command_of(job, places))}\n", encoding="utf-8", errors="surrogateescape")


class ThisMachine:
    """Jobs are processes here: each place has its share of GPUs and cores.

    Args:
        python: The interpreter.
        places: Where jobs run.
        inherited: Descriptors of the chain's locks.
    """

    def __init__(self, python: str, places: Places, inherited: tuple[int, ...] = ()) -> None:
        self.places = places
        self._python, self._inherited = python, inherited
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "kuzushiji.chain.watch"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=os.setpgrp,
        )  # fmt: skip

    def start(self, job: Job, place: int, log: Path) -> Process:
        """Start a process group: data loader workers get its signals too, and Ctrl-C reaches it from here alone."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads_of(job, self.places))}
        if self.places.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.places.gpus_of(place)
        begin_log(log, job, self.places)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command_of(job, self.places, self._python), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=environment, pass_fds=self._inherited, preexec_fn=os.setpgrp,
            )  # fmt: skip
        self._tell_watcher(f"+{process.pid}\n")
        return process

    def stop(self, running: Running, number: signal.Signals) -> None:
        """Pass a signal on to all processes of the job."""
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, number)

    def ended(self, running: Running) -> None:
        """Let the watcher forget the job."""
        self._tell_watcher(f"-{running.process.pid}\n")

    def _tell_watcher(self, line: str) -> None:
        assert self._watcher.stdin is not None
        with suppress(BrokenPipeError):  # somebody has killed it
            self._watcher.stdin.write(line.encode())
            self._watcher.stdin.flush()


SLURM_SCRIPT = """
trap 'kill -TERM "$job"; wait "$job"; scontrol requeue "$SLURM_JOB_ID"; exit 143' USR1
trap 'kill -TERM "$job"; wait "$job"; exit 143' INT TERM
{command} & job=$!
wait "$job"
"""
"""What a job runs. USR1 comes before its time limit: training writes a checkpoint, and the job is queued again."""

SECONDS_BEFORE_LIMIT = 90


class Slurm:
    """Jobs are Slurm's: each is submitted by an `sbatch --wait`, which ends with the job's exit code.

    sbatch takes partition, account, time limit and the like from its own variables (SBATCH_PARTITION, ...). The chain's
    locks are inherited by sbatch, so that a chain that was killed is over when its jobs are.

    Args:
        python: The interpreter, on all nodes.
        places: How many jobs are submitted at a time, cores and GPUs of one.
        inherited: Descriptors of the chain's locks.
    """

    def __init__(self, python: str, places: Places, inherited: tuple[int, ...] = ()) -> None:
        self.places = places
        self._python, self._inherited = python, inherited

    def start(self, job: Job, place: int, log: Path) -> Process:
        """Submit a job."""
        begin_log(log, job, self.places)
        script = SLURM_SCRIPT.format(command=shlex.join(command_of(job, self.places, self._python)))
        gpus = [f"--gpus={self.places.job_gpus}"] if job.trains else []
        command = [
            "sbatch", "--wait", "--requeue", f"--signal=B:USR1@{SECONDS_BEFORE_LIMIT}", f"--job-name={self._name(job)}",
            f"--output={log.absolute()}", "--open-mode=append", "--ntasks=1", f"--cpus-per-task={self.places.cores}",
            *gpus, "--wrap", script,
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads_of(job, self.places))}
        with log.open("ab") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output, env=environment,
                pass_fds=self._inherited, preexec_fn=os.setpgrp,
            )  # fmt: skip

    def stop(self, running: Running, number: signal.Signals) -> None:
        """Cancel a job that waits for its turn, and pass the signal on to one that runs."""
        name = f"--name={self._name(running.job)}"
        words = [] if number == signal.SIGKILL else ["--batch", f"--signal={number.name.removeprefix('SIG')}"]
        for command in (["scancel", "--state=PENDING", name], ["scancel", *words, name]):
            subprocess.run(command, check=False, capture_output=True)
        if number == signal.SIGKILL:
            running.process.kill()

    def ended(self, running: Running) -> None:
        """Do nothing."""

    @staticmethod
    def _name(job: Job) -> str:
        """Return the name by which a job is cancelled: of this chain alone."""
        return f"{job.name}-{os.getpid()}"
