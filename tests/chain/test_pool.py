"""How jobs run side by side, and how they end: in a process of their own, since signals are sent to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

JOB = """
import os, pathlib, signal, sys, time
name, seconds, code = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
def leave(number, frame):
    pathlib.Path(name + ".ended").touch()
    sys.exit(1)
signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, leave)
print(name, os.environ["OMP_NUM_THREADS"], os.environ.get("CUDA_VISIBLE_DEVICES", "-"), time.time(), flush=True)
time.sleep(seconds)
print(name, "over", time.time(), flush=True)
print(*sys.argv[4:], end="", file=sys.stderr)
sys.exit(code)
"""

CHAIN = """
import sys
from pathlib import Path
from kuzushiji import cli
from kuzushiji.chain.display import Display
from kuzushiji.chain.executors import Slurm, ThisMachine
from kuzushiji.chain.listing import Job, ListedStage
from kuzushiji.chain.resources import Places
from kuzushiji.chain.pool import Pool

def main(argv):
    executor, gpus, job_gpus, verbose, *texts = argv
    places = Places(2, 3, 7, tuple(filter(None, gpus.split(","))), int(job_gpus))
    stages = []
    for text in texts:  # STAGE, +STAGE beside the one above; NAME SECONDS CODE ..., !NAME alone
        words = text.split(" ")
        if len(words) == 1:
            stages.append(ListedStage(text.lstrip("+"), text[0] == "+", None, ()))
        else:
            name = words[0].lstrip("!")
            job = Job(name, ("job", name, *words[1:]), text[0] == "!")
            stages[-1] = ListedStage(stages[-1].name, stages[-1].beside, None, (*stages[-1].jobs, job))
    make = {"local": ThisMachine, "slurm": Slurm}[executor]
    Pool(make(sys.executable, places), Path("."), Display(stages, verbose=verbose == "1")).run(stages)
    print("after")
    return 0

cli.run(main, sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module `job` that sleeps and ends with a code."""
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def chain(folder: Path, *jobs: str, executor: str = "local", gpus: str = "", job_gpus: str = "1", verbose: str = "0",
          **environment: str) -> "subprocess.Popen[str]":  # fmt: skip
    """Start a chain with two places for jobs; the machine has seven cores, three for each of two jobs."""
    return subprocess.Popen(
        [sys.executable, "-c", CHAIN, executor, gpus, job_gpus, verbose, *jobs], cwd=folder, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", **environment}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def log(folder: Path, name: str) -> list[list[str]]:
    """The words of the lines that a job printed, after its command."""
    first, *lines = (folder / f"{name}.log").read_text().splitlines()
    assert first.startswith(f"python -m job {name} ")
    return [line.split(" ") for line in lines]


def wait_for(folder: Path, names: str) -> None:
    """Wait until jobs have begun."""
    while not all((folder / f"{name}.log").exists() and len(log(folder, name)) > 0 for name in names):
        time.sleep(0.05)


def test_jobs_share_gpus_and_cores_and_keep_their_logs(folder: Path) -> None:
    process = chain(folder, "one", "a 0 0", "b 0.5 0", "c 0 0", "!d 0 0", gpus="4,6")
    output, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    begun = {name: log(folder, name)[0] for name in "abcd"}
    assert [begun[name][:2] for name in "abcd"] == [["a", "3"], ["b", "3"], ["c", "3"], ["d", "7"]]
    assert {begun["a"][2], begun["b"][2]} == {"4", "6"}
    assert output.splitlines()[-1] == "after"


def test_jobs_on_several_gpus_each(folder: Path) -> None:
    process = chain(folder, "one", "a 0.5 0", "b 0 0", gpus="1,3,5,7,9", job_gpus="2")
    process.communicate()
    assert process.returncode == 0
    assert {log(folder, name)[0][2] for name in "ab"} == {"1,3", "5,7"}


def test_who_waits_for_whom(folder: Path) -> None:
    """A job that runs alone, and a stage that is not beside the one above, wait; the others take any free place."""
    chain(folder, "one", "a 1.5 0", "+two", "b 0 0", "three", "c 0 0", "!d 0 0", "e 0 0").communicate()
    begins = {name: float(log(folder, name)[0][3]) for name in "abcde"}
    ends = {name: float(log(folder, name)[1][2]) for name in "abcde"}
    assert begins["b"] < ends["a"]
    assert begins["c"] > ends["a"] and begins["d"] > ends["c"] and begins["e"] > ends["d"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "b over"),
        ("a\nerror: no page\nwhat else", "no page"),
        ("Traceback\n  File x\nValueError: 3", "ValueError: 3"),
    ],
)
def test_a_failed_job_ends_the_others_and_is_named_with_its_reason(folder: Path, said: str, told: str) -> None:
    process = chain(folder, "one", "a 60 0", f"b 0.5 3 {said}", "c 60 0")
    output, error = process.communicate()
    assert process.returncode == 1 and "after" not in output
    assert error.startswith(f"error: b failed with exit code 3: {told}") and error.endswith("; its output: b.log\n")
    assert error.count("\n") == 1 and (folder / "a.ended").exists() and not (folder / "c.log").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)])
def test_a_signal_ends_the_jobs_and_waits_for_them(folder: Path, number: signal.Signals, code: int) -> None:
    process = chain(folder, "one", "a 60 0", "b 60 0")
    wait_for(folder, "ab")
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code and "the same command goes on" in error
    assert (folder / "a.ended").exists() and (folder / "b.ended").exists()


def test_jobs_end_when_the_chain_is_killed(folder: Path) -> None:
    process = chain(folder, "one", "a 60 0")
    wait_for(folder, "a")
    process.kill()
    process.wait()
    for _ in range(600):
        if (folder / "a.ended").exists():
            return
        time.sleep(0.1)
    pytest.fail("the job goes on without the chain")


def test_with_verbose_the_jobs_output_is_shown_line_by_line(folder: Path) -> None:
    """The last line may lack its end."""
    output, _ = chain(folder, "one", "a 0 0 last", verbose="1").communicate()
    shown = [line for line in output.splitlines() if line.startswith("[a] ")]
    assert shown[0] == "[a] python -m job a 0 0 last" and shown[-1] == "[a] last" and len(shown) == 4


SBATCH = """#!{python}
import os, signal, subprocess, sys
at = {{word.partition("=")[0]: word.partition("=")[2] for word in sys.argv[1:-2]}}
assert sys.argv[-2] == "--wrap" and "--wait" in at and "--requeue" in at
with open(at["--output"], "a") as output:
    script = ["bash", "-c", "echo $$ >pid." + at["--job-name"] + "; " + sys.argv[-1]]
    code = 75
    while code == 75:  # it was queued again
        open("submitted", "a").write(" ".join(sys.argv[1:-2]) + "\\n")
        job = {{"SLURM_JOB_ID": "1"}}
        code = subprocess.run(script, stdout=output, stderr=output, env={{**os.environ, **job}}).returncode
        code = 75 if os.path.exists("requeued") and not os.path.exists("again") else code
        open("again", "w") if code == 75 else None
sys.exit(code)
"""
SCANCEL = """#!{python}
import glob, os, signal, sys
open("cancelled", "a").write(" ".join(sys.argv[1:]) + "\\n")
name = next(word.partition("=")[2] for word in sys.argv if word.startswith("--name="))
number = next((word.partition("=")[2] for word in sys.argv if word.startswith("--signal=")), None)
for path in glob.glob("pid." + name) if number else ():
    os.kill(int(open(path).read()), getattr(signal, "SIG" + number))
"""
SCONTROL = """#!{python}
open("requeued", "w").write(" ".join(__import__("sys").argv[1:]))
"""


@pytest.fixture
def slurm(folder: Path) -> str:
    """PATH with an sbatch, a scancel and a scontrol that run jobs here."""
    (folder / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL), ("scontrol", SCONTROL)):
        (folder / "bin" / name).write_text(text.format(python=sys.executable))
        (folder / "bin" / name).chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def test_jobs_of_slurm_run_and_a_failed_one_ends_the_others(folder: Path, slurm: str) -> None:
    process = chain(folder, "one", "a 0 0", "two", "b 60 0", "c 1 4 error: no page", executor="slurm", PATH=slurm)
    _, error = process.communicate()
    assert (process.returncode, error) == (1, "error: c failed with exit code 4: no page; its output: c.log\n")
    assert (folder / "b.ended").exists() and log(folder, "a")[0][1] == "3"
    submitted = (folder / "submitted").read_text().splitlines()
    assert len(submitted) == 3
    assert all("--cpus-per-task=7" in line and "--signal=B:USR1@90" in line for line in submitted)
    assert not any("--gpus" in line for line in submitted)  # what does not train needs none


def test_a_signal_reaches_the_jobs_of_slurm(folder: Path, slurm: str) -> None:
    process = chain(folder, "one", "a 60 0", executor="slurm", PATH=slurm)
    wait_for(folder, "a")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143 and (folder / "a.ended").exists()
    first, second = (folder / "cancelled").read_text().splitlines()[:2]
    assert first.startswith("--state=PENDING --name=a-") and second.startswith("--batch --signal=TERM --name=a-")


def test_a_job_of_slurm_is_queued_again_at_its_time_limit(folder: Path, slurm: str) -> None:
    """Training writes a checkpoint on SIGTERM; here the job leaves a file, and ends at once the second time."""
    (folder / "job.py").write_text(
        JOB.replace("time.sleep(seconds)", "time.sleep(0 if os.path.exists('again') else 60)")
    )
    process = chain(folder, "one", "a 60 0", executor="slurm", PATH=slurm)
    wait_for(folder, "a")
    os.kill(int(next(folder.glob("pid.a-*")).read_text()), signal.SIGUSR1)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert (folder / "a.ended").exists() and (folder / "requeued").read_text() == "requeue 1"
    assert [words[1] for words in log(folder, "a")] == ["3", "3", "over"]
