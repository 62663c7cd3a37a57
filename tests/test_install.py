"""`pip install .` into an environment without kuzushiji, and running from another folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import kuzushiji

ROOT = Path(__file__).parent.parent
WHAT_IS_BUILT = ("kuzushiji", "detection", "setup.py", "pyproject.toml", "requirements.txt", "README.rst", "LICENSE")
NO_CACHE = shutil.ignore_patterns("__pycache__")

LIST_INSTALLED = """
import detection, kuzushiji, pathlib
for package in (kuzushiji, detection):
    folder = pathlib.Path(package.__file__).parent
    print(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            print(path.relative_to(folder.parent).as_posix())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with kuzushiji in it; all other packages come from this environment."""
    place = tmp_path_factory.mktemp("installed")
    copy = place / "copy"  # building leaves files beside the sources
    copy.mkdir()
    for name in WHAT_IS_BUILT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=NO_CACHE)
        else:
            shutil.copy2(source, copy / name)
    venv.create(place / "venv", with_pip=False, symlinks=os.name != "nt")
    python = place / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip())
    (site / "other_packages.pth").write_text(sysconfig.get_path("purelib"))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run(Path(sys.executable), "-m", "pip", "--python", str(python), "install", *options, str(copy), cwd=place)
    shutil.rmtree(copy)
    return python


def run(python: Path, *arguments: str, cwd: Path) -> str:
    """Run the interpreter in `cwd`, without this environment's variables; return what it prints."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(python), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_modules_and_data_files_are_installed(installed: Path, tmp_path: Path) -> None:
    lines = run(installed, "-c", LIST_INSTALLED, cwd=tmp_path).splitlines()
    assert all(Path(line).is_relative_to(installed.parent.parent) for line in lines if Path(line).is_absolute())
    found = {line for line in lines if not Path(line).is_absolute()}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("kuzushiji", "detection")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == expected
    kinds = {Path(name).suffix for name in found}
    assert {".py", ".typed", ".txt", ".j2"} <= kinds


@pytest.mark.parametrize("module", ["kuzushiji", "kuzushiji.metric", "kuzushiji.segment", "kuzushiji.classify"])
def test_entry_points_run_from_another_folder(installed: Path, tmp_path: Path, module: str) -> None:
    assert run(installed, "-m", module, "--help", cwd=tmp_path).startswith("usage: python -m kuzushiji")


def test_the_installed_command(installed: Path, tmp_path: Path) -> None:
    command = installed.parent / ("kuzushiji.exe" if os.name == "nt" else "kuzushiji")
    assert run(command, "--version", cwd=tmp_path) == f"kuzushiji {kuzushiji.__version__}\n"
    assert run(command, "segment", "merge", "--help", cwd=tmp_path).startswith(
        "usage: kuzushiji segment merge [options]"
    )
    assert run(command, cwd=tmp_path).splitlines()[0].startswith("kuzushiji demo ")


def test_books_are_written_and_checked_from_another_folder(installed: Path, tmp_path: Path) -> None:
    size = {"books": 1, "pages": 1, "test-books": 1, "test-pages": 2, "page-height": 200, "workers": 1}
    run(installed, "-m", "kuzushiji.demo", "books", *(f"--{key}={n}" for key, n in size.items()), cwd=tmp_path)
    assert "0 faults" in run(installed, "-m", "kuzushiji.data.check", "books", "--workers", "1", cwd=tmp_path)


def test_a_folder_of_the_user_s_named_detection(installed: Path, tmp_path: Path) -> None:
    """Programs there get that one, the installed command ours; python -m, which looks here first, says so."""
    (tmp_path / "detection").mkdir()
    (tmp_path / "detection" / "__init__.py").write_text("mine = True\n")
    assert run(installed, "-c", "import kuzushiji, detection; print(detection.mine)", cwd=tmp_path).strip() == "True"
    script = installed.parent / "reads_boxes"  # like the command, which lies there
    script.write_text("from kuzushiji.segment import joining; import detection; print(detection.__file__)")
    assert Path(run(installed, str(script), cwd=tmp_path).strip()).is_relative_to(installed.parent.parent)
    words = ["-c", "from kuzushiji import cli; cli.run(lambda argv: __import__('detection.boxes') and 0, [])"]
    done = subprocess.run([str(installed), *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: expected kuzushiji's library detection, got another of this name")
    assert str(tmp_path / "detection") in line and "type kuzushiji COMMAND" in line
