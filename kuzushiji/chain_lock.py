# PYTHON_ARGCOMPLETE_OK
"""The lock of a part of a chain, for its script: `python -m kuzushiji.chain_lock RUNS --pid PID [--part PART]`.

Whoever runs the whole chain holds the run folder alone; those who run a part of it (`--fold`, `--stage`) share the
folder, and each holds its part alone. The script has opened the two files of these locks as descriptors 8 and 9: they
are locked here and stay locked until the script and all that it has started are gone.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path

from kuzushiji import cli, locks
from kuzushiji.errors import InputError
from kuzushiji.options import add_options, config_from, option

logger = logging.getLogger(__name__)

WHOLE_HANDLE, PART_HANDLE = 8, 9
WHOLE = ".chain.lock"


@dataclass(frozen=True)
class Config:
    """What the command line asks for."""

    runs: Path = option(MISSING, "the run folder", positional=True, metavar="RUNS")
    pid: int = option(MISSING, "the script's process", type=cli.positive_int)
    part: str = option("", "name of the part; without it the whole folder")
    command: str = option("", "what the script was called with")


def get_parser() -> cli.ArgumentParser:
    """Return the parser of the command line."""
    parser = cli.ArgumentParser(
        prog="python -m kuzushiji.chain_lock",
        description="Lock a run folder, or a part of it, for the script that calls; exit code 1 if it is taken.",
    )
    add_options(parser, Config)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> Config:
    """Return the command line's config."""
    return config_from(get_parser().parse_args(argv), Config)


def main(argv: Sequence[str] | None = None) -> int:
    """Take the locks; return 0.

    Raises:
        InputError: somebody else has them.
    """
    config = parse_args(argv)
    end = time.monotonic() + locks.PATIENCE
    said = False
    while not take(config.part):
        holder = find_holder(config.runs, config.part)
        if not locks.is_dead(locks.read_holder(holder)) or time.monotonic() > end:
            raise InputError(f"{config.runs}: {locks.describe_holder(holder)} is at work there; one chain at a time")
        if not said:
            logger.info("%s: waiting for what is left of a chain that was killed", config.runs)
            said = True
        time.sleep(0.2)
    locks.note_holder(PART_HANDLE if config.part else WHOLE_HANDLE, config.pid, config.command)
    return 0


def take(part: str) -> bool:
    """Lock what the script has opened, and return whether that went."""
    if not part:
        return locks.take(WHOLE_HANDLE, shared=False)
    return locks.take(WHOLE_HANDLE, shared=True) and locks.take(PART_HANDLE, shared=False)


def find_holder(runs: Path, part: str) -> Path:
    """Return the file of the lock that is in the way: of the same part, of any part, or of the whole."""
    parts = [runs / f".chain-{part}.lock"] if part else sorted(runs.glob(".chain-*.lock"))
    return next((path for path in parts if path.is_file() and locks.is_taken(path)), runs / WHOLE)


if __name__ == "__main__":
    cli.run(main)
