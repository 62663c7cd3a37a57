"""Ends the jobs of a chain that was killed by SIGKILL: `python -m kuzushiji.chain.watch`, which the chain starts.

Standard input gets a line for each job: `+GROUP` when its process group begins, `-GROUP` when it has ended. It closes
when the chain is no more, however it ended.
"""

import os
import signal
import sys
from contextlib import suppress


def watch() -> None:
    """Wait until standard input closes; then ask the groups that are left to end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)


if __name__ == "__main__":
    watch()
