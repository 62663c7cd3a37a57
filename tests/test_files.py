"""A file is there whole or not at all."""

import os
import stat
from pathlib import Path

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


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda folder: None, True),
        (lambda folder: (folder / "sub").mkdir(), True),  # files only
        (lambda folder: (folder / "a").write_text("changed"), False),
        (lambda folder: os.utime(folder / "a", ns=(1, 1)), False),
        (lambda folder: (folder / "a").rename(folder / "c"), False),
        (lambda folder: (folder / "a").unlink(), False),
        (lambda folder: (folder / "new").write_text(""), False),
    ],
)
def test_digest_of_a_folder(tmp_path, change, same):
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    before = files.digest_of_folder(tmp_path)
    change(tmp_path)
    assert (files.digest_of_folder(tmp_path) == before) is same


def test_first_missing(tmp_path):
    (tmp_path / "a").write_text("")
    paths = [tmp_path / name for name in "abc"]
    assert files.first_missing(paths) == tmp_path / "b"
    assert files.first_missing(paths[:1]) is None
    assert files.first_missing([]) is None
