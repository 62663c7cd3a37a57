# PYTHON_ARGCOMPLETE_OK
"""Runs the commands that run-all.sh lists: `bash run-all.sh` is `python -m kuzushiji.chain --script run-all.sh`."""

import functools
import logging
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kuzushiji import cli
from kuzushiji.arguments import EXIT_USAGE
from kuzushiji.chain.begin import how_to_begin, is_checked, missing_data, note_checked
from kuzushiji.chain.display import Display, duration
from kuzushiji.chain.executors import Executor, Slurm, ThisMachine, command_of
from kuzushiji.chain.listing import (
    Job,
    ListedStage,
    Listing,
    filled_in,
    number_or_all,
    profiles,
    read_listing,
    selected,
    stage_names,
    until_input_lacks,
)
from kuzushiji.chain.plan import check_disk, plan
from kuzushiji.chain.pool import Pool
from kuzushiji.chain.reached import closing
from kuzushiji.chain.resources import Places, check_division, plan_places, slurm_places
from kuzushiji.chain.run_lock import hold_part
from kuzushiji.chain.start_weights import check_weights_files, needed_weights
from kuzushiji.errors import InputError, UsageError
from kuzushiji.options import option
from kuzushiji.stage import Command

CHECK, REPORT = "kuzushiji.data.check", "kuzushiji.report"
FLAGS = ("--force", "--dry-run")


@dataclass(frozen=True)
class ChainConfig:
    """What the command line asks for."""

    profile: str = option(
        "kaggle", f"{', '.join(profiles())}; kaggle without it", positional=True, nargs="?", metavar="PROFILE"
    )
    script: str = option("run-all.sh", "the list of commands: run-all.sh, or level2.sh of the stage level2 alone")
    fold: int | None = option(
        None, "only the part of fold K: its jobs of stages that run once per fold, as far as their inputs are there",
        type=cli.non_negative_int, metavar="K",
    )  # fmt: skip
    stage: str | None = option(None, f"only this stage: {', '.join(stage_names())}", metavar="NAME")
    force: bool = option(False, "run again what is done")
    dry_run: bool = option(
        False, "run nothing: print the commands as they would be typed and, for the whole chain and stages that train, "
        "the hours and the disk they take",
    )  # fmt: skip
    jobs: int | None = option(
        None, "processes side by side; without it what the profile says, else one a GPU, or a core; with Slurm all",
        type=cli.positive_int,
    )  # fmt: skip
    gpus_per_job: str | None = option(
        None, "train each fold on N GPUs, or on all; without it on one, so that the folds run side by side",
        type=number_or_all, metavar="N|all",
    )  # fmt: skip
    executor: str = option(
        "local", "run the jobs as processes of this machine, or as jobs of Slurm (docs/cluster.rst)",
        choices=("local", "slurm"),
    )  # fmt: skip


class Chain(Command):
    """Runs the whole chain, from page photographs to a submission: the commands that the script lists.

    What is done is skipped, so the same command continues what was interrupted. The output of each job is in RUNS/logs;
    --verbose shows it too. RUNS=FOLDER before the command puts the run elsewhere; the other variables are in
    profiles/*.env.
    """

    config: ChainConfig

    @classmethod
    def parse_args(cls, argv: Sequence[str] | None = None, prog: str | None = None) -> ChainConfig:
        """Return the config of a command line; here a word after --force or --dry-run is the profile."""
        words = sys.argv[1:] if argv is None else argv
        config: ChainConfig = super().parse_args([f"{word}=1" if word in FLAGS else word for word in words], prog)
        return config

    def execute(self) -> int:
        """Say what is wrong before anything begins; then print the commands, or run them."""
        config = self.config
        if config.profile not in profiles():
            raise UsageError(f"no profile {config.profile}; there are: {' '.join(profiles())}")
        listing = read_listing(config.script, config.profile, self._settings())
        stages = selected(listing, config.stage, config.fold)
        if not (listing.writes_books or config.dry_run) and missing_data(listing.data_root):
            print(f"error: {how_to_begin(listing.data_root, profiles())}", file=sys.stderr)
            return EXIT_USAGE
        places = (plan_places if config.executor == "local" else slurm_places)(listing)
        check_division((job for stage in stages for job in stage.jobs), places.job_gpus)
        lacking = None
        if config.fold is not None and config.stage is None:
            stages, lacking = until_input_lacks(stages)
        stages = filled_in(stages, self._needed_weights(listing))
        if self._has_plan(listing, stages):
            print(plan(listing, config.stage, config.fold), end="\n\n", flush=True)
        if config.dry_run:
            for job in (job for stage in stages for job in stage.jobs):
                print(shlex.join(command_of(job, places)))
        else:
            check_disk(listing)
            check_weights_files(listing.variables)
            self._run(listing, stages, places)
        if lacking is not None:
            print(
                f"fold {config.fold}: {lacking.name} needs {lacking.needs}, of all folds; when it is there, "
                "the same command goes on"
            )
        return 0

    def _settings(self) -> dict[str, str]:
        """Return the variables that profile and list read for options."""
        config = self.config
        given = {"JOBS": config.jobs, "JOB_GPUS": config.gpus_per_job, "FORCE": config.force or None}
        return {"FORCE": "", **{name: str(value) for name, value in given.items() if value is not None}}

    def _needed_weights(self, listing: Listing) -> list[str]:
        jobs = (job for stage in listing.stages for job in stage.jobs)
        return needed_weights((job for job in jobs if self.config.fold in (None, job.fold)), force=self.config.force)

    def _has_plan(self, listing: Listing, stages: Sequence[ListedStage]) -> bool:
        """Return whether the plan is printed: where it may take days, or is only printed; of one stage if it trains."""
        if listing.writes_books and not self.config.dry_run:
            return False
        if self.config.stage is None:
            return len(listing.stages) > 1
        return any(stage.per_fold for stage in stages) and not listing.variables["HOURS"]

    def _run(self, listing: Listing, stages: Sequence[ListedStage], places: Places) -> None:
        python = environment_python()
        started = time.monotonic()  # what is measured begins after the set-up
        logs = listing.runs / "logs"
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{logs}: cannot be made: {error.strerror or error}") from error
        fold = "" if self.config.fold is None else f"fold{self.config.fold}"
        stage = self.config.stage or ("" if len(listing.stages) > 1 else listing.stages[0].name)
        typed = shlex.join([self.config.script, *sys.argv[3:]])
        held = hold_part(listing.runs, "-".join(filter(None, [fold, stage])), typed)
        executor: Executor = (ThisMachine if self.config.executor == "local" else Slurm)(python, places, held)
        display = Display(stages, verbose=logging.getLogger("kuzushiji").isEnabledFor(logging.DEBUG))
        root = listing.data_root

        def is_done(job: Job) -> str | None:
            done = job.words[0] == CHECK and not self.config.force and is_checked(root, logs)
            return f"{root} is unchanged since it passed" if done else None

        def on_success(job: Job) -> None:
            if job.words[0] == CHECK:
                note_checked(root, logs)

        n_jobs = sum(len(stage.jobs) for stage in stages)
        print(f"{n_jobs} jobs of {len(stages)} stages; their output is in {logs}/", flush=True)
        Pool(executor, logs, display, is_done, on_success).run(stages)
        if any(job.words[0] == REPORT for stage in stages for job in stage.jobs):
            for line in closing((logs / "report.log").read_text(encoding="utf-8"), listing.runs, root):
                print(line)
        print(f"total time: {duration(time.monotonic() - started)}")


def environment_python() -> str:
    """Return the interpreter of the environment with all packages, installing what is missing.

    Raises:
        SystemExit: it cannot be made; why was printed.
    """
    script = 'source scripts/environment.sh && use_environment requirements.txt >&2 && printf "%s" "$PYTHON"'
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(cli.EXIT_FAILED)
    return done.stdout.decode()


main = Chain.main

if __name__ == "__main__":
    typed = Path(sys.argv[2]).name if sys.argv[1:2] == ["--script"] and len(sys.argv) > 2 else "run-all.sh"
    cli.run(functools.partial(main, prog=f"bash {typed}"), name=f"bash {typed}")
