"""Readers and writers with mutated input: no traceback, and no wrong input accepted.

    PYTHONPATH=. python benchmarks/fuzz.py --inputs 1000000 [--seed 0] [--targets NAME...]

A plain random mutator makes the inputs, the same ones for the same seed; fuzz_atheris.py has coverage-guided inputs.
Targets run in another process, so that a crash of a library is detected. Prints JSON (kept in
benchmarks/results/fuzz.json); faults end with 1.
"""

import argparse
import json
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.fuzz_targets import Target, build_targets
from benchmarks.measure import machine
from kuzushiji.errors import InputError

PIECE = 20_000
"""Inputs after which a target's counts are kept, and the next target has its turn."""

WORDS = [
    b"U+3042", b"U+", b"seg_fp", b"nan", b"NaN", b"inf", b"-inf", b"1e999", b"-0", b"1_000", b"0x10", b"1.", b".5",
    b"+1", b"99999999999999999999", b"-1", b" ", b"\t", b"\n", b"\r\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xe3\x80\x80", b",", b'"', b'""', b"'", b"/", b"\\", b"..", b"../", b"{", b"}", b"[", b"]", b":", b"null",
    b"true", b"1e5", b"\xd9\xa1", b"\xc2\x85", b"\xe2\x80\xa8", b"\x1c", b"\x7f", b"<", b">", b"&", b"]]>",
    b"\xed\xa0\x80", b"image_id", b"labels", b"U+110000", b"U+D800", b"PAR1", b"PK\x03\x04", b"\xff\xd8",
    b"\x80\x02c", b"\xf0\xaf\x80\x80",
]  # fmt: skip


def mutated(data: bytes, seeds: list[bytes], chosen_by: random.Random) -> bytes:
    """Return an input with one to six changes: bits, bytes, words, pieces gone, doubled, or of another seed."""
    content = bytearray(data)
    for _ in range(chosen_by.randint(1, 6)):
        place = chosen_by.randrange(len(content) + 1)
        end = min(len(content), place + chosen_by.choice((1, 1, 2, 4, 8, 32, 256)))
        kind = chosen_by.randrange(8)
        if kind == 0 and place < len(content):
            content[place] ^= 1 << chosen_by.randrange(8)
        elif kind == 1 and place < len(content):
            content[place] = chosen_by.randrange(256)
        elif kind == 2:
            content[place:place] = chosen_by.choice(WORDS)
        elif kind == 3:
            content[place:end] = chosen_by.choice(WORDS)
        elif kind == 4:
            del content[place:end]
        elif kind == 5:
            content[place:place] = content[place:end]
        elif kind == 6 and chosen_by.random() < 0.2:
            del content[place:]
        else:
            other = chosen_by.choice(seeds)
            start = chosen_by.randrange(len(other) + 1)
            content[place:end] = other[start : start + chosen_by.choice((1, 4, 16, 64))]
    return bytes(content)


def fuzz(target: Target, inputs: int, seed: int) -> dict[str, Any]:
    """Give a target so many mutated inputs; return counts, and the first faults."""
    chosen_by = random.Random(f"{seed} {target.name}")
    counts: dict[str, Any] = {"inputs": inputs, "taken": 0, "refused": 0, "faults": []}
    for data in target.seeds:
        with_seed(target, data)
    for _ in range(inputs):
        data = mutated(chosen_by.choice(target.seeds), target.seeds, chosen_by)
        try:
            counts["taken" if target.check(data) else "refused"] += 1
        except InputError as error:
            counts["refused"] += 1
            if "\n" in str(error):
                counts["faults"].append({"input": repr(data), "fault": f"more than one line: {error}"})
        except Exception:
            counts["faults"].append({"input": repr(data), "fault": traceback.format_exc()[-900:]})
        if len(counts["faults"]) > 20:
            break
    return counts


def with_seed(target: Target, data: bytes) -> None:
    """See that an input that is right, or is refused on purpose, does not end in anything else."""
    with suppress(InputError):
        target.check(data)


Piece = tuple[str, int, int]
"""Name of a target, number of inputs, seed."""


def pieces_of(wanted: dict[str, int], done: dict[str, int], seed: int) -> list[Piece]:
    """Return what is left to do, in pieces; the targets take turns."""
    pieces = []
    for name, inputs in wanted.items():
        starts = range(done.get(name, 0), inputs, PIECE)
        pieces += [(number, name, min(PIECE, inputs - start), seed + start) for number, start in enumerate(starts)]
    return [piece[1:] for piece in sorted(pieces, key=lambda piece: piece[0])]


def run_pieces(pieces: list[Piece], pipe: Any) -> None:
    """Do pieces in this process, and send the counts of each."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        targets = {target.name: target for target in build_targets(Path(folder))}
        for name, inputs, seed in pieces:
            started = time.process_time()
            counts = fuzz(targets[name], inputs, seed)
            pipe.send({**counts, "processor_seconds": round(time.process_time() - started, 1)})


def in_other_process(pieces: list[Piece]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the counts of each piece, done in a process of its own: where that crashes, another goes on after it."""
    context = multiprocessing.get_context("spawn")
    place = 0
    while place < len(pieces):
        here, there = context.Pipe()
        process = context.Process(target=run_pieces, args=(pieces[place:], there))
        process.start()
        there.close()
        try:
            while place < len(pieces):
                counts = here.recv()
                yield pieces[place][0], counts
                place += 1
        except EOFError:
            name, inputs, seed = pieces[place]
            crash = {"input": f"of seed {seed}", "fault": "the process crashed"}
            yield name, {"inputs": inputs, "taken": 0, "refused": 0, "faults": [crash], "processor_seconds": 0.0}
            place += 1
        finally:
            process.terminate()
            process.join()


def added(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of two pieces together."""
    return {key: (one[key] if one else type(value)()) + value for key, value in other.items()}


def result_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of all targets, and their sums."""
    inputs = sum(counts["inputs"] for counts in found.values())
    faults = sum(len(counts["faults"]) for counts in found.values())
    return {"inputs": inputs, "faults": faults, "targets": found, "machine": machine()}


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Fuzz the readers and writers.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all targets, by their shares")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="*", help="only these")
    parser.add_argument("--output", type=Path, help="JSON to write; what it says is done is not done again")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so long")
    return parser


def main() -> int:
    """Fuzz, print counts."""
    arguments = get_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shares = {target.name: target.share for target in build_targets(Path(folder))}
    found: dict[str, Any] = {}
    if arguments.output and arguments.output.exists():
        found = json.loads(arguments.output.read_text())["targets"]
    started = time.monotonic()
    wanted = {name: -(-arguments.inputs * shares[name] // sum(shares.values())) for name in arguments.targets or shares}
    done = {name: counts["inputs"] for name, counts in found.items()}
    for name, counts in in_other_process(pieces_of(wanted, done, arguments.seed)):
        found[name] = added(found.get(name), counts)
        print(f"{name}: {found[name]}"[:2000], file=sys.stderr)
        if arguments.output:
            arguments.output.write_text(json.dumps(result_of(found), indent=2, ensure_ascii=False) + "\n")
        if time.monotonic() - started > 60 * arguments.minutes:
            break
    result = result_of(found)
    print(json.dumps(result, indent=2, ensure_ascii=False))
    return int(result["faults"] > 0)


if __name__ == "__main__":
    sys.exit(main())
