"""What the stages with networks share: defaults of their own, the order of the help, tasks that go together."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.cli import ArgumentParser
from kuzushiji.errors import InputError
from kuzushiji.machine_options import MachineOptions, benchmark_option, cache_option, check_average, check_task
from kuzushiji.options import add_options, option, parameters

TASK = {"test_only": False, "submission": False, "with_test": False, "resume": None, "weights": None, "start": None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage(MachineOptions):
    epochs: int = option(1, "number of epochs", group="training")
    cache_mib: int = cache_option(7)
    benchmark: bool = benchmark_option(True, " here")


def test_a_stage_has_defaults_of_its_own() -> None:
    parser = ArgumentParser(prog="stage")
    add_options(parser, Stage)
    found = parser.parse_args([])
    assert (found.cache_mib, found.benchmark, found.workers) == (7, True, 4)
    assert "let cuDNN time its algorithms here" in parser.format_help()


def test_the_help_lists_what_is_the_stages_own_first() -> None:
    parser = ArgumentParser(prog="stage")
    add_options(parser, Stage)
    text = parser.format_help()
    order = ["training:", "--epochs", "--seed", "machine:", "--cache-mib", "--benchmark", "--device", "--strips"]
    places = [text.index(f"  {word}" if word.startswith("--") else f"\n{word}") for word in order]
    assert places == sorted(places)


def test_what_changes_the_result() -> None:
    """Not where it runs, but in which number format."""
    assert set(parameters(Stage())) == {"epochs", "seed", "opt_level", "amp_backend"}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"with_test": True},
        {"weights": "books"},
        {"resume": Path("m.pth")},  # fine-tuning
        {"resume": Path("m.pth"), "test_only": True},
        {"resume": Path("m.pth"), "submission": True},
    ],
)
def test_tasks_that_go_together(asked: dict[str, Any]) -> None:
    check_task(**{**TASK, **asked})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"resume": Path("m.pth"), "test_only": True, "submission": True}, "got both"),
        ({"test_only": True}, "--test-only: expected the weights to use"),
        ({"submission": True}, "--submission: expected the weights to use"),
        ({"resume": Path("m.pth"), "submission": True, "with_test": True}, "--with-test goes with training"),
        ({"resume": Path("m.pth"), "weights": "books"}, "expected one, got both"),
    ],
)
def test_tasks_that_do_not(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_task(**{**TASK, **asked})


def test_averages() -> None:
    check_average(0.999, "O1")
    check_average(0, "O2")
    with pytest.raises(InputError, match="--ema: expected a decay below 1, got 1"):
        check_average(1, "O0")
    with pytest.raises(InputError, match="with --opt-level O2 they are float16"):
        check_average(0.9, "O2")
