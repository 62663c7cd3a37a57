"""The parser: types of arguments, "did you mean", help, completion."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from kuzushiji import cli
from kuzushiji.__main__ import STAGES
from kuzushiji.options import add_options, option
from tests.commands import command_of

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (cli.bool_flag, "1", True),
        (cli.bool_flag, "0", False),
        (cli.bool_flag, "True", True),
        (cli.bool_flag, "no", False),
        (cli.positive_int, "1", 1),
        (cli.non_negative_int, "0", 0),
        (cli.positive_float, "1e-3", 1e-3),
        (cli.non_negative_float, "0", 0.0),
        (cli.fraction, "0", 0.0),
        (cli.fraction, "1", 1.0),
    ],
)
def test_types(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (cli.bool_flag, "2"),
        (cli.bool_flag, ""),
        (cli.positive_int, "0"),
        (cli.positive_int, "1.5"),
        (cli.positive_int, "many"),
        (cli.non_negative_int, "-1"),
        (cli.positive_float, "0"),
        (cli.positive_float, "nan"),
        (cli.positive_float, "inf"),
        (cli.non_negative_float, "-0.1"),
        (cli.non_negative_float, "nan"),
        (cli.fraction, "1.01"),
        (cli.fraction, "nan"),
    ],
)
def test_types_say_what_they_expected_and_got(parse, text, capsys):
    parser = cli.ArgumentParser(prog="tool")
    parser.add_argument("--x", type=parse)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([f"--x={text}"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("tool: error: argument --x: expected ")
    assert f"got {text!r}" in error or f"got {text}" in error


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--ephocs", "3"], "did you mean --epochs?"),
        (["--ephocs=3"], "did you mean --epochs?"),
        (["--zzz"], "unrecognized arguments: --zzz (--help lists all)"),  # nothing is near
        (["--epo", "3"], "unrecognized arguments: --epo"),  # no abbreviations: a new flag would change their meaning
    ],
)
def test_mistyped_flags(argv, expected, capsys):
    parser = cli.ArgumentParser(prog="tool")
    parser.add_argument("--epochs", type=int, default=5)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(argv)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


@dataclass(frozen=True)
class Flags:
    x: bool = option(False, "Whether.")


@pytest.mark.parametrize(("argv", "value"), [([], False), (["--x"], True), (["--x", "0"], False), (["--x", "1"], True)])
def test_flags_that_are_on_or_off(argv, value):
    parser = cli.ArgumentParser()
    add_options(parser, Flags)
    assert parser.parse_args(argv).x is value


@pytest.mark.parametrize("argv", [["--x", "a.csv"], ["a.csv", "--x"], ["--x=1", "a.csv"], ["--x", "1", "a.csv"]])
def test_a_file_after_a_flag_is_not_its_value(argv):
    parser = cli.ArgumentParser()
    parser.add_argument("files", nargs="+")
    add_options(parser, Flags)
    for parse in (parser.parse_args, parser.parse_intermixed_args):
        found = parse(argv)
        assert (found.x, found.files) == (True, ["a.csv"])


def test_quiet_and_verbose_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.ArgumentParser(prog="tool").parse_args(["--quiet", "--verbose"])
    assert ended.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_quiet_and_verbose_leave_nothing_in_the_namespace():
    assert vars(cli.ArgumentParser(prog="tool").parse_args(["-q"])) == {}


def test_help_names_only_what_must_be_given_in_its_usage(capsys):
    parser = cli.ArgumentParser(prog="tool")
    parser.add_argument("page", nargs="+", metavar="PAGE")
    parser.add_argument("--rate", type=cli.positive_float, default=1e-4, help="rate, 1 %% of all")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="as JSON")
    text = parser.format_help()
    assert text.startswith("usage: tool [options] PAGE [PAGE ...] --out DIR\n")
    assert "--rate X rate, 1 % of all (default: 0.0001)" in " ".join(text.split())
    assert text.index("arguments:") < text.index("options:") < text.index("help and messages:")
    assert "None" not in text and "False" not in text


def test_the_shell_completes_flags(tmp_path):
    """As argcomplete's hook of bash asks: the line so far in variables, the answers to file descriptor 8."""
    line = "python -m kuzushiji.metric --js"
    environment = {
        **os.environ, "_ARGCOMPLETE": "3", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " ", "COMP_TYPE": "9", "COMP_LINE": line, "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answers"),
    }  # fmt: skip
    check = [sys.executable, "-m", "argcomplete._check_module", "kuzushiji.metric"]
    assert subprocess.run(check, cwd=ROOT, capture_output=True, check=False).returncode == 0
    command = [sys.executable, "-m", "kuzushiji.metric"]
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (tmp_path / "answers").read_text().split() == ["--json"]


@pytest.mark.parametrize("module", [module for module, _ in STAGES])
def test_help_of_every_command_is_in_one_style(module):
    """Parts of sentences: they begin small, but for names, and end without a full stop."""
    for action in command_of(module).get_parser()._actions:
        text = action.help or ""
        assert text and (not text.endswith(".") or text.endswith("...")), action.dest
        assert text[0].islower() or not text[1].islower() or text.split()[0] in ("Parquet", "IoU"), text
