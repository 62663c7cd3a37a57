"""Runs commands on a disk that refuses calls, or the same on an ordinary one; for test_refusing_disk.py.

    LD_PRELOAD=LIBRARY REFUSING_DISK=... python -m tests.refusing_disk <commands.json >results.json

Commands are modules of kuzushiji with their words. `edit` saves a page twice in a folder of the viewer, which it makes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.full_disk import run

SOURCE = Path(__file__).with_suffix(".c")


def compile_library(folder: Path) -> Path:
    """Return the library that refuses calls, compiled into a folder; FileNotFoundError where there is no compiler."""
    library = folder / "refusing_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


def refusing(library: Path, disk: Path, log: Path, calls: Mapping[str, int]) -> dict[str, str]:
    """Return the environment of a process for which a folder is a disk that refuses calls.

    Args:
        library: That refuses.
        disk: The folder.
        log: A file elsewhere, which gets the kinds of refused calls, one in each line.
        calls: Kinds of calls with the error that they end with.
    """
    return {
        "LD_PRELOAD": str(library), "REFUSING_DISK": os.path.realpath(disk), "REFUSED_LOG": str(log),
        "REFUSED_CALLS": ",".join(f"{kind}={number}" for kind, number in calls.items()),
    }  # fmt: skip


def save_a_page(words: list[str]) -> tuple[Any, list[str]]:
    """Save a page in a new folder of the editor, and again."""
    from kuzushiji.edit.folder import EditedFolder
    from tests.edit.books import page_of, write_book

    folder = Path(*words)
    write_book(folder)
    for revision in range(2):
        EditedFolder(folder).save("b1_001", page_of(folder, revision=revision))
    return 0, []


def finetune(words: list[str]) -> tuple[Any, list[str]]:
    """Run kuzushiji.finetune with an update an epoch: what is learned is not looked at."""
    from kuzushiji.finetune import run as module

    module.DETECTOR_CROPS = module.CLASSIFIER_CROPS = (1, 4)
    return run("finetune", words)


OWN = {"edit": save_a_page, "finetune": finetune}


def main() -> None:
    """Run all commands, until one of them fails."""
    results = []
    for module, words in json.load(sys.stdin):
        results.append(OWN[module](words) if module in OWN else run(module, words))
        if results[-1][0] != 0:
            break
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
