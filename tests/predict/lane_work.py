"""Work for lanes that ends its own process; other processes import it from here."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kuzushiji.data.labels import PagePoints
from kuzushiji.errors import InputError
from kuzushiji.predict.tasks import PageAnswer, PageTask

DIES, DIES_ONCE, RAISES, ODD = "dies", "dies once", "raises", "odd"


def words(place: Path) -> Callable[[str], str]:
    """Return work that turns a word into capitals, or does what the word says."""

    def work(word: str) -> str:
        if word == DIES or (word == DIES_ONCE and is_first(place / "died")):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == RAISES:
            raise InputError("expected another word")
        if word == ODD:
            raise KeyError("odd")
        return word.upper()

    return work


def ends_at_once() -> Any:
    """End the process before it has begun."""
    os._exit(3)


def no_models() -> Any:
    """Raise what models that are not there raise."""
    raise InputError("expected models, got none")


def is_first(mark: Path) -> bool:
    """Return whether this is the first process that asks, of all."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def quick(config: Any, files: Any) -> Callable[[PageTask], PageAnswer]:
    """As `page_work`, without models: no page has a character."""

    def work(task: PageTask) -> PageAnswer:
        points = PagePoints.from_arrays([task.page.name], *(np.zeros(n) for n in (0, 0, (0, 2))))
        contents = {f"{task.page.name}.json": b'{"page": 1}'}
        return PageAnswer(contents=contents, points=points, seconds={"write": 0.0})

    return work


def killed_at(place: Path, config: Any, files: Any) -> Callable[[PageTask], Any]:
    """As `page_work`; the process is killed once at page2, and each time at page3."""
    from kuzushiji.predict.run import page_work  # torch, which other work here does without

    return partial(_killed_at, place, page_work(config, files))


def _killed_at(place: Path, work: Callable[[PageTask], Any], task: PageTask) -> Any:
    if task.page.name == "page3" or (task.page.name == "page2" and is_first(place / "killed")):
        os.kill(os.getpid(), signal.SIGKILL)
    return work(task)
