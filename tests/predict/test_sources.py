"""Which pages are meant."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kuzushiji.errors import InputError
from kuzushiji.predict.sources import find_pages


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
    with pytest.raises(InputError, match=r"expected pages of different names, got genji_001 twice"):
        find_pages([*map(str, pages), str(picture(tmp_path / "genji" / "001.jpg"))], [])


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
