"""Exit codes, types of arguments, "did you mean"."""

import signal
import subprocess
import sys

import pytest

from kuzushiji import cli
from kuzushiji.errors import InputError


def run(main, argv=()) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.run(main, argv)
    return ended.value.code


class Stopped(KeyboardInterrupt):
    """As the training loop raises it."""

    signum = signal.SIGTERM


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "code", "line"),
    [
        (lambda argv: 0, 0, ""),
        (lambda argv: 1, 1, ""),  # failed, and has said why
        (raising(InputError("train.csv, row 3: got x")), 1, "error: train.csv, row 3: got x"),
        (raising(InputError("one\n  two\n\nthree")), 1, "error: one two three"),
        (
            raising(
                InputError(
                    "Caught InputError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
                    '  File "x.py", line 1\nkuzushiji.errors.InputError: page_1.jpg: expected a JPEG: got text'
                )
            ),
            1,
            "error: page_1.jpg: expected a JPEG: got text",
        ),
        (raising(BrokenPipeError()), 1, ""),  # `| head` has seen enough
        (raising(KeyboardInterrupt()), 130, "interrupted: the same command goes on from the last checkpoint"),
        (raising(Stopped("stopped by SIGTERM: again")), 143, "stopped by SIGTERM: again"),
    ],
)  # fmt: skip
def test_exit_codes(main, code, line, capsys):
    assert run(main) == code
    captured = capsys.readouterr()
    assert captured.err.strip() == line
    assert captured.out == ""


def test_faults_of_the_program_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(raising(ZeroDivisionError()))


def test_argv_is_handed_on():
    assert run(lambda argv: len(argv), ["a", "b"]) == 2


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


@pytest.mark.parametrize(("argv", "value"), [([], True), (["--x"], True), (["--x", "0"], False), (["--x", "1"], True)])
def test_add_bool(argv, value):
    parser = cli.ArgumentParser()
    cli.add_bool(parser, "--x", default=True, help="Whether.")
    assert parser.parse_args(argv).x is value


@pytest.mark.parametrize("argv", [["--x", "a.csv"], ["a.csv", "--x"], ["--x=1", "a.csv"], ["--x", "1", "a.csv"]])
def test_a_file_after_a_flag_is_not_its_value(argv):
    parser = cli.ArgumentParser()
    parser.add_argument("files", nargs="+")
    cli.add_bool(parser, "--x", default=False, help="Whether.")
    for parse in (parser.parse_args, parser.parse_intermixed_args):
        found = parse(argv)
        assert (found.x, found.files) == (True, ["a.csv"])


def test_data_root_has_no_default_of_its_own():
    """Where the data are is for `kuzushiji.data.paths` to say: flag, environment, data/."""
    parser = cli.ArgumentParser()
    cli.add_data_root(parser)
    assert parser.parse_args([]).data_root is None
    assert str(parser.parse_args(["--data-root", "books"]).data_root) == "books"


def test_importing_prints_nothing_and_loads_nothing_heavy():
    code = (
        "import sys, kuzushiji.cli, kuzushiji.options; print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
