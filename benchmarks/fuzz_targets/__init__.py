"""What is fuzzed: each reader and writer as a function of bytes.

A target's `check` returns whether the input was taken, and raises `InputError` where it was refused; anything else that
it raises is a fault: a traceback, or an input that was taken wrongly. An input is taken rightly if what was read fits
the rules that the reader promises, and comes out the same when it is written and read again.
"""

from pathlib import Path

from benchmarks.fuzz_targets.json_files import json_targets
from benchmarks.fuzz_targets.labelled import labelled_targets
from benchmarks.fuzz_targets.tables import table_targets
from benchmarks.fuzz_targets.target import Target
from benchmarks.fuzz_targets.text import text_targets
from benchmarks.fuzz_targets.writers import writer_targets

__all__ = ["Target", "build_targets"]


def build_targets(folder: Path) -> list[Target]:
    """Return all targets; their files are below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *text_targets(folder), *json_targets(folder), *table_targets(folder), *labelled_targets(folder / "labelled"),
        *writer_targets(),
    ]  # fmt: skip
