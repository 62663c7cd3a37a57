"""A stage is added in the six places that CONTRIBUTING.rst lists, in a copy of the repository, and works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WHAT_A_STAGE_NEEDS = ("kuzushiji", "detection", "scripts", "profiles", "run-all.sh", "level2.sh", "pyproject.toml")

MODULE = '''# PYTHON_ARGCOMPLETE_OK
"""Repeats a table: `python -m kuzushiji.classify.repeat TABLE OUT`."""

import dataclasses
from pathlib import Path

from kuzushiji import cli
from kuzushiji.options import force_option, json_option, option
from kuzushiji.stage import Facts, Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class RepeatConfig:
    """The parameters of the command; see each option's help."""

    table: Path = option(dataclasses.MISSING, "table to repeat", positional=True, changes_result=False)
    output: Path = option(dataclasses.MISSING, "table to write", positional=True, changes_result=False)
    times: int = option(2, "how often", type=cli.positive_int)
    force: bool = force_option()
    json: bool = json_option()


class Repeat(Stage):
    """Repeat a table."""

    name = "classify.repeat"
    config: RepeatConfig

    def inputs(self) -> list[Path]:
        """Return the table."""
        return [self.config.table]

    def run(self) -> Facts:
        """Write the table; return its length."""
        text = self.config.table.read_text() * self.config.times
        with self.output_path(self.config.output) as temporary:
            temporary.write_text(text)
        return {"characters": len(text)}


main = Repeat.main

if __name__ == "__main__":
    cli.run(main)
'''
TEST = """from kuzushiji.classify.repeat import main


def test_it_repeats(tmp_path):
    (tmp_path / "a").write_text("ab")
    assert main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert (tmp_path / "b").read_text() == "abab"
"""


def insert(path: Path, before: str, text: str) -> None:
    """Insert text before a line."""
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, before
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def edits(copy: Path) -> None:
    """Add the stage in its six places."""
    (copy / "kuzushiji/classify/repeat.py").write_text(MODULE)
    command = 'kuzushiji.classify.repeat "$RUNS/pseudolabels.csv.gz" "$RUNS/repeated.csv" "${REPEAT[@]}"'
    insert(
        copy / "run-all.sh", "# What all this brought", f"# The table again.\nstage repeat\nrun repeat {command}\n\n"
    )
    insert(copy / "profiles/tiny.env", "LEVEL2_FEATURES=", "REPEAT=(--times 3)\n")
    insert(
        copy / "kuzushiji/__main__.py",
        '    ("kuzushiji.predict"',
        '    ("kuzushiji.classify.repeat", "a table again"),\n',
    )
    insert(copy / "pyproject.toml", '    "kuzushiji.classify.level2_features", ', '    "kuzushiji.classify.repeat",\n')
    (copy / "tests").mkdir()
    (copy / "tests/test_repeat.py").write_text(TEST)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the stage."""
    folder = tmp_path_factory.mktemp("copy")
    for name in WHAT_A_STAGE_NEEDS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    before = files_of(folder)
    edits(folder)
    after = files_of(folder)
    assert len([name for name in after if before.get(name) != after[name]]) == len(places()) == 6
    return folder


def places() -> list[str]:
    """Return the items of the list in CONTRIBUTING.rst."""
    section = (
        (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8").split("\nHow to add a stage\n")[1].split("\n---")[0]
    )
    return re.findall(r"^\d\. .*", section, re.M)


def run(copy: Path, *words: str) -> str:
    """Run a command in the copy; return what it prints."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**variables, "RUNS": str(copy / "runs"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [["kuzushiji.classify.repeat"], ["kuzushiji", "classify", "repeat"]])
def test_the_stage_runs_and_is_skipped_when_it_is_done(copy, tmp_path, words):
    (tmp_path / "a").write_text("ab")
    command = [sys.executable, "-m", *words, str(tmp_path / "a"), str(tmp_path / "b"), "--json"]
    assert json.loads(run(copy, *command)) == {"characters": 4}
    assert run(copy, *command) == ""


def test_it_is_listed(copy):
    assert "python -m kuzushiji.classify.repeat " in run(copy, sys.executable, "-m", "kuzushiji")


def test_the_chain_runs_it_with_the_profile(copy):
    lines = run(copy, "bash", "run-all.sh", "tiny", "--stage", "repeat", "--dry-run").splitlines()
    (line,) = (line for line in lines if line.startswith("python -m "))
    runs = copy / "runs"
    expected = f"python -m kuzushiji.classify.repeat {runs}/pseudolabels.csv.gz {runs}/repeated.csv --times 3"
    assert line == expected


def test_its_import_contract_holds(copy):
    check = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    assert "0 broken" in run(copy, sys.executable, "-c", check)


def test_its_test_passes(copy):
    assert "1 passed" in run(copy, sys.executable, "-m", "pytest", "-q", "--noconftest", "tests/test_repeat.py")
