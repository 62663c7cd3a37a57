"""What the terminal shows of a chain: a line a job, and a bar where somebody looks. All else is in the jobs' logs."""

import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kuzushiji.chain.executors import Running
from kuzushiji.chain.listing import Job, ListedStage
from kuzushiji.chain.reached import facts_of, reached
from kuzushiji.terminal import paint

SILENCE = 30.0
"""Seconds without a line after which one says how far the jobs are, where there is no bar. In a stage
that has run for longer it comes after half that time, so that the log of a day stays short."""

LONGEST_SILENCE = 1800.0

_EPOCH = re.compile(r"epoch (\d+) of (\d+)")
_NOTICE = re.compile(r"warning: .*|[\w.]+ runs again: .*")
"""Lines of a job that the terminal shows too: warnings, and why what was done is done again."""

_BAR = 10


class Log:
    """The output of a job as it grows.

    Attributes:
        text: All of it so far.
    """

    def __init__(self, path: Path) -> None:
        self.text = ""
        self._path, self._place, self._rest = path, 0, b""

    def new_lines(self) -> list[str]:
        """Return the lines that were added since the last time; one that has no end yet comes later."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                new = file.read()
        except OSError:  # Slurm has not written it yet
            return []
        self._place += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return self._add(lines)

    def last_lines(self) -> list[str]:
        """As `new_lines`, when the job has ended: its last line may lack its end."""
        lines = self.new_lines()
        rest, self._rest = self._rest, b""
        return lines + (self._add([rest]) if rest else [])

    def _add(self, lines: Sequence[bytes]) -> list[str]:
        texts = [line.decode(errors="replace").rpartition("\r")[2] for line in lines]
        self.text += "".join(f"{line}\n" for line in texts)
        return texts


class Display:
    """Shows what a pool does.

    Args:
        stages: All that it will do.
        verbose: Whether the jobs' output is shown too.
    """

    def __init__(self, stages: Sequence[ListedStage], *, verbose: bool) -> None:
        self._stages, self._verbose = stages, verbose
        self._numbers = {job.name: number for number, job in enumerate((j for s in stages for j in s.jobs), start=1)}
        self._width = max((len(name) for name in self._numbers), default=0)
        self._logs: dict[str, Log] = {}
        self._groups: dict[str, list[tuple[Job, float, dict[str, str]]]] = {}
        self._notices: set[str] = set()
        self._bar = sys.stderr.isatty() and not verbose
        self._has_bar = False
        self._stage_began: dict[str, float] = {}
        self._last_line = self._last_look = time.monotonic()

    def started(self, running: Running) -> None:
        """Follow a job's output."""
        self._logs[running.job.name] = Log(running.log)
        if running.stage.name not in self._stage_began:
            self._stage_began[running.stage.name] = self._last_line = time.monotonic()

    def look(self, running: Sequence[Running]) -> None:
        """Read what the jobs at work have written, and show how far they are."""
        now = time.monotonic()
        if not running or now - self._last_look < 1:
            return
        self._last_look = now
        for each in running:
            self._show(each.job, self._logs[each.job.name].new_lines())
        stage = running[0].stage
        seconds = now - self._stage_began[stage.name]
        if self._bar:
            self._draw(self._progress(stage, running, seconds))
        elif not self._verbose and now - self._last_line >= min(max(SILENCE, seconds / 2), LONGEST_SILENCE):
            self._last_line = now
            print(self._progress(stage, running, seconds)[1], file=sys.stderr, flush=True)

    def ended(self, stage: ListedStage, job: Job, seconds: float, why_not_run: str = "") -> None:
        """Print the job's line; short jobs of the same kind share one."""
        log = self._logs.get(job.name)
        if log is not None:
            self._show(job, log.last_lines())
        facts = facts_of(log.text) if log else {}
        group = [each for each in stage.jobs if each.words[0] == job.words[0] and not (each.trains or each.alone)]
        if len(group) < 2:
            what = why_not_run or reached([job], [facts], log.text if log else "")
            self._print_line(str(self._numbers[job.name]), job.name, what, seconds)
            return
        done = self._groups.setdefault(f"{stage.name} {job.words[0]}", [])
        done.append((job, seconds, facts))
        if len(done) == len(group):
            numbers = sorted(self._numbers[each.name] for each in group)
            name = f"{group[0].name.split('-fold')[0].split('-clf')[0]} ({len(group)} jobs)"
            what = reached(group, [facts for _, _, facts in done], log.text if log else "")
            self._print_line(f"{numbers[0]}-{numbers[-1]}", name, what, max(seconds for _, seconds, _ in done))

    def failed(self, running: Running) -> str:
        """Return why a job failed, in its own words: its last line, with a colon before it."""
        log = self._logs[running.job.name]
        self._show(running.job, log.last_lines())
        lines = [line for line in log.text.splitlines()[1:] if line.strip()]  # after the command
        errors = [line for line in lines if line.startswith("error: ") or ": error: " in line]
        return f": {(errors or lines)[-1].strip().removeprefix('error: ')}" if lines else ""

    def clear(self) -> None:
        """Take the bar away."""
        if self._has_bar:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._has_bar = False

    def _show(self, job: Job, lines: Sequence[str]) -> None:
        """Print a job's new lines with its name, or of these only notices, each once a chain."""
        for line in lines:
            if self._verbose:
                print(f"[{job.name}] {line}", flush=True)
            elif _NOTICE.fullmatch(line) and line not in self._notices:
                self._notices.add(line)
                self.clear()
                print(line, file=sys.stderr, flush=True)

    def _print_line(self, number: str, name: str, what: str, seconds: float) -> None:
        self.clear()
        total = str(len(self._numbers))
        number = f"{number:>{2 * len(total) + 1}} of {total}"
        print(f"{paint(number, 'dim')}  {name:<{self._width}}  {what:<58}  {duration(seconds)}".rstrip(), flush=True)
        self._last_line = time.monotonic()

    def _progress(self, stage: ListedStage, running: Sequence[Running], seconds: float) -> tuple[float, str]:
        """Return which part of a stage's jobs is done, and words for it."""
        number = [each.name for each in self._stages].index(stage.name) + 1
        epochs = {each.job.name: self._epoch(each.job) for each in running if each.stage is stage}
        n_done = sum(job.name in self._logs and job.name not in {r.job.name for r in running} for job in stage.jobs)
        # Held-out and test pages, which come after the last epoch, count as one more.
        part = (n_done + sum(done / (total + 1) for done, total in epochs.values())) / len(stage.jobs)
        words = f"stage {number} of {len(self._stages)}, {stage.name}: {n_done} of {len(stage.jobs)} jobs done"
        if part > 0:
            words += f", about {duration(seconds * (1 - part) / part)} left"
        if any(total for _, total in epochs.values()):
            done, total = min(each for each in epochs.values() if each[1])
            words += f", epoch {done} of {total}"
        return part, f"{words}, {duration(seconds)}"

    def _epoch(self, job: Job) -> tuple[int, int]:
        """Return the epochs that a job has done, and all of them; zeros where it has not said."""
        found = _EPOCH.findall(self._logs[job.name].text)
        return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)

    def _draw(self, progress: tuple[float, str]) -> None:
        part, words = progress
        full = round(part * _BAR)
        line = f"[{'#' * full}{'-' * (_BAR - full)}] {words}"
        print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)
        self._has_bar = True


def duration(seconds: float) -> str:
    """Return a time in words: `12 s`, `3 min 20 s`, `5 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
