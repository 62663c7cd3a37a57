"""Readers and writers with coverage-guided input from atheris.

    pip install atheris
    PYTHONPATH=. python benchmarks/fuzz_atheris.py --seconds 60 [--targets NAME...] [--output FILE]

The targets are those of fuzz.py, one after the other, each in a process of its own, for so many seconds. Atheris
(https://github.com/google/atheris) must see the code before it is imported, so that this is a script of its own. Prints
JSON (kept in benchmarks/results/fuzz_atheris.json): inputs, and how many places of our code they reach; a fault ends
its target, is printed, and ends the script with 1.
"""

import argparse
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.measure import machine
from kuzushiji.errors import InputError


def fuzz(name: str, seconds: int, folder: Path) -> NoReturn:
    """Fuzz one target; ends the process."""
    import atheris

    logging.disable(logging.CRITICAL)
    # The targets import what they need when they are built and when they are first called.
    with atheris.instrument_imports(include=["kuzushiji"]):
        from benchmarks.fuzz_targets import build_targets

        target = next(target for target in build_targets(folder / "files") if target.name == name)

        def check(data: bytes) -> None:
            try:
                target.check(data)
            except InputError as error:
                if "\n" in str(error):
                    raise AssertionError(f"more than one line: {error}") from error

        for data in target.seeds:
            check(data)
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, data in enumerate(target.seeds):
        (seeds / str(number)).write_bytes(data)
    limits = [f"-max_total_time={seconds}", "-max_len=4096", f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, str(seeds)], check)
    atheris.Fuzz()
    os._exit(0)


def fuzz_in_other_process(name: str, seconds: int) -> dict[str, Any]:
    """Fuzz one target, and return what came of it."""
    # Not a TemporaryDirectory: the other process would remove it at its end.
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    log = folder / "log"
    process = os.fork()
    if not process:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
        fuzz(name, seconds, folder)
    _, status = os.waitpid(process, 0)
    text = log.read_text(errors="replace")
    crashes = [repr(path.read_bytes()) for path in folder.glob("*-*") if path.is_file()]
    shutil.rmtree(folder)
    if os.waitstatus_to_exitcode(status):
        print(text[-4000:], *crashes, sep="\n", file=sys.stderr)
    inputs = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    places = re.findall(r" cov: (\d+) ", text)
    return {
        "inputs": int(inputs[-1]) if inputs else 0,
        "places_reached": int(places[-1]) if places else 0,
        "faults": int(os.waitstatus_to_exitcode(status) != 0),
    }


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Fuzz the readers and writers, guided by what the code does.")
    parser.add_argument("--targets", nargs="*", help="only these")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--output", type=Path, help="JSON to write; what it says of other targets is kept")
    return parser


def names_of_targets() -> list[str]:
    """Return the names of all targets, found in another process: here nothing of theirs must be imported yet."""
    reading, writing = os.pipe()
    if not os.fork():
        from benchmarks.fuzz_targets import build_targets

        with tempfile.TemporaryDirectory() as folder:
            os.write(writing, json.dumps([target.name for target in build_targets(Path(folder) / "files")]).encode())
        os._exit(0)
    os.wait()
    return list(json.loads(os.read(reading, 1 << 16)))


def main() -> int:
    """Fuzz, print counts."""
    arguments = get_parser().parse_args()
    names = names_of_targets()
    unknown = set(arguments.targets or ()) - set(names)
    if unknown:
        raise SystemExit(f"--targets: expected some of {', '.join(names)}, got {', '.join(sorted(unknown))}")
    kept = arguments.output and arguments.output.exists()
    found: dict[str, Any] = json.loads(arguments.output.read_text())["targets"] if kept else {}
    for name in arguments.targets or names:
        found[name] = {**fuzz_in_other_process(name, arguments.seconds), "seconds": arguments.seconds}
        print(f"{name}: {found[name]}", file=sys.stderr)
        result = {
            "inputs": sum(counts["inputs"] for counts in found.values()),
            "faults": sum(counts["faults"] for counts in found.values()),
            "targets": found,
            "machine": machine(),
        }
        if arguments.output:
            arguments.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(result, indent=2, ensure_ascii=False))
    return int(result["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
