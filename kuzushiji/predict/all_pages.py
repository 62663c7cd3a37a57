"""Has all pages read, side by side where that is quicker, and writes what was read: this process alone writes."""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from kuzushiji.bundle.model_files import ModelFiles
from kuzushiji.chain.resources import QUOTA, usable_cores
from kuzushiji.data.labels import PagePoints
from kuzushiji.errors import InputError
from kuzushiji.predict.config import RAY, PredictConfig
from kuzushiji.predict.fence import Failure, OutputError, concerns_all, fence
from kuzushiji.predict.lanes import Here, Lane, LaneLostError, OwnProcess, spread
from kuzushiji.predict.records import Output, PageSource, Summary
from kuzushiji.predict.run import page_work
from kuzushiji.predict.sources import PageToRead, readable_name
from kuzushiji.predict.stopwatch import STAGES
from kuzushiji.predict.tasks import PageAnswer, PageTask
from kuzushiji.terminal import printable, progress

logger = logging.getLogger(__name__)

_MEMORY = 3 << 30
"""Bytes that a process is taken to need: models and a large page."""

_LEAST_PAGES = 8
"""Of each process: with fewer, loading the models once more is not worth it."""

_MEMINFO = Path("/proc/meminfo")


def read_pages(
    config: PredictConfig, files: ModelFiles, pages: Sequence[tuple[PageToRead, PageSource]], output: Output
) -> Summary:
    """Read the pages and write their files; what goes wrong with one page is its failure.

    The files and the summary do not depend on how many processes read.

    Raises:
        OutputError: no file can be written.
        InputError: as `page_work`.
    """
    tasks = [PageTask(page, source, _relative(page.picture.path, output.folder)) for page, source in pages]
    answers: dict[str, PageAnswer] = {}
    with _lanes(config, files, len(tasks)) as (n, open_lane), closing(spread(tasks, open_lane, n)) as coming:
        shown = progress(coming, total=len(tasks), title="pages", unit="page", leave=False, lines=True)
        for task, answer in shown:
            answers[task.page.name] = replace(_written(task, answer, output), contents={}, points=None)
    return _summary([(task, answers[task.page.name]) for task in tasks])


def n_processes(workers: int, n_pages: int, *, cores: int, memory: int) -> int:
    """Return how many processes read so many pages on the CPU; `workers` if that is not 0.

    Args:
        workers: As asked for.
        n_pages: To read.
        cores: Of this machine.
        memory: Bytes that are free.
    """
    if workers:
        return min(workers, n_pages)
    return max(1, min(cores, n_pages // _LEAST_PAGES, memory // _MEMORY))


def free_memory() -> int:
    """Return the bytes of memory that programs can still have; of all of it, where the system says no more."""
    try:
        lines = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2 * _MEMORY


@contextmanager
def _lanes(config: PredictConfig, files: ModelFiles, n_pages: int) -> Iterator[tuple[int, Callable[[], Lane]]]:
    """Yield how many lanes read, and what opens one."""
    if config.engine == RAY:
        from kuzushiji.predict import on_ray

        with on_ray.lanes(config, lambda config: partial(page_work, config, files), n_pages) as found:
            yield found
        return
    cores = usable_cores(QUOTA)
    n = n_processes(_asked_for(config), n_pages, cores=cores, memory=free_memory())
    if n == 1:
        yield 1, partial(Here, partial(page_work, config, files))
        return
    logger.info("%d processes read side by side", n)
    of_each = replace(config, threads=config.threads or max(1, cores // n))
    yield n, partial(OwnProcess, partial(page_work, of_each, files))


def _asked_for(config: PredictConfig) -> int:
    """Return how many processes are asked for; 0 leaves it to the machine: on the CPU, where no shards are read."""
    from kuzushiji.engine.device import resolve_device

    alone = config.shard is not None or resolve_device(config.device).type != "cpu"
    return config.workers or int(alone)


def _written(task: PageTask, answer: PageAnswer | LaneLostError, output: Output) -> PageAnswer:
    """Write the files of a page; return its answer, with the failure where that does not go."""
    place = task.page.place
    if isinstance(answer, LaneLostError):
        return PageAnswer((Failure(place, f"{place}: the process that read it ended, twice ({answer})"),))
    if answer.points is None:
        return answer
    failures: list[Failure] = []
    started = time.perf_counter()
    with fence(place, failures):
        _write(output, task.page.name, task.source, answer.contents, answer.points)
    if answer.doubt and not failures:
        logger.warning("%s: the reading is doubtful: %s", task.page.name, answer.doubt)
    seconds = {**answer.seconds, "write": answer.seconds["write"] + time.perf_counter() - started}
    return replace(answer, failures=tuple(failures), seconds=seconds)


def _summary(answers: Sequence[tuple[PageTask, PageAnswer]]) -> Summary:
    summary = Summary(loading=max((answer.loading for _, answer in answers), default=0.0))
    seconds: Counter[str] = Counter()
    for task, answer in answers:
        seconds.update(answer.seconds)
        if answer.failures:
            summary.failures += answer.failures
            continue
        summary.read += 1
        summary.characters += answer.characters
        summary.notes += [f"{task.page.place}: {note}" for note in answer.notes]
        if answer.doubt:
            summary.doubtful.append(task.page.name)
    summary.seconds = {stage: seconds[stage] for stage in STAGES if stage in seconds}
    return summary


def _write(output: Output, page: str, source: PageSource, contents: Mapping[str, bytes], points: PagePoints) -> None:
    """Write the files of a page.

    Raises:
        OutputError: they cannot be written, and neither can those of other pages.
        InputError: they cannot be written.
    """
    try:
        output.write(page, source, contents, points)
    except InputError as error:
        if concerns_all(error) or not output.takes_files():
            raise OutputError(str(error)) from error
        raise


def _relative(path: Path, folder: Path) -> str:
    """Return the way from a folder to a file, with slashes; the file's name where there is none as text."""
    try:
        way = Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive of Windows
        return readable_name(path.name)
    return way if way == printable(way) else readable_name(path.name)
