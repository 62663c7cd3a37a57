# PYTHON_ARGCOMPLETE_OK
"""Check a data root before work begins: `python -m kuzushiji.data.check ROOT`."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from kuzushiji import cli
from kuzushiji.data.paths import DataRoot
from kuzushiji.options import json_option, option
from kuzushiji.stage import Command
from kuzushiji.terminal import print_result


@dataclass(frozen=True)
class CheckConfig:
    """What the command line asks for."""

    root: Path | None = option(
        None, "the data root; without it $KUZUSHIJI_DATA, else data/", positional=True, nargs="?", metavar="ROOT"
    )
    workers: int = option(os.cpu_count() or 1, "images that are decoded at a time", type=cli.positive_int)
    json: bool = json_option()


class Check(Command):
    """Read a data root whole and report every fault with file, row and page; exit code 1 if any."""

    config: CheckConfig

    def execute(self) -> int:
        """Print the faults and a summary on standard output; return 1 if there are faults."""
        from kuzushiji.data.inspection import inspect_data_root

        found = inspect_data_root(DataRoot.find(self.config.root), self.config.workers)
        if self.config.json:
            print_result(dataclasses.asdict(found), as_json=True)
            return cli.EXIT_FAILED if found.faults else 0
        for fault in found.faults:
            print(fault)
        for warning in found.warnings:
            print(f"warning: {warning}")
        print(
            f"{found.train_pages:,} training pages of {found.books:,} books, {found.pages_without_text:,} empty; "
            f"{found.characters:,} characters ({found.clipped:,} boxes reach over the edge and will be clipped), "
            f"{found.test_pages:,} test pages: {len(found.faults):,} faults"
        )
        return cli.EXIT_FAILED if found.faults else 0


main = Check.main

if __name__ == "__main__":
    cli.run(main)
