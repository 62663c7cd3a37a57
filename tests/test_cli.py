"""Exit codes, messages."""

import errno
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kuzushiji import cli
from kuzushiji.errors import InputError, UsageError

ROOT = Path(__file__).parent.parent


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
        (raising(OSError(errno.ENOSPC, "No space left", "x.csv")), 1, "error: x.csv: cannot be written: No space left"),
        (raising(OSError(errno.ENODEV, "No such device", "x.csv")), 1, "error: x.csv: No such device"),  # no mmap there
        (raising(PermissionError(errno.EACCES, "Permission denied", "x.csv")), 1, "error: x.csv: Permission denied"),
        (raising(OSError(errno.ESTALE, "Stale file handle", "x.csv")), 1, "error: x.csv: no answer: Stale file handle"),
        (raising(OSError(errno.EIO, "I/O error")), 1, "error: a disk, or the network to it: no answer: I/O error"),
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


def test_bad_usage_is_told_as_the_parser_tells_it(capsys):
    """Whether it is a flag, or two flags that do not go together, which a config finds out after parsing."""
    from kuzushiji.classify.level2.__main__ import main

    lines = []
    for words in (["a.parquet", "--threads", "x"], ["a.parquet", "--n-folds", "1"]):
        assert run(main, words) == 2
        lines += capsys.readouterr().err.splitlines()
    assert lines == [
        "python -m kuzushiji.classify.level2: error: argument --threads: expected a whole number of at least 0, "
        "got 'x' (--help lists all)",
        "python -m kuzushiji.classify.level2: error: expected --n-folds of at least 2, got 1 (--help lists all)",
    ]


def test_the_command_of_bad_usage_is_what_is_typed():
    """Run by `python -m` a module is called `__main__`, and a package's `__main__` goes by the package's name."""
    for words, command in (
        (["kuzushiji.classify.level2", "a", "--n-folds", "1"], "kuzushiji.classify.level2"),
        (["kuzushiji.demo", "out", "--books", "6", "--pages", "3"], "kuzushiji.demo"),
    ):
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith(f"python -m {command}: error: expected")


def test_bad_usage_of_several_lines(capsys):
    assert run(raising(UsageError("one\n  two"))) == 2
    assert capsys.readouterr().err.endswith(": error: one two (--help lists all)\n")


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError(), OSError(errno.ENOENT, "not about the disk"), OSError("no number")]
)
def test_faults_of_the_program_keep_their_traceback(fault):
    with pytest.raises(type(fault)):
        cli.run(raising(fault))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_result_that_the_disk_does_not_take(unbuffered):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kuzushiji"], cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    expected = "error: the output, or shared memory (/dev/shm): cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_a_reader_that_has_seen_enough():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}
        command = [sys.executable, "-m", "kuzushiji"]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_without_a_standard_output():
    command = f"exec {sys.executable} -m kuzushiji >&-"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_argv_is_handed_on():
    assert run(lambda argv: len(argv), ["a", "b"]) == 2


def test_importing_prints_nothing_and_loads_nothing_heavy():
    code = (
        "import sys, kuzushiji.cli, kuzushiji.options; print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def messages(argv, capsys):
    """What a command with a message, a debug message and a result prints on stdout and stderr, run as a process is."""
    root, ours = logging.getLogger(), logging.getLogger("kuzushiji")
    before = root.handlers[:], root.level, ours.level
    root.handlers[:] = []

    def main(argv):
        parser = cli.ArgumentParser(prog="tool")
        parser.parse_args(argv)
        logging.getLogger("kuzushiji.stage").info("message")
        logging.getLogger("kuzushiji.stage").debug("detail")
        logging.getLogger("kuzushiji.stage").warning("warning")
        print("result")
        raise InputError("wrong")

    try:
        assert run(main, argv) == 1
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
    return capsys.readouterr()


def test_messages_go_to_stderr_and_results_to_stdout(capsys):
    assert messages([], capsys) == ("result\n", "message\nwarning: warning\nerror: wrong\n")


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet(flag, capsys):
    assert messages([flag], capsys) == ("result\n", "warning: warning\nerror: wrong\n")


@pytest.mark.parametrize("flag", ["-v", "--verbose"])
def test_verbose(flag, capsys):
    out, err = messages([flag], capsys)
    assert out == "result\n"
    assert "kuzushiji.stage: detail" in err and "Traceback" in err and "exit code 1" in err
    assert "\nerror: wrong\n" in err  # still a line of its own
