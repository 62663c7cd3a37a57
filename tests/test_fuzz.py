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


def test_a_seed_gives_the_same_inputs():
    one, other, third = (
        [mutated(b"U+3042 1 2", [b"x"], random) for random in [random.Random(seed)] for _ in range(20)]
        for seed in (1, 1, 2)
    )
    assert one == other != third
