"""The short version of benchmarks/fuzz.py: mutated input ends in no traceback, and nothing is taken wrongly."""

import random

import pytest

from benchmarks.fuzz import fuzz, mutated
from benchmarks.fuzz_targets import Target, build_targets
from kuzushiji.errors import InputError

INPUTS, OF_WRITERS = 200, 20
SLOW = ("HTML of the viewer", "PAGE XML", "ALTO XML")


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    return build_targets(tmp_path_factory.mktemp("fuzz") / "files")


def test_every_target_takes_its_own_seeds_or_refuses_them_in_one_line(targets):
    for target in targets:
        taken = 0
        for data in target.seeds:
            try:
                taken += target.check(data)
            except InputError as error:
                assert "\n" not in str(error), target.name
        assert taken, target.name


def test_mutated_inputs(targets):
    for target in targets:
        counts = fuzz(target, OF_WRITERS if target.name in SLOW else INPUTS, seed=1)
        assert counts["faults"] == [], target.name
        assert counts["taken"] + counts["refused"] == counts["inputs"]


@pytest.mark.parametrize(
    ("fault", "found"),
    [(None, 0), (InputError("one line"), 0), (InputError("two\nlines"), 3), (AssertionError("taken wrongly"), 3)],
)
def test_the_fuzzer_sees_faults(fault, found):
    def check(data: bytes) -> bool:
        if fault and data != b"abc":
            raise fault
        return True

    assert len(fuzz(Target("toy", 1, [b"abc"], check), 3, seed=0)["faults"]) == found


def test_a_seed_gives_the_same_inputs(targets, tmp_path):
    """A target's inputs do not depend on the folder or on the time, so that a fault is found in each run or in none."""
    for one, other in zip(targets, build_targets(tmp_path / "elsewhere"), strict=True):
        assert one.seeds == other.seeds, one.name
    one, other, third = (
        [mutated(b"U+3042 1 2", [b"x"], random) for random in [random.Random(seed)] for _ in range(20)]
        for seed in (1, 1, 2)
    )
    assert one == other != third


@pytest.mark.parametrize(
    ("old", "new", "done"),
    [
        ('"in.csv"', '"in.csm"', True),  # renamed: its place among the inputs and its content are the same
        ('"in.csv"', '"old/in.csv"', True),  # moved
        ('"in.csv"', '"more.csv"', False),  # JSON keeps the last of two equal names: one input is missing
        ('"in.csv": "', '"in.csv": "0', False),  # another content
        ('"inputs": {', '"inputs": {"third.csv": "0",', False),
        ('"out.csv"', '"out.csm"', False),  # an output is known by its name
    ],
)
def test_a_record_whose_files_have_other_names(old, new, done, targets):
    target = next(target for target in targets if target.name == "records")
    assert old.encode() in target.seeds[0]
    assert target.check(target.seeds[0].replace(old.encode(), new.encode(), 1)) is done
