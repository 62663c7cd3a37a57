"""Runs commands on a real disk that is full, and again when there is room; for test_full_disk.py.

    unshare -rm python -m tests.full_disk DISK <commands.json >results.json

In a namespace of its own everybody may mount a file system, and it is gone when the process ends.
"""

import gc
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from kuzushiji import cli
from tests.commands import module_of

ROOMY = "256m"
PAGE = 4
"""KiB: what the system's smallest file takes."""


def on_a_full_disk(disk: Path, module: str, words: list[str], room: int) -> dict[str, Any]:
    """Run a command with so many KiB of free space on the disk, and again with plenty.

    Returns:
        Exit code and messages of the first run, the files that it left, with their sizes; those of the second run.
    """
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room + PAGE}k", "tmpfs", str(disk)], check=True)
    try:
        filler = disk / "filler"  # a disk of no size would be one without a limit
        filler.write_bytes(bytes(PAGE << 10))
        code, messages = run(module, words)
        files = [path for path in disk.rglob("*") if path.is_file() and path != filler]
        left = {str(path.relative_to(disk)): path.stat().st_size for path in files}
        subprocess.run(["mount", "-o", f"remount,size={ROOMY}", str(disk)], check=True)
        again, messages_again = run(module, words)
        return {"code": code, "messages": messages, "left": left, "again": again, "messages_again": messages_again}
    finally:
        gc.collect()  # a file that a library could not write is open as long as the error is, in a circle with it
        subprocess.run(["umount", str(disk)], check=True)


def run(module: str, words: list[str]) -> tuple[Any, list[str]]:
    """Run a command in this process; return its exit code, and what it prints on standard error."""
    printed = StringIO()
    with redirect_stderr(printed), redirect_stdout(StringIO()):
        try:
            cli.run(module_of(f"kuzushiji.{module}").main, ["--quiet", *words])
        except SystemExit as ended:
            return ended.code, printed.getvalue().splitlines()


def main() -> None:
    """Run all commands."""
    commands = json.load(sys.stdin)
    results = [on_a_full_disk(Path(sys.argv[1]), *command) for command in commands]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
