"""`kuzushiji COMMAND …`: all commands by one, with the same parsers as `python -m`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kuzushiji import __main__ as module
from kuzushiji import __version__
from kuzushiji.record import package_versions
from tests.commands import command_of

ROOT = Path(__file__).parent.parent
WRONG = [
    ("segment", "expected a command, got 'segment'; did you mean segment train or segment merge or segment fuse?"),
    ("segment mrge a b", "expected a command, got 'segment mrge a b'; did you mean segment merge?"),
    ("clasify blend --help", "expected a command, got 'clasify blend'; did you mean classify blend?"),
    ("zzz", "expected a command, got 'zzz'; without a word all are listed"),
    ("--zzz", "unrecognized arguments: --zzz"),
]


def program(monkeypatch: pytest.MonkeyPatch, line: str, typed: str = "kuzushiji") -> int:
    """Run a line as the installed command does; return the exit code."""
    monkeypatch.setattr(sys, "argv", [typed, *line.split()])
    with pytest.raises(SystemExit) as ended:
        module.program()
    return int(str(ended.value.code or 0))


@pytest.mark.parametrize("words", module.COMMANDS, ids=" ".join)
def test_every_command_of_the_list_is_the_same_as_by_its_module(words, monkeypatch, capsys):
    typed = " ".join(("kuzushiji", *words))
    assert program(monkeypatch, " ".join((*words, "--help"))) == 0
    assert capsys.readouterr().out == command_of(module.COMMANDS[words]).get_parser(typed).format_help()


def test_bad_usage_names_what_was_typed(monkeypatch, capsys):
    """Whether the parser finds it, or the config after parsing."""
    for words, message in (
        ("--fold 0", "the following arguments are required: --output-dir"),
        ("--output-dir d --fold 9", "expected a fold from 0 to 4, got 9"),
    ):
        assert program(monkeypatch, f"segment train {words}") == 2
        assert capsys.readouterr().err.startswith(f"kuzushiji segment train: error: {message}")


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_what_is_no_command(line, message, monkeypatch, capsys):
    assert program(monkeypatch, line) == 2
    assert capsys.readouterr().err == f"python -m kuzushiji: error: {message} (--help lists all)\n"


def test_the_list_is_of_what_is_typed(monkeypatch, capsys):
    for typed, start in (("/bin/kuzushiji", "kuzushiji "), ("kuzushiji/__main__.py", "python -m kuzushiji.")):
        assert program(monkeypatch, "", typed) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(module.STAGES) and all(line.startswith(start) for line in lines)


def test_the_version_is_one(monkeypatch, capsys):
    assert program(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"kuzushiji {__version__}\n"
    assert package_versions()["kuzushiji"] == __version__


@pytest.mark.parametrize(
    ("line", "answers"),
    [("kuzushiji metric --js", ["--json"]), ("kuzushiji segment merge --allow", ["--allow-missing"])],
)
def test_the_shell_completes_flags_behind_the_words(line, answers, tmp_path):
    environment = {
        **os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_COMP_WORDBREAKS": " ", "COMP_TYPE": "9", "COMP_LINE": line, "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answers"),
    }  # fmt: skip
    command = [sys.executable, "-c", "from kuzushiji.__main__ import program; program()"]
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (tmp_path / "answers").read_text().split() == answers
