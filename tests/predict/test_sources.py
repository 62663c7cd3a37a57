"""Which pages are meant."""

import inspect
import io
import os
import shutil
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kuzushiji.errors import InputError
from kuzushiji.predict.folders import Below
from kuzushiji.predict.sources import find_pages, names_of


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 3, 3), np.uint8)).save(path)
    return path


def names(words: list[object], stdin: list[str] | None = None) -> list[str]:
    pages, failures = find_pages([str(word) for word in words], stdin or [])
    assert not failures
    return [page.name for page in pages]


def test_files_in_the_order_given_folders_by_name(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.TIF", "sub/d.jpeg", ".hidden/e.jpg"):
        picture(tmp_path / "book" / name)
    (tmp_path / "book" / "notes.txt").write_text("no page")
    single = picture(tmp_path / "z.png")
    assert names([single, tmp_path / "book"]) == ["z", "a", "b", "c", "sub_d"]


def test_a_page_that_is_meant_twice_is_read_once(tmp_path: Path) -> None:
    page = picture(tmp_path / "a.png")
    assert names([page, tmp_path, page]) == ["a"]


def test_names_on_standard_input_and_on_the_line(tmp_path: Path) -> None:
    a, b = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    assert names(["-", b], [f"{a}\n", "\n"]) == ["a", "b"]


def test_pages_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    pages = [picture(tmp_path / book / "001.png") for book in ("genji", "ise")]
    assert names([*pages, picture(tmp_path / "002.png")]) == ["genji_001", "ise_001", "002"]
    other = picture(tmp_path / "genji" / "001.jpg")
    assert names([*pages, other]) == ["genji_001_png", "ise_001", "genji_001_jpg"]
    third = picture(tmp_path / "genji" / "001.JPG")
    assert names([*pages, other, third]) == ["genji_001_png", "ise_001", "genji_001_jpg", "genji_001_jpg_2"]


def test_pages_whose_names_some_systems_take_for_one(tmp_path: Path) -> None:
    picture(tmp_path / "in.png").rename(tmp_path / "か\u3099.png")
    picture(tmp_path / "in.png").rename(tmp_path / "\u304c.png")
    found = names([tmp_path])
    assert len({unicodedata.normalize("NFC", name) for name in found}) == 2


def test_each_picture_of_a_tiff_is_a_page(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 3), 9 * n, np.uint8)) for n in range(2)]
    frames[0].save(tmp_path / "scan.tif", save_all=True, append_images=frames[1:])
    assert names([tmp_path]) == ["scan_001", "scan_002"]


def test_what_is_no_page_is_noted(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    good = picture(tmp_path / "good.png")
    words = [tmp_path / "none", tmp_path / "text.png", tmp_path / "missing.jpg", good]
    pages, failures = find_pages(list(map(str, words)), [])
    assert [page.name for page in pages] == ["good"]
    assert [Path(failure.where).name for failure in failures] == ["none", "text.png", "missing.jpg"]


def lines(words: list[object], without: list[Path] | None = None) -> tuple[list[str], list[str]]:
    pages, failures = find_pages([str(word) for word in words], [], without or [])
    return [page.name for page in pages], [failure.message for failure in failures]


def test_links_to_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "1.png")
    picture(tmp_path / "book" / "2.png")
    (tmp_path / "book" / "part").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "book")
    (tmp_path / "book" / "again").symlink_to(tmp_path / "book" / "part")
    found, failures = lines([tmp_path / "book"])
    assert found == ["2", "again_1"] and not failures
    (tmp_path / "book" / "gone.png").symlink_to(tmp_path / "nowhere")
    assert lines([tmp_path / "book"])[1] == [f"{tmp_path}/book/gone.png: expected a page, got a link to nothing"]


def test_links_to_themselves_and_pipes_leave_the_other_pages(tmp_path: Path) -> None:
    picture(tmp_path / "book" / "1.png")
    (tmp_path / "book" / "a").symlink_to(tmp_path / "book" / "b")
    (tmp_path / "book" / "b").symlink_to(tmp_path / "book" / "a")
    (tmp_path / "book" / ".c").symlink_to(".c")
    os.mkfifo(tmp_path / "book" / "pipe.png")
    found, failures = lines([tmp_path / "book"])
    reason = "expected a page, got what cannot be read: Too many levels of symbolic links"
    assert found == ["1"] and failures == [
        f"{tmp_path}/book/a: {reason}", f"{tmp_path}/book/b: {reason}",
        f"{tmp_path}/book/pipe.png: expected a page, got a pipe or device",
    ]  # fmt: skip
    found, failures = lines([tmp_path / "book" / "pipe.png", tmp_path / "book" / "1.png"])
    assert found == ["1"] and failures[0].endswith("pipe.png: expected the image of a page, got a pipe or device")


def test_folders_at_any_depth(tmp_path: Path) -> None:
    """Deeper than Python calls itself."""
    folder = tmp_path.joinpath(*["d"] * 200)
    picture(folder / "1.png")
    below, limit = Below(), sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert below.add(tmp_path, ())
    finally:
        sys.setrecursionlimit(limit)
    assert below.files == [(folder / "1.png", tmp_path)] and not below.failures


def test_a_folder_that_cannot_be_listed_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "book" / "1.png")
    (tmp_path / "book" / "locked").mkdir()
    scandir = os.scandir

    def scan(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", scan)
    found, failures = lines([tmp_path / "book"])
    assert found == ["1"]
    assert failures == [f"{tmp_path}/book/locked: expected a folder that can be listed: Permission denied"]


def test_what_systems_leave_is_no_page_and_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    systems = ("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".thumbnails", "__MACOSX", "out")
    for folder in systems:
        picture(tmp_path / folder / "1.png")
    for name in ("._2.png", "3.heic.png", "4.jfif", "5.JPE", "6.bmp", "7.gif", "8.webp"):
        picture(tmp_path / "in.png").rename(tmp_path / name)
    for name in ("a.heic", "b.txt", "c.txt", "none"):
        (tmp_path / name).write_bytes(b"")
    with caplog.at_level("INFO", logger="kuzushiji"):
        found, failures = lines([tmp_path], [tmp_path / "out"])
    assert found == ["3.heic", "4", "5", "6", "7", "8"] and not failures
    (line,) = caplog.messages
    assert line.startswith("passed over: 4 files that are no pictures (.txt 2, .heic 1, no suffix 1); 8 files and")
    assert "@eaDir 1" in line and "out 1" in line and "._* 1" in line


@pytest.mark.parametrize(
    ("encoding", "start"),
    [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"),
     ("utf-16-le", b""), ("utf-16-be", b"")],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n", "\0"])
def test_lists_in_any_encoding(encoding: str, start: bytes, end: str) -> None:
    listed = ["/scans/001.tif", "/scans/春/2 b.jpg"]
    content = start + "".join(name + end for name in listed).encode(encoding)
    assert names_of(io.TextIOWrapper(io.BytesIO(content))) == listed


def test_names_in_other_encodings_stay_as_they_are(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path / "x") + "春.png".encode("cp932"))
    picture(tmp_path / "in.png").rename(path)
    assert names_of(io.TextIOWrapper(io.BytesIO(os.fsencode(path)))) == [path]
    assert names([path]) == ["x春"]


def test_closed_standard_input() -> None:
    with pytest.raises(InputError, match=r"expected names of pages on standard input \(-\), it is closed"):
        find_pages(["-"], None)


def test_names_that_are_long_or_not_printable(tmp_path: Path) -> None:
    odd = {"CON": "_CON", "nul.1": "_nul.1", 'a:b*?"<>|': "a_b______", "end. ": "end"}
    for name, expected in odd.items():
        picture(tmp_path / "odd" / "in.png").rename(tmp_path / "odd" / f"{name}.png")
        assert names([tmp_path / "odd" / f"{name}.png"]) == [expected]
    shutil.rmtree(tmp_path / "odd")
    for name in ("a." + "b" * 240, "春" * 80, "line\nbreak", "esc\x1b[31m", "back\\slash", "a" * 119):
        picture(tmp_path / "in.png").rename(tmp_path / f"{name}.png")
    found = names([tmp_path])
    assert len(set(found)) == 6 and {"line_break", "esc_[31m", "back_slash", "a" * 119} <= set(found)
    for name in found:
        (tmp_path / f"{name}.overlay.png").write_bytes(b"")


def test_failures_are_one_line_that_a_terminal_shows(tmp_path: Path) -> None:
    (tmp_path / "red\x1b[31m\nline.png").write_bytes(b"none")
    name = os.fsdecode(os.fsencode(tmp_path / "x") + b"\x8ft.png")
    Path(name).write_bytes(b"none")
    _, failures = lines([tmp_path])
    assert len(failures) == 2
    assert all(line.isprintable() and line.encode() for line in failures)
