"""A running chain and several ways of killing it, for kill_test.py."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from measure import ROOT

PATIENCE = 120.0
"""Seconds after which a chain that lost its script or a process must have ended."""


class Chain:
    """A chain at work: all its processes are one session."""

    def __init__(self, command: Sequence[str], runs: Path, environment: dict[str, str]) -> None:
        runs.mkdir(parents=True, exist_ok=True)
        self._output = runs.with_name("output.txt")
        environment = {
            **os.environ,
            "VIRTUAL_ENV": sys.prefix,
            "CUDA_VISIBLE_DEVICES": "",
            "RUNS": str(runs),
            **environment,
        }
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                ["bash", str(ROOT / "run-all.sh"), *command], env=environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def output(self) -> str:
        """Return the end of what it printed."""
        return self._output.read_text()[-3000:]

    def is_alive(self) -> bool:
        """Return whether the script runs."""
        return self.process.poll() is None

    def alive(self) -> list[int]:
        """Return the processes of the session, zombies aside."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(int(entry.name))
        return found

    def kill_all(self) -> None:
        """Kill every process at once, as a power cut does."""
        while pids := self.alive():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def kill_one(self, chosen_by: random.Random) -> bool:
        """Kill one process that runs Python; the script must end with 1. Return whether there was one."""
        pythons = [pid for pid in self.alive() if pid != self.process.pid and is_python(pid)]
        if not pythons:
            self.kill_all()
            return False
        with suppress(ProcessLookupError):
            os.kill(chosen_by.choice(pythons), signal.SIGKILL)
        code = self.process.wait(PATIENCE)
        self.wait_for_all()
        if code not in (0, 1):
            raise SystemExit(f"one process was killed: expected the script to end with 1, got {code}: {self.output()}")
        return code == 1

    def wait_for_all(self) -> None:
        """Wait until the session is over.

        Raises:
            SystemExit: some process does not end.
        """
        end = time.monotonic() + PATIENCE
        while pids := self.alive():
            if time.monotonic() > end:
                raise SystemExit(f"these processes do not end: {pids}")
            time.sleep(0.1)


def is_python(pid: int) -> bool:
    """Return whether a process is a stage, or a worker of one; not the chain itself, nor what watches over it."""
    try:
        module = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0", 4)[2]
        return b"kuzushiji" in module and not module.startswith(b"kuzushiji.chain")
    except (OSError, IndexError):
        return False
