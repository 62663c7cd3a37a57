"""Work on rows of arrays with all cores of the machine."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_chunks(n: int, size: int, work: Callable[[slice], None]) -> None:
    """Call `work` for consecutive ranges of at most `size` of n rows, on all cores."""
    with ThreadPoolExecutor(n_cores()) as pool:
        list(pool.map(work, [slice(start, min(start + size, n)) for start in range(0, n, size)]))
