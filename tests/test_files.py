"""A file is there whole or not at all."""

import errno
import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from kuzushiji import files
from kuzushiji.errors import InputError


class Interrupted(Exception):
    """Whatever ends a write half way."""


def test_a_write_that_ends_well_replaces_the_file(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_text("old")
    with files.atomic_path(path) as temporary:
        assert temporary.parent == path.parent  # a rename within a file system is atomic
        assert temporary.name.endswith(".csv.gz")  # writers choose their format by it
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["table.csv.gz"]


@pytest.mark.parametrize("old", [None, "old"])
def test_a_write_that_fails_leaves_no_trace(tmp_path, old):
    path = tmp_path / "table.csv"
    if old:
        path.write_text(old)
    with pytest.raises(Interrupted), files.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise Interrupted
    assert [(name, (tmp_path / name).read_text()) for name in os.listdir(tmp_path)] == (
        [("table.csv", old)] if old else []
    )


def test_within_another_write_there_is_one_temporary_file(tmp_path):
    with files.atomic_path(tmp_path / "x.csv") as outer:
        with files.atomic_path(outer) as inner:
            inner.write_text("new")
        assert inner == outer and os.listdir(tmp_path) == [outer.name]
    assert (tmp_path / "x.csv").read_text() == "new"


def test_folders_are_made(tmp_path):
    files.atomic_write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "text"


def test_files_have_the_usual_permissions(tmp_path):
    """Temporary files are made readable for their owner only: outputs must not stay so."""
    files.atomic_write_text(tmp_path / "atomic.txt", "")
    (tmp_path / "plain.txt").write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("atomic.txt", "plain.txt")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("parent", ["file", "file/below"])
def test_where_nothing_can_be_written(tmp_path, parent):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"x.txt: cannot write there"):
        files.atomic_write_text(tmp_path / parent / "x.txt", "text")
    with pytest.raises(InputError, match=str(tmp_path / parent)):
        files.make_folder(tmp_path / parent)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"x.txt: cannot write there: Permission denied"):
        files.atomic_write_text(tmp_path / "x.txt", "text")


def test_json_round_trip(tmp_path):
    value = {"page": "あ", "path": Path("a/b"), "numbers": [1, 2.5, None, True]}
    files.atomic_write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == value | {"path": "a/b"}
    assert "あ" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_numbers_that_json_does_not_have(tmp_path):
    value = {"nan": float("nan"), "of": [(math.inf, -math.inf), {"numpy": np.float64("nan")}], "text": "nan"}
    files.atomic_write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == {"nan": None, "of": [[None, None], {"numpy": None}], "text": "nan"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "expected JSON, got something else"),
        (b'{"a": 1', "expected JSON, got something else"),
        (b"\xff\xfe\x00", "expected JSON, got something else"),  # no UTF-8
    ],
)
def test_json_that_is_none(tmp_path, content, message):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"x.json: {message}"):
        files.read_json(path)


def test_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert files.sha256_of_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "large").write_bytes(bytes(3 << 20))
    (tmp_path / "larger").write_bytes(bytes((3 << 20) + 1))
    assert files.sha256_of_file(tmp_path / "large") != files.sha256_of_file(tmp_path / "larger")


# Errors of the disk


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOSPC, "cannot be written: No space left on device; what was there before is untouched"),
        (errno.EDQUOT, "cannot be written: Disk quota exceeded"),
        (errno.EIO, "cannot be written: Input/output error"),
        (errno.ENOENT, None),  # not about the disk: what the block itself got wrong
    ],
)
def test_errors_of_the_disk_and_others(tmp_path, code, told):
    with pytest.raises(InputError if told else FileNotFoundError) as raised, files.atomic_path(tmp_path / "x"):
        raise OSError(code, os.strerror(code))
    assert not told or told in str(raised.value)


def test_a_full_disk_is_found_in_the_words_of_a_library(tmp_path):
    with pytest.raises(InputError, match="x: cannot be written: No space left"), files.atomic_path(tmp_path / "x"):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_a_full_disk_is_found_where_a_library_does_not_say(tmp_path, monkeypatch):
    usage = files.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(InputError, match="x: cannot be written: No space left"), files.atomic_path(tmp_path / "x"):
        raise RuntimeError("basic_filebuf::xsputn error writing the file")


# Folders


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("old", [{}, {"list": "old", "a": "old", "sub/b": "old", "other": "old"}])
def test_a_folder_gets_its_files_together(tmp_path, old):
    out = tmp_path / "deep" / "out"
    for name, text in old.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)
    with files.atomic_folder(out, last="list") as folder:
        for name in ("list", "a", "sub/b"):
            files.atomic_write_text(folder / name, "new")
        assert contents(out) == old | {f"{folder.name}/{name}": "new" for name in ("list", "a", "sub/b")}
    assert contents(out) == old | {"list": "new", "a": "new", "sub/b": "new"}  # what is not written stays
    assert sorted(os.listdir(out)) == sorted({name.split("/")[0] for name in ("list", "a", "sub", *old)})


@pytest.mark.parametrize("old", [None, {}, {"list": "old"}])
def test_a_folder_whose_files_cannot_be_made_is_as_it_was(tmp_path, old):
    out = tmp_path / "out"
    if old is not None:
        out.mkdir()
        for name, text in old.items():
            (out / name).write_text(text)
    with pytest.raises(InputError) as refused, files.atomic_folder(out, last="list") as folder:
        (folder / "a").write_text("new")
        raise InputError(f"{folder / 'b'}: cannot be written")
    assert str(refused.value) == f"{out / 'b'}: cannot be written"  # the place that was meant
    assert out.exists() == (old is not None)
    assert old is None or contents(out) == old


def test_the_list_of_a_folder_moves_last(tmp_path, monkeypatch):
    moved = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: (moved.append(path.name), replace(path, target)))
    with files.atomic_folder(tmp_path / "out", last="list") as folder:
        for name in ("z", "list", "a"):
            (folder / name).write_text("new")
    assert moved[-1] == "list" and sorted(moved) == ["a", "list", "z"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    expected = "file/out: expected a folder to write to, cannot make it"
    with pytest.raises(InputError, match=expected), files.atomic_folder(tmp_path / "file" / "out", last="list"):
        raise AssertionError


# Killed in between


@pytest.mark.parametrize("moment", ["written", "flushed", "renamed"])
def test_a_process_killed_at_any_moment_of_a_write(tmp_path, moment):
    """The file is the old one or the new one; the next who holds the place removes what was left."""
    path = tmp_path / "x.csv"
    path.write_text("old")
    process = os.fork()
    if not process:
        if moment == "flushed":
            Path.replace = lambda *_: os.kill(os.getpid(), 9)
        if moment == "renamed":
            files.flush_folder = lambda *_: os.kill(os.getpid(), 9)
        with files.atomic_path(path) as temporary:
            temporary.write_text("new")
            if moment == "written":
                os.kill(os.getpid(), 9)
    os.waitpid(process, 0)
    assert path.read_text() == ("new" if moment == "renamed" else "old")
    assert len(os.listdir(tmp_path)) == (1 if moment == "renamed" else 2)
    files.remove_leftovers(path)
    assert os.listdir(tmp_path) == ["x.csv"]


def test_leftovers_of_one_file_and_of_a_folder(tmp_path):
    names = {".a.csv.tmp-12345678.csv", ".a.csv.gz.tmp-12345678.csv.gz", ".[ab].csv.tmp-12345678.csv", "a.csv", ".keep"}
    for name in names:
        (tmp_path / name).write_text("")
    files.remove_leftovers(tmp_path / "a.csv")
    assert set(os.listdir(tmp_path)) == (names := names - {".a.csv.tmp-12345678.csv"})
    files.remove_leftovers(tmp_path / "[ab].csv")  # no pattern
    assert set(os.listdir(tmp_path)) == names - {".[ab].csv.tmp-12345678.csv"}
    files.remove_leftovers(tmp_path)
    assert set(os.listdir(tmp_path)) == {"a.csv", ".keep"}
    files.remove_leftovers(tmp_path / "none" / "x.csv")
    (tmp_path / ".reader.tmp-12345678").mkdir()  # of atomic_folder
    (tmp_path / ".reader.tmp-12345678" / "a").write_text("")
    files.remove_leftovers(tmp_path)
    assert set(os.listdir(tmp_path)) == {"a.csv", ".keep"}
