"""All stages on a disk that lacks what others have: the same tables, and a line where locks are missing.

The disk is a folder under which a library, loaded before the C library, refuses calls.
"""

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kuzushiji.data.vocabulary import Vocabulary
from tests.models import write_classifier, write_detector
from tests.refusing_disk import compile_library, refusing
from tests.test_full_disk import NETWORKS, TABLES, made_tables

ROOT = Path(__file__).parent.parent
COMPARED = ("*.csv", "*.csv.gz", "*.parquet", "*.jpg", "*.png", "*.svg", "*.txt", "*.safetensors")

KINDS = ("chmod", "utime", "link", "symlink", "fsync", "flock", "statvfs")
EXFAT = dict.fromkeys(KINDS, errno.EPERM) | {"fsync": errno.EINVAL, "flock": errno.ENOLCK, "statvfs": errno.ENOSYS}
NONE = dict.fromkeys(KINDS, errno.ENOSYS)
NOT_SUPPORTED = dict.fromkeys(KINDS, errno.ENOTSUP)
CIFS = dict.fromkeys(KINDS, errno.EACCES) | {"fsync": errno.ENOTSUP, "flock": errno.EINVAL}

MORE = [
    ("finetune", "{root} --from {light} --output {disk}/tuned --detector-epochs 1 --classifier-epochs 1 --threads 1"
     " --device cpu --lr 1e-5"),
    ("convert", "{root} {disk}/pages"),
    ("edit", "{disk}/edited"),
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What refuses calls."""
    try:
        return compile_library(tmp_path_factory.mktemp("library"))
    except FileNotFoundError:
        pytest.skip("needs a C compiler, cc (package gcc)")


def listed(disk: Path, **places: object) -> list[tuple[str, list[str]]]:
    """The commands of all stages and more, each with a folder of its own on the disk."""
    commands = [*((module, words) for module, words, *_ in [*TABLES[2:], *NETWORKS]), *MORE]
    return [
        (module, words.format(disk=disk / str(number), **places).split())
        for number, (module, words) in enumerate(commands)
    ]


def run_all(commands: list[tuple[str, list[str]]], **environment: str) -> list[str]:
    """Run commands in one process; return what they printed on standard error. All must go well."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.refusing_disk"], input=json.dumps(commands), cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [code for code, _ in results] == [0] * len(commands), (commands[len(results) - 1], results[-1])
    return [line for _, lines in results for line in lines]


def files_of(disk: Path) -> dict[str, bytes]:
    """The contents of the results, by their names on the disk."""
    paths = [path for pattern in COMPARED for path in disk.rglob(pattern)]
    return {str(path.relative_to(disk)): path.read_bytes() for path in paths}


def test_the_disk_refuses(library: Path, tmp_path: Path) -> None:
    """All calls of all kinds, below the folder alone."""
    calls = """
import fcntl, os, sys
from collections import Counter
from pathlib import Path
path = Path(sys.argv[1], "x")
path.touch()
file = os.open(path, os.O_RDWR)
place = os.open(path.parent, os.O_RDONLY)
calls = [
    lambda: os.chmod(path, 0o600), lambda: os.chmod(file, 0o600), lambda: os.chmod("x", 0o600, dir_fd=place),
    lambda: os.utime(path), lambda: os.utime(file), lambda: os.utime("x", (1, 1), dir_fd=place),
    lambda: os.link(path, f"{path}2"), lambda: os.link(path, "2", dst_dir_fd=place),
    lambda: os.symlink(path, f"{path}3"), lambda: os.symlink(path, "3", dir_fd=place),
    lambda: os.fsync(file), lambda: os.fdatasync(file), lambda: os.fsync(place),
    lambda: fcntl.flock(file, fcntl.LOCK_EX), lambda: os.statvfs(path), lambda: os.statvfs(file),
]
for call in calls:
    try:
        call()
        print(0)
    except OSError as error:
        print(error.errno)
"""
    answers = {}
    for name in ("disk", "disks"):
        (tmp_path / name).mkdir()
        environment = os.environ | refusing(library, tmp_path / "disk", tmp_path / "log", NONE)
        command = [sys.executable, "-c", calls, str(tmp_path / name)]
        answers[name] = set(subprocess.check_output(command, env=environment, text=True).split())
    assert answers == {"disk": {str(errno.ENOSYS)}, "disks": {"0"}}
    assert Counter((tmp_path / "log").read_text().split()) == {
        "chmod": 3, "utime": 3, "link": 2, "symlink": 2, "fsync": 3, "flock": 1, "statvfs": 2,
    }  # fmt: skip


def test_all_stages(library: Path, tiny_root: Path, tmp_path: Path) -> None:
    """The same files as on an ordinary disk, and one line: there are no locks."""
    models = tmp_path / "models"
    write_detector(models / "segment-fold0")
    write_classifier(models / "clf-fold0", 0, Vocabulary.from_train_csv(tiny_root / "train.csv"))
    places = {**made_tables(tiny_root, tmp_path), "light": str(models)}
    ordinary, disk, log = (tmp_path / name for name in ("ordinary", "disk", "log"))
    for folder in (ordinary, disk):
        folder.mkdir()
    assert run_all(listed(disk, **places), **refusing(library, disk, log, EXFAT)) == [no_locks(EXFAT)]
    assert run_all(listed(ordinary, **places)) == []
    expected, got = files_of(ordinary), files_of(disk)
    assert [name for name in sorted({*expected, *got}) if expected.get(name) != got.get(name)] == []
    assert len(os.listdir(disk)) == len(listed(disk, **places)) and len({Path(name).parts[0] for name in got}) > 10
    assert {*log.read_text().split()} >= {"chmod", "link", "fsync", "flock"}
    assert leftovers(disk) == []


@pytest.mark.chain
def test_the_chain(library: Path, tmp_path: Path) -> None:
    """Its own files, and those of its jobs."""
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    own = {"RUNS": str(disk / "runs"), "VIRTUAL_ENV": sys.prefix, "CUDA_VISIBLE_DEVICES": ""}
    environment = {**os.environ, **own, **refusing(library, disk, log, EXFAT)}
    for stage in ("books", "check"):
        command = ["bash", str(ROOT / "run-all.sh"), "tiny", "--stage", stage]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert set(done.stderr.splitlines()) == {no_locks(EXFAT)}
    assert {*log.read_text().split()} >= {"chmod", "fsync", "flock", "statvfs"}
    assert leftovers(disk) == []


@pytest.mark.parametrize("calls", [NONE, NOT_SUPPORTED, CIFS], ids=["none", "not supported", "CIFS"])
def test_other_answers(calls: dict[str, int], library: Path, tiny_root: Path, tmp_path: Path) -> None:
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    commands = [
        ("segment.merge", [f"{tiny_root}/train.csv", f"{disk}/merged.csv", "--data-root", str(tiny_root)]),
        ("convert", [str(tiny_root), f"{disk}/pages", "--to", "page"]),
        ("edit", [f"{disk}/edited"]),
    ]
    assert run_all(commands, **refusing(library, disk, log, calls)) == [no_locks(calls)]
    assert {*log.read_text().split()} >= {"chmod", "link", "fsync", "flock"}
    assert leftovers(disk) == []


def no_locks(calls: dict[str, int]) -> str:
    return f"warning: no locks on this file system ({os.strerror(calls['flock'])}): start nothing twice"


def leftovers(disk: Path) -> list[Path]:
    """Temporary files, and locks but those of chains."""
    return [path for path in disk.rglob(".*") if ".tmp-" in path.name or not path.name.startswith(".chain")]
