"""One process at a time writes a place, and what a killed one leaves is taken over."""

import json
import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kuzushiji import cli, locks
from kuzushiji.classify import blend
from kuzushiji.errors import InputError
from kuzushiji.files import atomic_path

HOLDER = """
import sys, time
from pathlib import Path
from kuzushiji.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks are flock's")


@pytest.fixture
def other(tmp_path):
    """Another process that holds `out`."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_while_it_is_held_nobody_else_gets_it(tmp_path):
    with locks.hold(tmp_path / "out"):
        told = rf"out: process {os.getpid()} on \S+, since 20\S+ \S+ \("
        with pytest.raises(InputError, match=told), locks.hold(tmp_path / "out"):
            pass
        with locks.hold(tmp_path / "other"):
            pass
    with locks.hold(tmp_path / "out"):
        pass
    assert os.listdir(tmp_path) == []


def test_the_second_says_who_holds_it(tmp_path, other):
    with pytest.raises(InputError) as refused, locks.hold(tmp_path / "out"):
        pass
    message = str(refused.value)
    assert f"process {other.pid} on {platform.node()}, since" in message and message.endswith(
        "one process at a time can"
    )


def test_what_a_killed_process_held_is_taken_over(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / ".out.lock").exists()
    with locks.hold(tmp_path / "out"):
        assert json.loads((tmp_path / ".out.lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".out.lock").exists()


def test_a_worker_that_outlives_its_process_does_not_hold_the_place(tmp_path):
    script = HOLDER.replace('print("held", flush=True)', 'import os; os.fork() or print("held", flush=True)')
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    with locks.hold(tmp_path / "out"):
        for child in children:
            os.kill(int(child), signal.SIGKILL)


@pytest.mark.parametrize("spelled", ["out", "./out", "link", "sub/../out"])
def test_a_place_is_the_same_however_it_is_spelled(tmp_path, spelled):
    (tmp_path / "out").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("out")
    with locks.hold(tmp_path / "out"), pytest.raises(InputError), locks.hold(tmp_path / spelled):
        pass


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / "out").mkdir()
    for name in (".a.pth.tmp-1234abcd.pth", "a.pth", ".hidden"):
        (tmp_path / "out" / name).write_text("")
    with locks.hold(tmp_path / "out"):
        assert sorted(os.listdir(tmp_path / "out")) == [".hidden", "a.pth"]


@pytest.mark.parametrize("place", ["file/out", "/proc/none/out"])
def test_where_no_lock_can_be_made(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out: cannot write there"), locks.hold(tmp_path / place):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "{}"])
def test_a_lock_file_that_says_nothing(tmp_path, content):
    """As of a holder that has not come to write it, or whose disk is full."""
    (tmp_path / "x.lock").write_text(content)
    assert "process" in locks.describe_holder(tmp_path / "x.lock")
    assert not locks.is_dead(locks.read_holder(tmp_path / "x.lock"))


def test_where_the_system_has_no_locks_work_goes_on(tmp_path, monkeypatch, caplog):
    import fcntl

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    locks._warn.cache_clear()
    with locks.hold(tmp_path / "out"), atomic_path(tmp_path / "out") as temporary:
        temporary.write_text("of the first, which is at work")
        with locks.hold(tmp_path / "out"):
            pass
    assert caplog.text.count("No locks available") == 1
    assert os.listdir(tmp_path) == ["out"]


def test_of_processes_that_work_together_the_first_holds_for_all(tmp_path, monkeypatch):
    with locks.hold(tmp_path / "out"):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        with locks.hold(tmp_path / "out"):
            pass
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(InputError), locks.hold(tmp_path / "out"):
            pass


# Chains: their jobs inherit the locks

CHAIN = """
import subprocess, sys
from pathlib import Path
from kuzushiji import cli
from kuzushiji.chain.run_lock import hold_part

def main(argv):
    handles = hold_part(Path(argv[0]), argv[1], "run-all.sh demo")
    job = subprocess.Popen(["sleep", "60"], pass_fds=handles)
    print("held", flush=True)
    return job.wait()

cli.run(main, sys.argv[1:])
"""
ROOT = Path(__file__).parent.parent


def start_chain(runs: Path, part: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHAIN, str(runs), part], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def end(*chains: "subprocess.Popen[str]") -> None:
    for chain in chains:
        with suppress(ProcessLookupError):
            os.killpg(chain.pid, signal.SIGKILL)
        chain.communicate()


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("", "", False),
        ("", "fold1", False),  # a part of what is being done as a whole
        ("fold1", "", False),
        ("fold1", "fold1", False),
        ("fold1", "fold2", True),  # folds of one run, on several machines
        ("fold1-classify", "fold1-classify-second", True),
    ],
)
def test_two_chains_in_one_run_folder(tmp_path, first, second, both):
    one = start_chain(tmp_path, first)
    assert one.stdout.readline() == "held\n"
    two = start_chain(tmp_path, second)
    try:
        assert two.stdout.readline() == ("held\n" if both else "")
        if not both:
            _, error = two.communicate()
            assert two.returncode == 1
            assert error.count("\n") == 1
            assert f"{tmp_path}: process {one.pid} on {platform.node()}, since" in error
            assert "(run-all.sh demo), is at work there" in error
    finally:
        end(one, two)
    three = start_chain(tmp_path, second)
    assert three.stdout.readline() == "held\n"
    end(three)


def test_a_chain_waits_for_the_jobs_of_one_that_was_killed(tmp_path):
    one = start_chain(tmp_path)
    assert one.stdout.readline() == "held\n"
    one.kill()  # the script alone: its job goes on
    one.wait()
    two = start_chain(tmp_path)
    assert "waiting for the jobs of a chain that was killed" in two.stderr.readline()
    os.killpg(one.pid, signal.SIGKILL)
    assert two.stdout.readline() == "held\n"
    end(two)


# Stopped by a signal

WRITER = """
import sys, time
from pathlib import Path
from kuzushiji import cli, files, locks

def main(argv):
    with locks.hold(Path(argv[0])), files.atomic_path(Path(argv[0])) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        time.sleep(60)
    return 0

cli.run(main, sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGTERM, 143, "stopped by SIGTERM: the same command goes on from what is done"),
        (signal.SIGINT, 130, "interrupted: the same command goes on from the last checkpoint"),
    ],
)
def test_a_command_that_is_stopped_leaves_nothing_half_done(tmp_path, number, code, line):
    (tmp_path / "out").write_text("old")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "out")], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    _, error = process.communicate()
    assert (process.returncode, error) == (code, f"{line}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "old"


def test_sigterm_is_as_before_when_the_command_is_over():
    with pytest.raises(SystemExit):
        cli.run(lambda _: 0, [])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("output", ["blend.csv", "blend.parquet"])
def test_a_stage_holds_each_place_that_it_writes(tmp_path, output):
    """A blend writes two where both are asked for, and another process may be at either."""
    words = ["a.parquet", "--output", str(tmp_path / "blend.csv"), "--output-detailed", str(tmp_path / "blend.parquet")]
    with locks.hold(tmp_path / output), pytest.raises(InputError, match=f"{output}: process {os.getpid()} on "):
        blend.main(words)
    assert os.listdir(tmp_path) == []
