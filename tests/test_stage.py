"""The frame of all commands, seen from a stage that copies a file a number of times."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from kuzushiji import cli, locks
from kuzushiji.errors import InputError
from kuzushiji.files import read_json
from kuzushiji.options import force_option, json_option, option
from kuzushiji.stage import Command, Facts, Stage


@dataclasses.dataclass(frozen=True)
class RepeatConfig:
    source: Path = option(dataclasses.MISSING, "file to repeat", positional=True)
    output: Path = option(dataclasses.MISSING, "file to write", positional=True)
    times: int = option(2, "how often", type=cli.positive_int)
    dry: bool = option(False, "write nothing", changes_result=False)
    force: bool = force_option()
    json: bool = json_option()
    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.times > 9:
            raise InputError("--times: expected at most 9")


class Repeat(Stage):
    """Repeat a file.

    It is written anew.
    """

    name = "repeat"
    config: RepeatConfig

    def inputs(self) -> list[Path]:
        return [self.config.source]

    def outputs(self) -> list[Path]:
        return [] if self.config.dry else [self.config.output]

    def run(self) -> Facts:
        text = self.config.source.read_text() * self.config.times
        if not self.config.dry:
            with self.output_path(self.config.output) as temporary:
                temporary.write_text(text)
        return {"characters": len(text), "given": sorted(self.config.given)}


main = Repeat.main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("ab")
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.run(main, words)
    return int(str(ended.value.code))


def test_a_stage_writes_records_and_prints(folder, capsys):
    assert run("a", "b", "--json") == 0
    assert (folder / "b").read_text() == "abab"
    facts = {"characters": 4, "given": ["json"]}
    assert json.loads(capsys.readouterr().out) == facts
    record = read_json(folder / "b.record.json")
    assert (record["stage"], record["parameters"], record["facts"]) == (
        "repeat",
        {"source": "a", "output": "b", "times": 2},
        facts,
    )
    assert (list(record["inputs"]), list(record["outputs"])) == (["a"], ["b"])


def test_results_are_a_table_without_json(folder, capsys):
    assert run("a", "b", "--times=3") == 0
    assert capsys.readouterr().out == "characters  6\ngiven       ['times']\n"


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["a", "b"], False),
        (["a", "b", "--json"], False),  # does not change the result
        (["a", "b", "--times", "3"], True),
        (["--times", "2", "a", "b"], False),  # options may stand anywhere
        (["a", "--times", "2", "b"], False),
        (["a", "b", "--force"], True),
    ],
)
def test_what_is_done_is_skipped_and_prints_nothing(folder, capsys, words, runs):
    assert run("a", "b") == 0
    capsys.readouterr()
    assert run(*words) == 0
    assert bool(capsys.readouterr().out) is runs


def test_without_outputs_a_stage_runs_each_time_and_leaves_nothing(folder, capsys):
    for _ in range(2):
        assert run("a", "b", "--dry") == 0
        assert capsys.readouterr().out.startswith("characters  4\n")
    assert os.listdir(folder) == ["a"]


def test_files_of_others_are_not_replaced(folder, capsys):
    (folder / "b").write_text("mine")
    assert run("a", "b") == 1
    assert capsys.readouterr().err == "error: b: exists and was not written by repeat; --force replaces it\n"
    assert (folder / "b").read_text() == "mine"
    assert run("a", "b", "--force") == 0


def test_the_place_is_held(folder):
    with locks.hold(folder / "b"), pytest.raises(InputError, match="writes there; one process at a time can"):
        main(["a", "b"])


def test_an_input_that_is_not_there(folder, capsys):
    assert run("none", "b") == 1
    assert capsys.readouterr().err.startswith("error: none: expected an input file, got none")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "--tims", "3"], "unrecognized arguments: --tims 3; did you mean --times?"),
        (["a", "b", "--times", "0"], "argument --times: expected a whole number of at least 1, got 0"),
        (["a", "b", "--times", "10"], "--times: expected at most 9"),
        (["a"], "the following arguments are required: output"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(folder, capsys, words, message):
    assert run(*words) == 2
    assert capsys.readouterr().err == f"{cli.name_of(Repeat)}: error: {message} (--help lists all)\n"
    assert os.listdir(folder) == ["a"]


def test_a_command_may_be_typed_otherwise(folder, capsys):
    for words in (["--tims"], ["a", "b", "--times", "10"]):
        with pytest.raises(SystemExit) as ended:
            cli.run(lambda words: Repeat.main(words, "kuzushiji repeat"), words, "kuzushiji repeat")
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("kuzushiji repeat: error: ")


def test_the_docstring_is_the_description(capsys):
    assert run("--help") == 0
    assert "\n\nRepeat a file. It is written anew.\n\n" in capsys.readouterr().out


def test_of_several_processes_one_decides_and_records(folder):
    """As under torchrun: what `on_main` calls happens in the first one alone, and its answer goes to all."""
    asked = []

    def on_main(call):
        asked.append(call())
        return asked[-1]

    config = Repeat.parse_args(["a", "b"])
    assert Repeat(config).run_unless_done(on_main) == {"characters": 4, "given": []}
    assert asked == [True, None]
    assert Repeat(config).run_unless_done(on_main) is None
    assert asked[2:] == [False]


def test_a_command_has_a_config_and_nothing_else_of_a_stage():
    class Say(Command):
        """Say it."""

        config: RepeatConfig

        def execute(self) -> int:
            return self.config.times

    assert Say.main(["a", "b", "--times", "7"]) == 7
