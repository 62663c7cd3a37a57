"""Inputs are known by their contents: whatever else changes about files, they are the same."""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kuzushiji import content
from kuzushiji.content import Contents, ImageFolder, cache_folder, digest_of, digest_of_all, digest_of_times
from kuzushiji.data.paths import DataRoot
from kuzushiji.errors import InputError

ONE_HOUR = 3600
ROOT = Path(__file__).parent.parent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    """Three images, of which a table names two and another one that is missing."""
    folder = tmp_path / "data" / "images"
    folder.mkdir(parents=True)
    for name in "abc":
        (folder / f"{name}.jpg").write_text(f"image {name}")
    table = folder.parent / "train.csv"
    table.write_text("image_id,labels\nb,U+3042 1 1 2 2\na,\nmissing,\n")
    return ImageFolder(folder, (table,))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read whole."""
    names: list[str] = []
    real = content.sha256_of_file

    def noted(path: Path) -> str:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(content, "sha256_of_file", noted)
    return names


def age(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an hour pass: what changed just now may change again at the same time by the file system's clock."""
    later = content.time.time_ns() + ONE_HOUR * 10**9
    monkeypatch.setattr(content.time, "time_ns", lambda: later)


def moved(images: ImageFolder, to: Path) -> ImageFolder:
    return ImageFolder(to / "images", (to / "train.csv",))


# What a folder of images is known by


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._a.jpg", "c.jpg", "new.jpg"])
def test_other_files_do_not_count(images, name):
    before = digest_of(images)
    (images.folder / name).write_text("of the system, or of no page")
    assert digest_of(images) == before


def test_times_places_and_permissions_do_not_count(images, tmp_path):
    before = digest_of(images)
    os.utime(images.folder / "a.jpg", ns=(1, 1))
    os.utime(images.folder)
    (images.folder / "b.jpg").chmod(0o444)
    assert digest_of(images) == before
    (tmp_path / "data").rename(tmp_path / "other name")
    assert digest_of(moved(images, tmp_path / "other name")) == before
    (tmp_path / "link").symlink_to(tmp_path / "other name")
    assert digest_of(moved(images, tmp_path / "link")) == before


def test_what_copies_and_archives_do_does_not_count(images, tmp_path):
    before, data = digest_of(images), tmp_path / "data"
    shutil.copytree(data, tmp_path / "copy", copy_function=shutil.copyfile)  # as cp -r: times are new
    with tarfile.open(tmp_path / "data.tar", "w") as packed:
        packed.add(data, "tar")
    with tarfile.open(tmp_path / "data.tar") as packed:
        packed.extractall(tmp_path)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:  # whose times have steps of two seconds, and no zone
        for path in data.rglob("*"):
            file.write(path, Path("zip") / path.relative_to(data))
    with zipfile.ZipFile(tmp_path / "data.zip") as file:
        file.extractall(tmp_path)
    for name, link in (("links", os.symlink), ("hard links", os.link)):
        shutil.copytree(data, tmp_path / name, copy_function=lambda source, to, link=link: link(source, to))
    for name in ("copy", "tar", "zip", "links", "hard links"):
        assert digest_of(moved(images, tmp_path / name)) == before, name


def test_another_time_zone_does_not_count(images):
    code = (
        "from pathlib import Path; from kuzushiji.content import *; import sys;"
        "print(digest_of(ImageFolder(Path(sys.argv[1]), (Path(sys.argv[2]),))))"
    )
    for zone in ("Asia/Tokyo", "America/New_York"):
        words = [sys.executable, "-c", code, str(images.folder), str(images.tables[0])]
        done = subprocess.run(
            words, env={**os.environ, "TZ": zone}, cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == digest_of(images)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.jpg").write_text("image x"),  # of the same size
        lambda folder: (folder / "a.jpg").write_text("longer than before"),
        lambda folder: (folder / "a.jpg").unlink(),
        lambda folder: (folder / "missing.jpg").write_text("there it is"),
        lambda folder: (folder / "a.jpg").rename(folder / "x") and (folder / "b.jpg").rename(folder / "a.jpg"),
        lambda folder: (folder.parent / "train.csv").write_text("image_id,labels\na,\n"),
    ],
)
def test_what_the_named_images_hold_counts(images, change):
    before = digest_of(images)
    change(images.folder)
    assert digest_of(images) != before


def test_names_come_from_all_tables_packed_or_not(images):
    table = images.folder.parent / "pseudolabels.csv.gz"
    table.write_bytes(gzip.compress("\ufefflabels,image_id\n,c\n".encode()))
    assert ImageFolder(images.folder, (*images.tables, table)).names() == ["a.jpg", "b.jpg", "c.jpg", "missing.jpg"]


@pytest.mark.parametrize("table", [None, b"", b"other,columns\n1,2\n", b"image_id\n\xff\n"])
def test_a_table_that_cannot_be_used_names_no_images(images, table):
    """Whoever reads the table says what is wrong with it."""
    images.tables[0].unlink() if table is None else images.tables[0].write_bytes(table)
    assert images.names() == []
    assert digest_of(images).startswith("images:")


@pytest.mark.parametrize("image_id", ["../secret", "sub/a", "", "\N{HIRAGANA LETTER A}", "dead"])
def test_nothing_outside_the_folder_is_read(images, read, image_id):
    (images.folder.parent / "secret.jpg").write_text("secret")
    (images.folder / "sub").mkdir()
    (images.folder / "sub" / "a.jpg").write_text("another page")
    (images.folder / "dead.jpg").symlink_to(images.folder / "nowhere")
    images.tables[0].write_text(f'image_id\n"{image_id}"\n')
    digest_of(images)
    assert read == []


def test_the_first_suffix_for_which_there_is_a_file(images):
    either = ImageFolder(images.folder, images.tables, (".jpg", ".png", ".tif"))
    assert digest_of(either) == digest_of(images)
    for name in ("a.png", "missing.tif", "missing.png"):
        (images.folder / name).write_text(name)
    assert either.names() == ["a.jpg", "b.jpg", "missing.png"]


@pytest.mark.parametrize("name", ["none.csv", "data"])
def test_a_file_that_cannot_be_read(images, tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: expected an input file, got none \("):
        digest_of(tmp_path / name)


def test_a_folder_that_is_not_there(images, tmp_path):
    with pytest.raises(InputError, match=r"none: expected an input file, got none \(No such file"):
        digest_of(ImageFolder(tmp_path / "none", images.tables))


def test_digest_of_the_data_of_a_check(tiny_root, tmp_path):
    shutil.copytree(tiny_root, tmp_path / "data")
    data = DataRoot(tmp_path / "data")
    before = digest_of_all(DataRoot(tiny_root).inputs())
    (tmp_path / "data" / "solution.csv").unlink()  # nobody looks at it
    (tmp_path / "data" / ".DS_Store").touch()
    assert digest_of_all(data.inputs()) == before
    for path in (data.train_csv, data.sample_submission_csv, data.unicode_translation_csv, *data.test_images.iterdir()):
        content_before = path.read_bytes()
        path.write_bytes(content_before + b"\n")
        assert digest_of_all(data.inputs()) != before, path
        path.write_bytes(content_before)
    assert digest_of_all(data.inputs()) == before
    data.unicode_translation_csv.unlink()
    assert digest_of_all(data.inputs()) != before


# What is remembered


def test_each_file_is_read_once(images, cache, read, monkeypatch):
    age(images.folder, monkeypatch)
    first = digest_of(images)
    assert sorted(read) == ["a.jpg", "b.jpg"]
    assert digest_of(images) == first
    assert sorted(read) == ["a.jpg", "b.jpg"]
    (images.folder / "a.jpg").write_text("image x")
    assert digest_of(images) != first
    assert sorted(read) == ["a.jpg", "a.jpg", "b.jpg"]
    assert len(list(cache_folder().iterdir())) == 1 and cache_folder().is_relative_to(cache)


def test_a_file_that_changed_just_now_is_read_again(images, cache, read):
    """Until the clock of the file system has moved on another change could not be seen."""
    digest_of(images)
    digest_of(images)
    assert len(read) == 4


def test_a_change_that_keeps_size_and_time_is_seen(images, cache, monkeypatch):
    age(images.folder, monkeypatch)
    before, path = digest_of(images), images.folder / "a.jpg"
    status = path.stat()
    path.write_text("image x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest_of(images) != before


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"a.jpg": 1, "b.jpg": "half"}', b"\xff"])
def test_a_damaged_cache_is_made_again(images, cache, read, monkeypatch, damage):
    age(images.folder, monkeypatch)
    before = digest_of(images)
    next(cache_folder().iterdir()).write_bytes(damage)
    assert digest_of(images) == before
    assert digest_of(images) == before
    assert len(read) == 4


def test_without_a_cache_every_file_is_read(images, cache, read, monkeypatch):
    """As where the home folder cannot be written: a file in the cache's place stops also the superuser."""
    age(images.folder, monkeypatch)
    cache.write_text("no folder")
    assert digest_of(images) == digest_of(images)
    assert len(read) == 4


def test_data_that_cannot_be_written(images, cache, read, monkeypatch):
    age(images.folder, monkeypatch)
    images.folder.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in images.folder.parent.rglob("*")}
    assert digest_of(images) == digest_of(images)
    images.folder.chmod(0o755)
    assert len(read) == 2
    assert before == {path: path.stat().st_mtime_ns for path in images.folder.parent.rglob("*")}


def test_several_at_a_time(images, cache, monkeypatch):
    age(images.folder, monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(digest_of, [images] * 16))) == 1
    assert [path.suffix for path in cache_folder().iterdir()] == [".json"]


# Compared with an earlier run


def test_contents_of_files_that_changed_places(tmp_path):
    for name in ("fold0/in.csv", "fold1/in.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    given = [tmp_path / "fold0/in.csv", tmp_path / "fold1/in.csv"]
    then = Contents(given).digests
    assert Contents(given).changed(then) == []
    assert Contents(given[::-1]).changed(then) == []  # by their names
    renamed = [tmp_path / "a", tmp_path / "b"]
    for old, new in zip(given, renamed, strict=True):
        shutil.copy(old, new)
    assert Contents(renamed).changed(then) == []  # by their order
    assert Contents(renamed[::-1]).changed(then) != []
    given[0].write_text("other")
    assert Contents(given).changed(then) == [str(given[0])]
    assert Contents([*renamed, given[0]]).changed(then) != []


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda folder: None, True),
        (lambda folder: (folder / "sub").mkdir(), True),  # files only
        (lambda folder: (folder / "a.jpg").write_text("changed"), False),
        (lambda folder: os.utime(folder / "a.jpg", ns=(1, 1)), False),
        (lambda folder: (folder / "new").write_text(""), False),
    ],
)
def test_the_digest_of_earlier_versions(images, change, same):
    then = {str(images): digest_of_times(images.folder)}
    change(images.folder)
    assert (Contents([images]).changed(then) == []) is same
