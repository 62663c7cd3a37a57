"""Disks and folders that lack what others have: nothing is lost, and what does not matter stops nothing."""

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from kuzushiji import disks, doctor, files, locks
from kuzushiji.chain.listing import Listing
from kuzushiji.chain.plan import lacks_disk
from kuzushiji.errors import InputError


def refuse(number: int) -> Callable[..., None]:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("chmod", errno.EPERM),  # exFAT, WSL's /mnt/c
        ("chmod", errno.EACCES),  # CIFS
        ("chmod", errno.ENOTSUP),
        ("fsync", errno.EINVAL),  # FUSE
        ("fsync", errno.ENOSYS),
        ("fsync", errno.ENOTSUP),
    ],
)
def test_what_a_disk_cannot_do_is_left_out(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, call, refuse(number))
    files.atomic_write_text(tmp_path / "x.txt", "old")
    files.atomic_write_text(tmp_path / "x.txt", "new")
    with files.atomic_folder(tmp_path / "out", last="list") as folder:
        files.atomic_write_text(folder / "list", "a")
    assert (tmp_path / "x.txt").read_text() == "new" and (tmp_path / "out" / "list").read_text() == "a"
    assert sorted(os.listdir(tmp_path)) == ["out", "x.txt"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_could_not_flush_is_trouble(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.atomic_write_text(tmp_path / "x.txt", "old")
    monkeypatch.setattr(os, "fsync", refuse(number))
    with pytest.raises(InputError, match=f"x.txt: cannot be written: {os.strerror(number)}; what was there before"):
        files.atomic_write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "old" and os.listdir(tmp_path) == ["x.txt"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ETXTBSY])
def test_a_file_that_may_not_be_replaced(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.atomic_write_text(tmp_path / "x.txt", "old")
    monkeypatch.setattr(Path, "replace", refuse(number))
    with pytest.raises(InputError, match=f"x.txt: cannot be written: {os.strerror(number)}; what was there before"):
        files.atomic_write_text(tmp_path / "x.txt", "new")
    assert (tmp_path / "x.txt").read_text() == "old" and os.listdir(tmp_path) == ["x.txt"]


@pytest.mark.parametrize("number", [errno.ETXTBSY, errno.EBUSY, errno.EACCES])
def test_a_lock_that_is_not_removed(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared folders of virtual machines do not remove a file that is open: the lock ends all the same."""
    monkeypatch.setattr(Path, "unlink", refuse(number))
    for _ in range(2):
        with locks.hold(tmp_path / "out"):
            pass


def test_leftovers_that_are_not_removed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / ".x.txt.tmp-0.txt"
    left.touch()
    monkeypatch.setattr(Path, "unlink", refuse(errno.EACCES))  # another user's, in a folder of all
    with locks.hold(tmp_path / "x.txt"):
        files.atomic_write_text(tmp_path / "x.txt", "new")
    assert left.exists() and (tmp_path / "x.txt").read_text() == "new"


Usage = namedtuple("Usage", "total used free")


def nothing_there(_: object) -> Usage:
    return Usage(0, 0, 0)


@pytest.mark.parametrize("usage", [refuse(errno.ENOSYS), nothing_there])
def test_a_disk_that_does_not_say_how_much_is_free_is_not_full(
    usage: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert disks.free_bytes(tmp_path / "not there yet") is None
    assert not lacks_disk(Listing("tiny", {"RUNS": str(tmp_path), "DISK_GB": "2"}, ()))
    assert {finding.what: finding.state for finding in doctor.look()}["disk"] == doctor.OK
    with pytest.raises(RuntimeError, match="our fault"), files.atomic_path(tmp_path / "x"):
        raise RuntimeError("our fault")


@pytest.mark.parametrize(
    "name",
    [
        "a" * 251 + ".csv",
        "a" * 244 + ".csv.gz",
        "あ" * 83 + ".json",
        ".".join("page" for _ in range(51)),  # much that looks like suffixes
        "a." + "b" * 253,
        "a" * 255,
    ],
)
def test_names_of_the_greatest_length(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with locks.hold(path):
        with files.atomic_path(path) as temporary:
            assert files.is_temporary(temporary)
            assert temporary.suffix in (path.suffix, ".tmp")
            temporary.write_text("new")
        with pytest.raises(InputError, match="one process at a time"), locks.hold(path):
            pass
    assert path.read_text() == "new" and os.listdir(tmp_path) == [name]
    folder = tmp_path / "folders" / name
    with locks.hold(folder), files.atomic_folder(folder, last="list") as temporary:
        files.atomic_write_text(temporary / "list", "")
    assert os.listdir(folder) == ["list"]


def test_long_names_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """What another file's writer is at is not removed as a leftover."""
    one, other = (tmp_path / ("a" * 249 + end) for end in ("1.csv", "2.csv"))
    with files.atomic_path(one) as temporary:
        with locks.hold(other):
            assert temporary.exists()
        files.remove_leftovers(one)
        assert not temporary.exists()
        temporary.write_text("")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write there: File name too long"):
        files.atomic_write_text(tmp_path / ("a" * 256), "text")
    assert os.listdir(tmp_path) == []


HOLDER = """
import fcntl, os, sys  # now: the other user may not be allowed to read this Python
from pathlib import Path
from kuzushiji.files import atomic_write_text
from kuzushiji.locks import hold
os.seteuid(12345)
with hold(Path(sys.argv[1])):
    atomic_write_text(Path(sys.argv[1], "x.txt"), "text")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root alone becomes another user")
def test_a_folder_in_one_that_may_not_be_written_to(tmp_path: Path) -> None:
    """As a container's user has it with a mounted folder: the lock lies within, and root sees it."""
    place = tmp_path / "parent" / "out"
    place.mkdir(parents=True)
    os.chown(place, 12345, -1)
    for folder in (place.parent, tmp_path, *tmp_path.parents):
        if folder.name.startswith(("parent", "test_", "pytest-", "popen-")):  # pytest's are its user's alone
            folder.chmod(0o755)
    command = [sys.executable, "-c", HOLDER, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        told = f"out: process {process.pid} on .* one process at a time"
        with pytest.raises(InputError, match=told), locks.hold(place):
            pass
    with locks.hold(place):
        again = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert "one process at a time" in again.stderr
    assert os.listdir(place) == ["x.txt"] and os.listdir(place.parent) == ["out"]


LISTENER = """
import sys
from multiprocessing.connection import Listener
from kuzushiji import cli
def main(argv=None):
    with Listener(family="AF_UNIX") as listener:
        print(listener.address)
    return 0
cli.run(main, [], name="listener")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sockets have no paths there")
def test_a_long_path_to_temporary_files_leaves_room_for_sockets(tmp_path: Path) -> None:
    """The data loader's workers hand over samples through such sockets."""
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LISTENER], env=os.environ | {"TMPDIR": str(folder)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("/tmp/pymp-") and not Path(done.stdout.strip()).parent.exists()
