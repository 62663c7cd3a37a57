"""The chain killed at random moments, repeatedly, compared with an undisturbed run.

    PYTHONPATH=. python benchmarks/kill_test.py --kills 100 [--minutes 8] [--folder DIR]

Runs the profile `tiny` once undisturbed. Then runs it again in the same folder, kills it, repeats the command, and so
on until it is finished; then compares every table, submission, model and booster with those of the undisturbed run, and
starts again. With --folder the progress is kept: the same command continues until all kills are done. Prints JSON
(kept in benchmarks/results/kill_test.json).

The ways of killing alternate:
    power    SIGKILL to every process, at a random moment
    write    the same, as soon as some temporary file is seen half written
    script   SIGKILL to the script alone: its jobs must end by themselves
    worker   SIGKILL to one random process of a stage: the script must end with 1
"""

import argparse
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from killed_chain import Chain
from measure import machine

WAYS = ("power", "write", "script", "worker")
COMPARED = ("*.csv", "*.csv.gz", "*.parquet", "*.jpg", "*.txt", "*.xgb.json", "level2.json", "vocabulary.json", "*.pth")


@dataclass
class Soak:
    """A chain's place, and what happened there so far.

    Attributes:
        folder: Holds `runs` (the chain at work), `undisturbed` (what it is compared with) and the state.
        commands: What is run, one after the other, as arguments of run-all.sh.
        random: Chooses moments and victims.
        environment: Variables that the profile reads.
    """

    folder: Path
    commands: Sequence[Sequence[str]]
    random: random.Random
    environment: dict[str, str]
    kills: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)

    @property
    def runs(self) -> Path:
        """The run folder: always the same, since some tables name the files they were made of."""
        return self.folder / "runs"

    @property
    def undisturbed(self) -> Path:
        """The run to compare with."""
        return self.folder / "undisturbed"

    def prepare(self) -> float:
        """Make the undisturbed run, unless it is there; return the seconds it takes."""
        if not self.undisturbed.exists():
            shutil.rmtree(self.runs, ignore_errors=True)
            started = time.monotonic()
            for command in self.commands:
                chain = Chain(command, self.runs, self.environment)
                if chain.process.wait():
                    raise SystemExit(f"the undisturbed chain failed: {chain.output()}")
            (self.folder / "seconds").write_text(str(time.monotonic() - started))
            self.runs.rename(self.undisturbed)
        return float((self.folder / "seconds").read_text())

    def round(self, wanted: int, seconds: float, over: Callable[[], bool]) -> None:
        """Run the chain to its end, killed on the way as long as fewer than `wanted` kills are done, and compare."""
        number = 0
        while number < len(self.commands) and not over():
            chain = Chain(self.commands[number], self.runs, self.environment)
            if self.kills.total() < wanted:
                way = WAYS[self.kills.total() % len(WAYS)]
                if self.kill(chain, way, self.moment(seconds / len(self.commands))):
                    self.kills[way] += 1
                    self.save()
                    continue
            code = chain.process.wait()
            if code:
                raise SystemExit(f"the chain failed with {code} after {self.kills.total()} kills: {chain.output()}")
            number += 1
        if number == len(self.commands):
            self.compare()
            shutil.rmtree(self.runs)

    def moment(self, seconds: float) -> float:
        """Return after how many seconds to kill a chain that takes so many undisturbed.

        Mostly soon, so that a chain dies often; now and then late, so that it gets on.
        """
        return self.random.uniform(0.3, self.random.choice((8.0, 8.0, max(15.0, seconds / 10))))

    def kill(self, chain: "Chain", way: str, delay: float) -> bool:
        """Kill the chain in this way after so many seconds; return whether it still lived then."""
        with suppress(subprocess.TimeoutExpired):
            chain.process.wait(delay)
        if way == "write":
            end = time.monotonic() + 20
            while time.monotonic() < end and chain.is_alive() and not self.half_written():
                time.sleep(0.002)
        if not chain.is_alive():
            return False
        self.facts["started again"] += 1
        if way in ("power", "write"):
            chain.kill_all()
            self.facts["killed while a file was half written"] += bool(self.half_written())
        elif way == "script":
            chain.process.kill()
            chain.process.wait()
            self.facts["processes that ended by themselves"] += len(chain.alive())
            chain.wait_for_all()
        elif not chain.kill_one(self.random):
            return False
        return True

    def half_written(self) -> list[Path]:
        """Return the temporary files that are there."""
        with suppress(OSError):  # folders come and go meanwhile
            return list(self.runs.rglob(".*.tmp-*"))
        return []

    def compare(self) -> None:
        """Compare the run with the undisturbed one, file by file.

        Raises:
            SystemExit: they differ.
        """
        expected, got = files_of(self.undisturbed), files_of(self.runs)
        different = [
            name for name in sorted(expected.keys() | got.keys()) if not same(expected.get(name), got.get(name))
        ]
        if different:
            raise SystemExit(f"after {self.kills.total()} kills these differ: {', '.join(different)}")
        if self.half_written():
            raise SystemExit(f"left over: {', '.join(map(str, self.half_written()))}")
        self.facts["runs that came through identical"] += 1
        self.facts["files compared"] += len(got)

    def state(self) -> dict[str, Any]:
        """Return what happened, as JSON values."""
        return {"kills": self.kills.total(), "by_way": dict(self.kills), **self.facts}

    def load(self) -> None:
        """Take over what happened in earlier calls."""
        path = self.folder / "state.json"
        if path.exists():
            state = json.loads(path.read_text())
            state.pop("kills")
            self.kills, self.facts = Counter(state.pop("by_way")), Counter(state)

    def save(self) -> None:
        """Keep what happened."""
        (self.folder / "state.json").write_text(json.dumps(self.state()))


def files_of(runs: Path) -> dict[str, Path]:
    """Return the files that must not depend on what happened, by their names below the run folder."""
    paths = (path for pattern in COMPARED for path in runs.rglob(pattern))
    return {str(path.relative_to(runs)): path for path in paths if path.name != "checkpoint.pth"}


def same(one: Path | None, other: Path | None) -> bool:
    """Return whether two files hold the same; of checkpoints the weights count, beside them stand times."""
    if one is None or other is None:
        return False
    if one.suffix != ".pth":
        return one.read_bytes() == other.read_bytes()
    import torch

    first, second = (torch.load(path, weights_only=True)["model"] for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Kill the chain at random moments until it is through.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so long")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="*", default=[], help="only these stages, one after the other")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="of the data loaders")
    return parser


def main() -> None:
    """Kill, compare, print."""
    arguments = get_parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        soak = Soak(
            folder.resolve(),
            [["tiny", "--stage", stage] for stage in arguments.stages] or [["tiny"]],
            random.Random(f"{arguments.seed} {time.time_ns() if arguments.folder else 0}"),
            {"EPOCHS": str(arguments.epochs), "WORKERS": str(arguments.workers)},
        )
        soak.load()
        over = lambda: time.monotonic() - started > 60 * arguments.minutes  # noqa: E731
        seconds = soak.prepare()
        try:
            while soak.kills.total() < arguments.kills and not over():
                soak.round(arguments.kills, seconds, over)
        finally:
            soak.save()
        print(json.dumps({**soak.state(), "seconds_undisturbed": round(seconds, 1), "machine": machine()}, indent=2))


if __name__ == "__main__":
    main()
