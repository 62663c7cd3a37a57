"""Work on tables and on rows of arrays with all cores: NumPy and Arrow let go of Python's lock."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], *, at_a_time: int | None = None) -> list[Result]:
    """Return what `work` gives for each item, in their order; as many at a time as there are cores, or `at_a_time`."""
    with ThreadPoolExecutor(at_a_time or n_cores()) as pool:
        return list(pool.map(work, items))


def in_chunks(n: int, size: int, work: Callable[[slice], None]) -> None:
    """Call `work` for consecutive ranges of at most `size` of n rows, on all cores."""
    in_parallel(work, [slice(start, min(start + size, n)) for start in range(0, n, size)])
