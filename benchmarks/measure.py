"""Seconds and memory of whole processes, for the benchmarks beside this file."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def measured(words: Sequence[str], rows: int | None = None, **environment: str) -> dict[str, Any]:
    """Run `python WORDS`, its output on standard error, and return what it took.

    That is seconds, processor seconds (they tell more where the machine is busy with other things), peak memory and,
    for a number of rows, rows a second.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words], env={**child_environment(), **environment}, stdout=sys.stderr
    )  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"failed: python {' '.join(words)}")
    result: dict[str, Any] = {
        "seconds": round(seconds, 2),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_gb": round(usage.ru_maxrss / 2**20, 2),
    }
    return result if rows is None else {**result, "rows_per_second": round(rows / seconds)}


def child_environment() -> dict[str, str]:
    """Return the environment of a process that is to find the packages here."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": paths}


def pages_in(data_root: Path) -> list[Path]:
    """Return the images of all pages of a data root; ends the script where there is none."""
    found = sorted(data_root.glob("*_images/*.jpg"))
    if not found:
        raise SystemExit(f"{data_root}: expected train_images/ and test_images/ with pages, got none")
    return found


def machine() -> str:
    """Return what the numbers were measured on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
