"""How run-all.sh and tests/run.sh come to an interpreter with all packages; pip is replaced by a recorder."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

INTERPRETER = f"""#!/bin/bash
case "$*" in
  "-m pip "*) echo "$*" >>"$HOME/pip.log"; env | grep ^PIP_ >"$HOME/pip.env"
    echo "ERROR: no such release"; exit "${{PIP_CODE:-0}}" ;;
  *"import torch"*) echo "RuntimeError: operator torchvision::nms does not exist"; exit "${{TORCH_CODE:-0}}" ;;
  *sys.prefix*) echo "$HOME/active" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A repository with requirements and an activated environment, whose interpreter records what pip is told."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "environment.sh", tmp_path / "scripts")
    (tmp_path / "requirements.txt").write_text("# a comment\nnumpy>=1\n")
    python = tmp_path / "active" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(INTERPRETER)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def use(house: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    script = f"source {house}/scripts/environment.sh; use_environment requirements.txt && echo $PYTHON"
    variables = {"HOME": str(house), "PATH": os.environ["PATH"], "TMPDIR": str(house)}
    variables |= {"VIRTUAL_ENV": str(house / "active"), **environment}
    return subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=False)


def installations(house: Path) -> list[str]:
    log = house / "pip.log"
    return log.read_text().splitlines() if log.exists() else []


def test_an_activated_environment_is_used_and_filled_once(house: Path) -> None:
    for _ in range(2):
        assert use(house).stdout.split() == [str(house / "active/bin/python")]
    (command,) = installations(house)
    assert command.endswith("--retries 10 -r requirements.txt")
    assert not (house / ".venv").exists()


def test_other_requirements_are_installed_and_a_comment_changes_nothing(house: Path) -> None:
    use(house)
    (house / "requirements.txt").write_text("numpy>=1\n# another comment\n")
    use(house)
    assert len(installations(house)) == 1
    (house / "requirements.txt").write_text("numpy>=2\n")
    use(house)
    assert len(installations(house)) == 2


@pytest.mark.parametrize(
    ("broken", "message", "attempts"),
    [
        ("PIP_CODE", "error: packages could not be installed: ERROR: no such release (log: ", 3),
        ("TORCH_CODE", "error: torch and torchvision in this environment do not fit together: RuntimeError: ", 1),
    ],
)
def test_what_fails_is_told_in_one_line_and_tried_again(house: Path, broken: str, message: str, attempts: int) -> None:
    done = use(house, **{broken: "1"})
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines()[1].startswith(message)
    assert len(done.stderr.splitlines()) == 2 and len(installations(house)) == attempts
    assert use(house).returncode == 0


def test_settings_of_pip_for_other_places_do_not_count(house: Path) -> None:
    """pip refuses `--user` in an environment, and with a target of its own the packages would be missing from it."""
    done = use(
        house, PIP_USER="1", PIP_TARGET="/elsewhere", PIP_PREFIX="/elsewhere", PIP_ROOT="/elsewhere", PIP_PROXY="p"
    )
    assert done.returncode == 0
    assert sorted((house / "pip.env").read_text().split()) == ["PIP_PROXY=p", "PIP_USER=0"]


def test_an_activated_environment_without_python_is_refused(house: Path) -> None:
    done = use(house, VIRTUAL_ENV=str(house / "nothing"))
    assert done.returncode == 1
    assert "has no Python >= 3.10" in done.stderr and len(done.stderr.splitlines()) == 1


VENV_MAKER = f"""#!/bin/bash
case "$*" in
  "-m venv --clear "*) mkdir -p "$4/bin" && ln -s {sys.executable} "$4/bin/python" && echo made >>"$HOME/venv.log" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


def test_without_an_activated_environment_one_is_made_and_used_again(house: Path) -> None:
    python = house / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(VENV_MAKER)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    script = f"source {house}/scripts/environment.sh; find_environment {house} && echo $PYTHON"
    variables = {"HOME": str(house), "PATH": f"{python.parent}:{os.environ['PATH']}", "TMPDIR": str(house)}
    for _ in range(2):
        done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=False)
        assert done.stdout.split() == [str(house / ".venv/bin/python")], done.stderr
    assert (house / "venv.log").read_text() == "made\n"
