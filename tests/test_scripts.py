"""The shell scripts in odd places: names with spaces, a checkout that cannot be written, lines without an end."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def bash(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run bash with this environment's Python; no GPU is seen."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "VIRTUAL_ENV": sys.prefix, **environment}
    return subprocess.run(["bash", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_run_in_a_folder_with_spaces(tmp_path: Path) -> None:
    """The first stages, from another folder too: the books, their check, which is skipped the second time."""
    runs = tmp_path / "a run's folder"
    for stage in ("books", "check"):
        done = bash(str(ROOT / "run-all.sh"), "tiny", "--stage", stage, cwd=tmp_path, RUNS=str(runs))
        assert done.returncode == 0, done.stderr
    assert len(list((runs / "books" / "train_images").iterdir())) == 8
    again = bash("run-all.sh", "tiny", "--stage", "check", RUNS=str(runs))
    assert f"{runs / 'books'} is unchanged since it passed" in again.stdout


@pytest.mark.parametrize("script", ["run-all.sh", "level2.sh"])
def test_commands_are_printed_as_they_would_be_typed(script: str) -> None:
    runs = "_runs/a run's $folder"
    for line in bash(script, "demo", "--dry-run", RUNS=runs).stdout.splitlines():
        if line.startswith("python -m "):
            words = shlex.split(line)
            assert any(runs in word for word in words)
            assert not [word for word in words if re.fullmatch(r"run's|\$folder.*", word)]


def test_scripts_of_the_same_name_on_the_path_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "level2.sh").write_text("exit 7\n")
    done = bash("run-all.sh", "demo", "--dry-run", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "") and "kuzushiji.classify.level2 " in done.stdout


def test_cdpath_of_the_user_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for places in (".", str(tmp_path)):
        done = bash("run-all.sh", "tiny", "--stage", "books", RUNS=str(tmp_path / "run"), CDPATH=places)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("runs", ["{tmp}/file", "{tmp}/file/run"])
def test_a_run_that_cannot_be_there(tmp_path: Path, runs: str) -> None:
    (tmp_path / "file").write_text("")
    done = bash("run-all.sh", "tiny", "--stage", "books", RUNS=runs.format(tmp=tmp_path))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "Not a directory" in done.stderr


def test_a_checkout_that_cannot_be_written(tmp_path: Path) -> None:
    """The run elsewhere goes well, the one inside ends at once."""
    script = f"""mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT} && cd {ROOT} && echo mounted
        for runs in {tmp_path}/run _runs/none; do
          RUNS=$runs bash run-all.sh tiny --stage books || echo "code $?"
        done"""
    try:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "VIRTUAL_ENV": sys.prefix},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("needs a mount namespace: no unshare here")
    if "mounted" not in done.stdout:
        pytest.skip("needs a mount namespace: none is to be had here")
    assert (tmp_path / "run" / "books" / "train.csv").exists() and done.stdout.endswith("code 1\n"), done.stderr
    assert len(done.stderr.splitlines()) == 1 and "Read-only file system" in done.stderr
