"""Writes `KIND/params.json` for each kind of model of the reference: what our parsers make of `profiles/kaggle.env`.

    python -m _runs.reference.make_params

The command lines are those that `bash run-all.sh kaggle --dry-run` prints. A test compares the files with them.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kuzushiji.classify.main import Classify
from kuzushiji.files import atomic_write_json
from kuzushiji.options import all_parameters, parameters
from kuzushiji.segment.main import Segment
from kuzushiji.stage import Command

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COMMANDS: dict[str, type[Command]] = {"kuzushiji.segment.main": Segment, "kuzushiji.classify.main": Classify}
INPUTS = ("clf_gt", "pseudolabels", "resume", "weights")
"""What decides a model beside the options of its recipe. Devices, threads, caches and outputs are left out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files; return the exit code."""
    argparse.ArgumentParser(
        prog="python -m _runs.reference.make_params", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(argv)  # fmt: skip
    for kind, values in reference_parameters().items():
        path = HERE / kind / "params.json"
        atomic_write_json(path, values)
        print(path)
    return 0


def reference_parameters() -> dict[str, dict[str, Any]]:
    """Return the parameters of each kind of model, of its fold 0."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KUZUSHIJI")}
    done = subprocess.run(
        ["bash", "run-all.sh", "kaggle", "--dry-run"],
        cwd=ROOT, env=environment | {"RUNS": "_runs", "DATA_ROOT": "data"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    kinds = {}
    for line in done.stdout.splitlines():
        match = re.match(r"python -m (\S+) (.*--output-dir _runs/(segment|clf)-fold0(\S*) .*)", line)
        if match and match[1] in COMMANDS:
            config = COMMANDS[match[1]].parse_args(shlex.split(match[2]))
            kept = {*parameters(config), *INPUTS}
            kinds[match[3] + match[4]] = {key: value for key, value in all_parameters(config).items() if key in kept}
    return kinds


if __name__ == "__main__":
    sys.exit(main())
