"""Pages side by side: the same results in the same order, whatever ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.errors import InputError
from kuzushiji.predict import all_pages
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.all_pages import n_processes
from kuzushiji.predict.lanes import Here, LaneLostError, OwnProcess, spread
from tests.predict.lane_work import DIES, DIES_ONCE, ODD, RAISES, ends_at_once, killed_at, no_models, words

GIB = 1 << 30


def answers(tasks: list[str], open_lane: Callable[[], Any], n: int = 2) -> dict[str, Any]:
    return dict(spread(tasks, open_lane, n))


def test_a_lane_in_this_process_is_asked_for_one_task_after_the_other(tmp_path: Path) -> None:
    asked: list[str] = []

    def work(word: str) -> str:
        asked.append(word)
        return word

    coming = spread(["a", "b", "c"], partial(Here, lambda: work), 1)
    assert next(coming) == ("a", "a") and asked == ["a"]
    assert list(coming) == [("b", "b"), ("c", "c")]
    assert answers([], partial(Here, lambda: work)) == {}


def test_a_process_that_ends_costs_its_task_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tasks = ["a", DIES, "b", DIES_ONCE, "c", "d"]
    found = answers(tasks, partial(OwnProcess, partial(words, tmp_path)))
    lost = found.pop(DIES)
    assert isinstance(lost, LaneLostError) and str(lost) == "signal 9"
    assert found == {word: word.upper() for word in tasks if word != DIES}
    line = "the process that read it ended (signal 9); it is read again"
    assert sorted(caplog.messages) == [f"{DIES_ONCE}: {line}", f"{DIES}: {line}"]


@pytest.mark.parametrize(
    ("make", "message"),
    [(no_models, "expected models, got none"), (ends_at_once, "ended while they loaded the models: lower --workers")],
)
def test_processes_that_do_not_begin(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        answers(["a", "b", "c"], partial(OwnProcess, make))


def test_what_a_task_raises_arrives(tmp_path: Path) -> None:
    open_lane = partial(OwnProcess, partial(words, tmp_path))
    with pytest.raises(InputError, match="^expected another word$"):
        answers([RAISES], open_lane)
    with pytest.raises(RuntimeError, match="(?s)Traceback.*lane_work.*KeyError: 'odd'"):
        answers([ODD], open_lane)


@pytest.mark.parametrize(
    ("workers", "n_pages", "memory", "expected"),
    [
        (0, 1, 64, 1),  # few pages
        (0, 15, 64, 1),
        (0, 16, 64, 2),
        (0, 1000, 64, 4),  # one a core
        (0, 1000, 7, 2),  # little memory
        (0, 1000, 1, 1),
        (3, 2, 1, 2),  # as asked for, but none without a page
        (9, 100, 1, 9),
    ],
)
def test_number_of_processes(workers: int, n_pages: int, memory: int, expected: int) -> None:
    assert n_processes(workers, n_pages, cores=4, memory=memory * GIB) == expected


def test_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_pages, "_MEMINFO", tmp_path / "meminfo")
    assert all_pages.free_memory() > 0
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:  2048 kB\n")
    assert all_pages.free_memory() == 2 << 20


@pytest.fixture
def four(pages: Path) -> Path:
    """Four pages, and a file that is none."""
    for number in (3, 4):
        (pages / f"page{number}.jpg").write_bytes((pages / "page1.jpg").read_bytes())
    (pages / "page5.jpg").write_text("no picture")
    return pages


Read = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def read(light: Path, four: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Read]:
    """Read the pages into a folder; return the exit code and the summary without its times."""

    def call(folder: str, *words: object) -> tuple[int, dict[str, Any]]:
        argv = [four, "--models", light, "--output", tmp_path / folder, "--device", "cpu", "--threads", 1, "--json"]
        code = main([*map(str, argv), "--formats", "text", "json", "csv", "overlay", *map(str, words)])
        summary = json.loads(capsys.readouterr().out)
        assert set(summary.pop("seconds")) == {"read", "detect", "classify", "write"} and summary.pop("loading") > 0
        return code, summary

    yield call


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_several_processes_write_what_one_writes(read: Read, tmp_path: Path) -> None:
    assert read("one", "--workers", 1) == read("two", "--workers", 2)
    assert files(tmp_path / "one") == files(tmp_path / "two") and len(files(tmp_path / "one")) == 17


def test_a_killed_process_costs_its_page(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is killed once at page2, which another one reads; and each time at page3, which is given up."""
    read("one")
    monkeypatch.setattr(all_pages, "page_work", partial(killed_at, tmp_path))
    code, summary = read("two", "--workers", 2)
    lines = [failure["error"].removeprefix(f"{tmp_path}/pages/") for failure in summary["failed"]]
    assert code == 1 and lines[1] == "page3.jpg: the process that read it ended, twice (signal 9)"
    assert lines[0].startswith("page5.jpg: expected a JPEG")  # as it was found
    whole, parts = files(tmp_path / "one"), files(tmp_path / "two")
    whole = {name: content for name, content in whole.items() if "page3" not in name and name != "submission.csv"}
    assert parts.pop("submission.csv").count(b"\n") == 4 and parts == whole
    monkeypatch.undo()
    assert read("two", "--resume")[1]["skipped"] == 3
    assert files(tmp_path / "one") == files(tmp_path / "two")


STARTED = """
import os, signal, sys
from kuzushiji import cli
from kuzushiji.predict import all_pages
from kuzushiji.predict.__main__ import main
from kuzushiji.predict.records import Output
from tests.predict.lane_work import quick

write, written = Output.write, []

def write_and_tell(*arguments):
    write(*arguments)
    written.append(1)
    if len(written) == 2:
        {then}

Output.write = write_and_tell
{more}
if __name__ == "__main__":
    cli.run(main)
"""


def started(tmp_path: Path, then: str, *words: object, more: str = "") -> subprocess.Popen[str]:
    """Start the command, which does something after its second page."""
    script = tmp_path / "started.py"
    script.write_text(STARTED.format(then=then, more=more))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, str(script), *map(str, words), "--device", "cpu", "--threads", "1"]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def test_a_killed_shard_goes_on(read: Read, light: Path, four: Path, tmp_path: Path) -> None:
    read("one")
    words = ["--models", light, "--output", tmp_path / "two", "--formats", "text", "json", "csv", "overlay"]
    shard = started(tmp_path, "os.kill(os.getpid(), 9)", four, *words, "--shard", "1/1")
    shard.communicate(timeout=600)
    assert shard.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "two").glob("*.txt"))) == 2 and not (tmp_path / "two" / "submission.csv").exists()
    assert read("two", "--shard", "1/1")[1]["skipped"] == 2
    assert read_again(light, four, tmp_path / "two") == 1
    assert files(tmp_path / "one") == files(tmp_path / "two")


def read_again(light: Path, four: Path, output: Path) -> int:
    words = [four, "--models", light, "--output", output, "--device", "cpu", "--threads", 1, "--resume"]
    return main([*map(str, words), "--formats", "text", "json", "csv", "overlay"])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_what_stops_the_command_ends_its_processes(
    light: Path, four: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C goes to all of them; nothing half written stays."""
    then = (
        "import multiprocessing; print(*[child.pid for child in multiprocessing.active_children()], flush=True); "
        f"os.kill{'pg' if number is signal.SIGINT else ''}(os.getpid(), {int(number)})"
    )
    output = tmp_path / "out"
    words = [four, "--models", light, "--output", output, "--workers", 2, "--formats", "json"]
    command = started(tmp_path, then, *words, more="all_pages.page_work = quick")
    out, error = command.communicate(timeout=600)
    assert command.returncode == code and "Traceback" not in error
    processes = [int(pid) for pid in out.split()]
    deadline = time.monotonic() + 30
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(processes) == 2 and not any(map(is_alive, processes))
    assert sorted(path.suffix for path in output.rglob("*") if path.is_file()) == [".json"] * 4
    assert all(json.loads(path.read_text()) for path in output.rglob("*.json"))
    if number is signal.SIGINT:
        assert "interrupted: the same command with --resume goes on" in error


def test_ray_is_an_extra(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"expected Ray, it is not installed \(pip install kuzushiji\[ray\]\)"):
        read("one", "--engine", "ray")


def test_two_processes_of_ray_of_which_one_is_killed(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="needs Ray (pip install ray)")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    before = signal.getsignal(signal.SIGTERM)
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        _system_config={"worker_niceness": 0},  # 15 starves them on a busy machine
    )  # fmt: skip
    signal.signal(signal.SIGTERM, before)  # Ray has put its own
    try:
        one = read("one")
        assert read("two", "--engine", "ray", "--workers", 2) == one
        monkeypatch.setattr(all_pages, "page_work", partial(killed_at, tmp_path))
        code, summary = read("killed", "--engine", "ray", "--workers", 2)
    finally:
        ray.shutdown()
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert code == 1 and [Path(failure["page"]).name for failure in summary["failed"]] == ["page5.jpg", "page3.jpg"]
    assert "page3.jpg: the process that read it ended, twice (The actor died" in summary["failed"][1]["error"]
    whole = {name: content for name, content in files(tmp_path / "one").items() if "page3" not in name}
    assert {**files(tmp_path / "killed"), "submission.csv": whole["submission.csv"]} == whole
