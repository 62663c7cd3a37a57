"""The list of a script's commands, as scripts/chain.sh writes it, and the part of it that is asked for."""

import os
import re
import subprocess
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kuzushiji.arguments import non_negative_float, positive_int
from kuzushiji.errors import InputError, UsageError

TRAINING = ("kuzushiji.segment.main", "kuzushiji.classify.main")
"""What trains: it may use several GPUs, and the others need none."""

THREADS, NEEDED_WEIGHTS = "{threads}", "{weights}"
"""Words of a command that are filled in when it runs."""

ALL_GPUS = "all"
SCRIPTS = ("run-all.sh", "level2.sh")


def number_or_all(text: str) -> str:
    """Parse a number of GPUs, or `all`."""
    if text == ALL_GPUS:
        return text
    try:
        return str(positive_int(text))
    except ArgumentTypeError:
        raise ArgumentTypeError(f"expected a whole number of at least 1 or {ALL_GPUS}, got {text}") from None


NUMBERS: Mapping[str, Callable[[str], object]] = {
    "N_FOLDS": positive_int, "JOBS": positive_int, "JOB_GPUS": number_or_all, "JOB_CPUS": positive_int,
    "HOURS": non_negative_float, "DISK_GB": non_negative_float,
}  # fmt: skip
"""Variables of a profile that are numbers, unless they are empty."""


@dataclass(frozen=True)
class Job:
    """A command of the list.

    Attributes:
        name: Of its log.
        words: The module and its arguments.
        alone: Whether it waits for all before it, and those after it for it; it then has all cores.
    """

    name: str
    words: tuple[str, ...]
    alone: bool

    @property
    def trains(self) -> bool:
        """Whether it trains a model."""
        return self.words[0] in TRAINING

    @property
    def fold(self) -> int | None:
        """The fold that it is of; None for all folds together."""
        value = self.value("--fold")
        return None if value is None else int(value)

    def value(self, option: str) -> str | None:
        """Return the value of an option, the last one where it stands twice as for the stage's parser; None without."""
        places = [place for place, word in enumerate(self.words[:-1]) if word == option]
        return self.words[places[-1] + 1] if places else None


@dataclass(frozen=True)
class ListedStage:
    """A stage: jobs that may run side by side, unless they run alone.

    Attributes:
        name: As `--stage` has it.
        beside: Whether it may begin before the stage above has ended.
        needs: A file made from all folds, which one fold's part waits for.
        jobs: Its commands.
    """

    name: str
    beside: bool
    needs: Path | None
    jobs: tuple[Job, ...]

    @property
    def per_fold(self) -> bool:
        """Whether all its jobs are of one fold each."""
        return bool(self.jobs) and all(job.fold is not None for job in self.jobs)


@dataclass(frozen=True)
class Listing:
    """What a script and a profile ask for.

    Attributes:
        profile: Name of the profile.
        variables: What it sets, as text; empty where it does not.
        stages: In their order.
    """

    profile: str
    variables: Mapping[str, str]
    stages: tuple[ListedStage, ...]

    @property
    def runs(self) -> Path:
        """The run folder."""
        return Path(self.variables["RUNS"])

    @property
    def data_root(self) -> Path:
        """The folder with the data."""
        return Path(self.variables["DATA_ROOT"])

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.variables["N_FOLDS"])

    @property
    def writes_books(self) -> bool:
        """Whether the machine writes the data itself."""
        return bool(self.variables["BOOKS"])


def profiles() -> list[str]:
    """Return the names of the profiles."""
    return sorted(path.stem for path in Path("profiles").glob("*.env"))


def stage_names() -> list[str]:
    """Return the names of the chain's stages, in their order; none outside the repository."""
    chain, level2 = (path.read_text(encoding="utf-8") if path.is_file() else "" for path in map(Path, SCRIPTS))
    return re.findall(r"^(?:stage|beside) (\S+)", chain.replace(f"source ./{SCRIPTS[1]}", level2), re.M)


def read_listing(script: str, profile: str, settings: Mapping[str, str]) -> Listing:
    """Return the list of a script with a profile.

    Args:
        script: Its file.
        profile: Name of the profile.
        settings: Variables that the profile or the list reads, beside those of the environment.

    Raises:
        InputError: the profile cannot be read, or lacks something.
    """
    environment = {**os.environ, **settings, "LISTING": "1", "PROFILE": profile}
    done = subprocess.run(["bash", script], env=environment, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode:
        raise InputError(said.splitlines()[-1].removeprefix("error: ") if said else f"profiles/{profile}.env: failed")
    variables, stages = {}, list[ListedStage]()
    for kind, *words in _records(done.stdout):
        if kind == "set":
            variables[words[0]] = words[1]
        elif kind in ("stage", "beside"):
            stages.append(ListedStage(words[0], kind == "beside", Path(words[1]) if words[1:] else None, ()))
        else:
            job = Job(words[0], tuple(words[1:]), kind == "run")
            stages[-1] = replace(stages[-1], jobs=(*stages[-1].jobs, job))
    for name, parse in NUMBERS.items():
        try:
            parse(variables[name] or "1")
        except ArgumentTypeError as error:
            raise UsageError(f"{name}: {error}") from error
    return Listing(profile, variables, tuple(stages))


def _records(output: bytes) -> Iterator[list[str]]:
    """Yield groups of words: each is written as their number and the words, which end with a zero byte."""
    words = iter(os.fsdecode(output).split("\0")[:-1])
    for count in words:
        yield [next(words) for _ in range(int(count))]


def selected(listing: Listing, stage: str | None, fold: int | None) -> list[ListedStage]:
    """Return the stages that are asked for, with the jobs that are.

    Raises:
        UsageError: there is no such stage or fold, or the stage has no part of one fold.
    """
    stages = list(listing.stages)
    if stage is not None:
        if stage not in [each.name for each in stages]:
            names = " ".join(each.name for each in stages)
            raise UsageError(f"--stage: expected one of {names}, got {stage}")
        stages = [each for each in stages if each.name == stage]
    if fold is not None:
        if not 0 <= fold < listing.n_folds:
            raise UsageError(f"--fold: expected 0 to {listing.n_folds - 1} with this profile, got {fold}")
        if stage is not None and not stages[0].per_fold:
            raise UsageError(f"--fold: {stage} is of all folds together")
        if not any(each.per_fold for each in stages):
            raise UsageError("--fold is an option of run-all.sh")
        stages = [
            replace(each, jobs=tuple(job for job in each.jobs if job.fold == fold or NEEDED_WEIGHTS in job.words))
            for each in stages
        ]
    return stages


def until_input_lacks(stages: Sequence[ListedStage]) -> tuple[list[ListedStage], ListedStage | None]:
    """Return the stages before the first whose input is not there, and that one; None where all can run."""
    for place, stage in enumerate(stages):
        if stage.needs is not None and not stage.needs.exists():
            return list(stages[:place]), stage
    return list(stages), None


def filled_in(stages: Sequence[ListedStage], needed_weights: Sequence[str]) -> list[ListedStage]:
    """Return the stages that have jobs, with the networks whose weights are needed; without any no job fetches them."""
    return [replace(stage, jobs=jobs) for stage in stages if (jobs := tuple(_filled_jobs(stage.jobs, needed_weights)))]


def _filled_jobs(jobs: Iterable[Job], needed_weights: Sequence[str]) -> Iterator[Job]:
    for job in jobs:
        if NEEDED_WEIGHTS not in job.words:
            yield job
        elif needed_weights:
            place = job.words.index(NEEDED_WEIGHTS)
            yield replace(job, words=(*job.words[:place], *needed_weights, *job.words[place + 1 :]))
